"""A test that fails while WeChat's day turns is run once more: quotas, plans and words change then.

The last lines of the run show what failed, and count it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from _pytest.runner import runtestprotocol

from broadcast import day

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest
    from _pytest.terminal import TerminalReporter

#: What was called within so long before midnight may be in doubt after it.
MARGIN = timedelta(minutes=2)
RERUN = "rerun"


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Run *item*, and run it again if it failed as the day turned."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    began = now()
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    if any(one.failed for one in reports) and turned(began, now()):
        _log(item, [again(one) for one in reports if one.failed])
        item._initrequest()  # type: ignore[attr-defined]  # there is no public way
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
    _log(item, reports)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def now() -> datetime:
    """Return the present moment."""
    return datetime.now(UTC)


def turned(began: datetime, ended: datetime) -> bool:
    """Return whether WeChat's day turned between two moments, or shortly before."""
    return day.start(began - MARGIN) != day.start(ended)


def again(report: pytest.TestReport) -> pytest.TestReport:
    """Return the report of a failure that decides nothing."""
    report.outcome = RERUN  # type: ignore[assignment]
    return report


def _log(item: pytest.Item, reports: Sequence[pytest.TestReport]) -> None:
    for one in reports:
        item.ihook.pytest_runtest_logreport(report=one)


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Count the failure apart."""
    if report.outcome != RERUN:
        return None
    return RERUN, "R", "RERUN"


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Show it: a fault of ours at midnight looks the same."""
    for report in terminalreporter.getreports(RERUN):
        terminalreporter.write_sep("_", f"{report.nodeid} failed as WeChat's day turned")
        terminalreporter.write_line(report.longreprtext)
