"""Circumstances: the facts beside a report of which the next steps of an operator are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import content_stays_refused
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.jobs import Job
from broadcast.rules.reports import Conflict, Report, RetryGroup
from broadcast.rules.states import STOPPED_JOB, BatchState, BroadcastState

if TYPE_CHECKING:
    from broadcast.rules.overlap import Newer

S = BroadcastState


@frozen
class Doubt:
    """A batch in doubt, and where a person looks for it."""

    n: int
    size: int | None
    #: Between which calls it may have been sent; None: each was refused in the end.
    first: datetime | None
    last: datetime | None
    #: The msg_ids that replies of WeChat's named.
    msg_ids: Sequence[int]
    #: Jobs that ended at that time, that no batch has, and that can be it.
    jobs: Sequence[Job] = ()


@frozen
class Circumstances:
    """Facts of a broadcast beside its report."""

    doubts: Sequence[Doubt] = ()
    left_over: Sequence[RetryGroup] = ()
    #: By number, of batches called not sent: the jobs that ended at that time and can be them.
    contradicted: Mapping[int, Sequence[Job]] = field(default_factory=dict)
    #: By number, of batches that count as sent as a job that nobody knows: the same.
    unnamed: Mapping[int, Sequence[Job]] = field(default_factory=dict)
    #: Of what a retry would call again: whose key WeChat no longer knows, and its last call's age.
    forgotten: Mapping[int, timedelta] = field(default_factory=dict)
    #: Batches that a review refused by a msg_id that an operator alone gave them.
    named_by_word: Mapping[int, int] = field(default_factory=dict)
    conflicts: Sequence[Conflict] = ()
    #: Who of its rest got a newer broadcast, or may have, or will.
    newer: Newer | None = None
    #: Whether a later command will find it: of the demo's nothing is left.
    stays: bool = True


def rest_numbers(report: Report) -> list[int]:
    """Return the batches of the rest; none where nothing is said of it, or nobody knows it."""
    if report.audience["planned"] is None:
        return []
    if report.state is not S.CANCELLED and not is_content_refused(report):
        return []
    if not report.batch_list:
        return [0]
    states = {BatchState.CANCELLED, BatchState.REFUSED, BatchState.PLANNED}
    return [line.n for line in report.batch_list if line.state in states]


#: At rest: nothing more of it is called automatically.
_ENDED = frozenset({S.HELD, S.PARTIAL, S.FAILED, S.CANCELLED})


def is_content_refused(report: Report) -> bool:
    """Return whether WeChat, in a call or in its review, refused the content and will again."""
    breaker = report.gate(GateKind.BREAKER)
    if breaker is not None:
        return content_stays_refused(breaker.reason, breaker.errcode)
    if report.state not in _ENDED or report.recipients["waiting"]:
        return False
    return any(
        line.state is BatchState.REFUSED
        and (line.reason in STOPPED_JOB or content_stays_refused(line.reason, line.errcode))
        for line in report.batch_list
    )
