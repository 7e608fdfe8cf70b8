"""What this run could not prove because the machine lacks a part.

A skip that scrolls by unread is a proof nobody misses. So the last lines of the run name
every one of them, and with `CI=true`, where nobody reads, the run fails.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

PREFIX = "NOT PROVED HERE: "


def not_proved(what: str, why: str) -> NoReturn:
    """Skip the test and have the end of the run say that `what` was not proved, and why."""
    pytest.skip(f"{PREFIX}{what} ({why})")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Write the last lines of the run, after pytest's own."""
    yield
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    # A worker of pytest-xdist has a reporter too, but its skips arrive at the controller.
    if reporter is None or hasattr(session.config, "workerinput"):
        return
    lines = unproved(reporter.stats.get("skipped", []))
    if lines and os.environ.get("CI") == "true":
        reporter.write_line("With CI=true a missing proof fails the run:", red=True)
        if session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    for line in lines:
        reporter.write_line(line, red=True, bold=True)


def unproved(skipped: list[pytest.TestReport]) -> list[str]:
    """Return one line for each thing that these skipped tests would have proved."""
    counts: dict[str, int] = {}
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        reason = reason.removeprefix("Skipped: ")
        if reason.startswith(PREFIX):
            counts[reason] = counts.get(reason, 0) + 1
    return [
        f"{reason}, {count} test{'s' * (count > 1)} skipped"
        for reason, count in sorted(counts.items())
    ]
