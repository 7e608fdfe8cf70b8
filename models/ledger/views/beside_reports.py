"""Facts of a broadcast beside its report, of which its next steps are made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.calls.waits import Waits
from broadcast.rules.circumstances import Circumstances, Doubt, rest_numbers
from broadcast.rules.jobs import likeliest_first
from broadcast.rules.reports import Report, RetryGroup
from broadcast.rules.states import STOPPED_JOB, BatchState, Reason
from models.ledger.lane import call_history
from models.ledger.outcomes import job_lookup
from models.ledger.rows import locked_rows
from models.ledger.views import broadcast_reports

if TYPE_CHECKING:
    from broadcast.rules.overlap import Newer


def circumstances(
    engine: Engine, report: Report, *, waits: Waits, stays: bool = True
) -> Circumstances:
    """Return the known facts of a broadcast beside its *report*, which has its batches.

    *stays*: a later command will find it. Raises DatabaseAwayError.
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
        contradicted=job_lookup.jobs_of_called_not_sent(engine, report.account, report.id)
        if denied
        else {},
        unnamed=job_lookup.jobs_of_called_sent(engine, report.account, report.id)
        if unnamed
        else {},
        forgotten=call_history.forgotten_of(engine, report.id, again, waits=waits),
        named_by_word=call_history.named_by_verdict(engine, report.id) if reviewed else {},
        conflicts=broadcast_reports.conflicts(engine, report.id),
        stays=stays,
        newer=_newer(engine, report),
    )


def _left_over(engine: Engine, report: Report) -> Sequence[RetryGroup]:
    """Return the effect of a retry on the refused batches, where there are any."""
    if not report.batches["refused"]:
        return ()
    from models.ledger.steer import retries  # noqa: PLC0415 - few broadcasts have any

    return retries.retry_verdicts(engine, report.id)


def _newer(engine: Engine, report: Report) -> Newer | None:
    """Return the followers of the rest that got a newer broadcast; None: no rest or none newer."""
    ended = report.finished_at or report.now
    numbers = rest_numbers(report) if report.now - ended < _NEWS else []
    among = locked_rows.newer(engine, report.id) if numbers else ()
    if not among:
        return None
    from models.ledger.views import received  # noqa: PLC0415 - numpy, which few commands need

    return received.newer(engine, report.id, numbers, among=among, to_come=False)


#: For how long after its end a broadcast is held against newer ones: each costs a look at its list.
_NEWS = timedelta(days=7)


def _doubts(engine: Engine, report: Report) -> list[Doubt]:
    unsettled = [line for line in report.batch_list if line.state is BatchState.IN_DOUBT]
    if not unsettled:
        return []
    named = call_history.named_msg_ids(engine, report.id)
    called = call_history.called_at(engine, report.id)
    jobs = job_lookup.jobs_around(engine, report.account, list(called.values()))
    return [
        Doubt(
            n=line.n,
            size=line.size,
            msg_ids=named.get(line.n, ()),
            jobs=likeliest_first(jobs, report.id, line.n),
            first=called[line.n].first if line.n in called else None,
            last=called[line.n].last if line.n in called else None,
        )
        for line in unsettled
    ]
