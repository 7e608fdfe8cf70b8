"""What speaks against calling the batches of a broadcast that a person stopped, or settled.

A newer broadcast may have reached the same followers, and a verdict "not sent" may be wrong.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from datetime import timedelta

from sqlalchemy import Engine

from broadcast.call.outcomes import content_stays_refused
from broadcast.call.retry import RetryVerdict
from broadcast.call.waits import Waits
from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.gates.kinds import RESUME_OPENS, GateKind
from broadcast.jobs import Job
from broadcast.overlap import Newer
from broadcast.reports import Report
from broadcast.states import BatchState
from models.ledger.reading import ids, jobs, possibly_sent, retry_verdicts


@frozen
class Against:
    """By the number of each batch: should the verdict be wrong, a retry sends it twice."""

    #: Jobs that WeChat ended, that no batch has, and that can be this one.
    ended: Mapping[int, Sequence[Job]] = field(default_factory=dict)
    #: How long ago its last call was of which WeChat no longer knows the key.
    forgotten: Mapping[int, timedelta] = field(default_factory=dict)


def look(engine: Engine, report: Report, *, waits: Waits) -> Against:
    """Return what speaks against calling the batches of a broadcast again."""
    # A retry of what is cancelled is refused in any case.
    if not report.batches["refused"] or report.gate(GateKind.CANCEL) is not None:
        return Against()
    if ended := jobs.of_called_not_sent(engine, report.account, report.id):
        return Against(ended=ended)
    again = _again(engine, report)
    return Against(forgotten=possibly_sent.forgotten_of(engine, report.id, again, waits=waits))


def _again(engine: Engine, report: Report) -> list[int]:
    left = retry_verdicts.look(engine, report.id) if report.batches["refused"] else ()
    return [n for one in left if one.verdict is RetryVerdict.AGAIN for n in one.numbers]


def by_resume(report: Report) -> list[int]:
    """Return the batches that a resume lets be called: none where it has nothing to open."""
    if report.gate(*RESUME_OPENS) is None:
        return []
    # What is not cut into batches yet is number 0.
    return _waiting(report) if report.batch_list else [0]


def by_retry(engine: Engine, report: Report) -> list[int]:
    """Return the batches that a retry lets be called: none where only a resume opens the way."""
    breaker = report.gate(GateKind.BREAKER)
    stays = breaker is not None and content_stays_refused(breaker.reason, breaker.errcode)
    if stays or report.gate(GateKind.CANCEL, GateKind.PAUSE, GateKind.HOLD, GateKind.DRAFT):
        return []
    # What waits goes on with it where the circuit breaker stopped it.
    return [*_again(engine, report), *(_waiting(report) if breaker else ())]


def _waiting(report: Report) -> list[int]:
    waits = {BatchState.PLANNED, BatchState.UNKNOWN}
    return [line.n for line in report.batch_list if line.state in waits]


def reached(engine: Engine, report: Report, numbers: Collection[int]) -> Newer | None:
    """Return who of the batches of these *numbers* a newer broadcast reached; None: nobody."""
    among = ids.newer(engine, report.id) if numbers else ()
    if not among:
        return None
    from models.ledger.reading import newer  # noqa: PLC0415 - numpy, which few commands need

    # Of two that wait none takes the place of the other: each has its own time.
    to_come = report.started_at is not None
    found = newer.newer(engine, report.id, numbers, among=among, to_come=to_come)
    return found if found.followers else None


def refusal(report: Report, found: Newer, *, command: str) -> InputError:
    """Return what is said where nobody can be asked: a person's *command* does it all the same."""
    return InputError(
        "error.broadcast.newer", id=report.id, count=found.followers, ids=list(found.ids),
        command=f"broadcast {command} {report.id} --yes",
    )  # fmt: skip


def refuse_reached(
    engine: Engine, report: Report, numbers: Collection[int], *, command: str
) -> None:
    """Raise InputError where a newer broadcast reached followers who would be called again."""
    found = reached(engine, report, numbers)
    if found is not None:
        raise refusal(report, found, command=command)
