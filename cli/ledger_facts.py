"""What the ledger says beside a report, in the structures that ``presentation`` takes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from broadcast.call.retry import RetryVerdict
from broadcast.call.waits import Waits
from broadcast.jobs import likeliest_first
from broadcast.reasons import STOPPED_JOB, Reason
from broadcast.reports import SKIPS, Report, RetryGroup
from broadcast.settings import DEMO
from broadcast.states import BatchState
from models.ledger.reading import history, ids, jobs, possibly_sent, reports
from presentation import resend
from presentation.blockers import Lanes
from presentation.next_steps import Circumstances, Doubt

if TYPE_CHECKING:
    from broadcast.overlap import Newer


def circumstances(engine: Engine, report: Report, *, waits: Waits) -> Circumstances:
    """Return what is known of a broadcast beside its *report*, which has its batches.

    Raises DatabaseAwayError.
    """
    left = _left_over(engine, report)
    again = [n for one in left if one.verdict is RetryVerdict.AGAIN for n in one.numbers]
    reasons = {line.reason for line in report.batch_list if line.state is BatchState.REFUSED}
    denied = Reason.SAID_NOT_SENT in reasons
    reviewed = bool(STOPPED_JOB & reasons)
    unnamed = any(line.is_unnamed for line in report.batch_list)
    return Circumstances(
        doubts=_doubts(engine, report),
        left_over=left,
        contradicted=jobs.of_called_not_sent(engine, report.account, report.id) if denied else {},
        unnamed=jobs.of_called_sent(engine, report.account, report.id) if unnamed else {},
        forgotten=possibly_sent.forgotten_of(engine, report.id, again, waits=waits),
        named_by_word=possibly_sent.named_by_word(engine, report.id) if reviewed else {},
        conflicts=history.conflicts(engine, report.id),
        stays=DEMO not in os.environ,
        newer=_newer(engine, report),
    )


def _left_over(engine: Engine, report: Report) -> Sequence[RetryGroup]:
    """Return what a retry would do with the refused batches, where there are any."""
    if not report.batches["refused"]:
        return ()
    from models.ledger.reading import retry_verdicts  # noqa: PLC0415 - few broadcasts have any

    return retry_verdicts.look(engine, report.id)


def _newer(engine: Engine, report: Report) -> Newer | None:
    """Return who of the rest got a newer broadcast; None where there is no rest or no newer one."""
    ended = report.finished_at or report.now
    numbers = resend.numbers(report) if report.now - ended < _NEWS else []
    among = ids.newer(engine, report.id) if numbers else ()
    if not among:
        return None
    from models.ledger.reading import newer  # noqa: PLC0415 - numpy, which few commands need

    return newer.newer(engine, report.id, numbers, among=among, to_come=False)


#: For how long after its end a broadcast is held against newer ones: each costs a look at its list.
_NEWS = timedelta(days=7)


def _doubts(engine: Engine, report: Report) -> list[Doubt]:
    unsettled = [line for line in report.batch_list if line.state is BatchState.IN_DOUBT]
    if not unsettled:
        return []
    named = possibly_sent.named_msg_ids(engine, report.id)
    called = possibly_sent.called_at(engine, report.id)
    there = jobs.around(engine, report.account, list(called.values()))
    return [
        Doubt(
            n=line.n, size=line.size, msg_ids=named.get(line.n, ()),
            jobs=likeliest_first(there, report.id, line.n),
            first=called[line.n].first if line.n in called else None,
            last=called[line.n].last if line.n in called else None,
        )
        for line in unsettled
    ]  # fmt: skip


def skipped(engine: Engine, report: Report) -> dict[str, list[tuple[int, str]]]:
    """Return the first skipped lines by reason. Raises DatabaseAwayError."""
    # An upload has none, and no list of them yet.
    if not any(report.audience[name] for name in SKIPS):
        return {}
    from models.ledger.reading import recipients  # noqa: PLC0415 - few lists have any

    return {one.reason: one.lines for one in recipients.skipped(engine, report.id)}


def lanes(engine: Engine) -> Lanes:
    """Read every lane. Raises DatabaseAwayError."""
    views, moment = reports.lanes(engine)
    return Lanes(by_account=views, now=moment)
