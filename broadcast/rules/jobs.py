"""Jobs that WeChat reported the end of: which batches they can be, and what differs from ours.

A job that no batch has was begun in WeChat's console, or is a batch of ours whose msg_id nobody
knows. Only the time of a call speaks for the latter; figures are a hint and decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from broadcast.frozen import frozen
from broadcast.rules.finish_events import FinishEvent, JobEnd, job_end_of
from broadcast.rules.states import SENT, STOPPED_JOB, BatchState, Reason

#: A job ends so long after its call: WeChat's review may take hours. mass/get is asked as long.
LONGEST = timedelta(hours=48)
#: WeChat's clock and ours differ.
SKEW = timedelta(minutes=10)
#: WeChat's times are whole seconds, and ours are not.
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Period:
    """Period of time."""

    since: datetime
    until: datetime


@frozen
class OurBatch:
    """A batch, as far as it concerns whose job something is."""

    broadcast_id: str
    n: int
    size: int | None
    state: BatchState
    reason: Reason | None
    #: What mass/get said of its job last.
    msg_status: str | None = None
    #: The first call that can have begun the job in question; None: a reply named that job.
    called_at: datetime | None = None


@frozen
class Job:
    """A job of an account's that ended."""

    event: FinishEvent
    ended_at: datetime
    #: The batch that has its msg_id.
    owner: OurBatch | None = None
    #: The batches that can be it: called at that time without anybody knowing their msg_id, or
    #: named to it by a reply.
    candidates: Sequence[OurBatch] = field(default=())

    @property
    def of_console(self) -> bool:
        """True if no batch of ours can be it: somebody sent it in WeChat's console."""
        return self.owner is None and not self.candidates

    @property
    def may_have_reached(self) -> bool:
        """True if anybody may have got it."""
        return job_end_of(self.event.status, self.event.counts) is not JobEnd.REFUSED

    def as_batch(self, broadcast_id: str, n: int) -> OurBatch | None:
        """Return the batch of that number if the job can be it, for all that is known."""
        mine = (
            batch for batch in self.candidates if (batch.broadcast_id, batch.n) == (broadcast_id, n)
        )
        return None if self.owner is not None else next(mine, None)

    def ended_before(self, batch: OurBatch) -> bool:
        """Return whether it ended before the call: then it is that batch only if clocks differ."""
        return batch.called_at is not None and self.ended_at + _SECOND <= batch.called_at


def likeliest_first(jobs: Iterable[Job], broadcast_id: str, n: int) -> list[Job]:
    """Return the jobs that can be this batch, those first that are most like it.

    One to as many followers comes before one of another count, then one that ended after the call
    before one that ended earlier.
    """
    found = [(job, batch) for job in jobs if (batch := job.as_batch(broadcast_id, n))]
    found.sort(key=lambda one: (_unlike(one[0].event, one[1].size), one[0].ended_before(one[1])))
    return [job for job, _ in found]


def _unlike(event: FinishEvent, size: int | None) -> int:
    same = size is not None and event.counts.total == size
    return 0 if same else 1 + counts_another(event, size)


def fits(called: Iterable[datetime], ended_at: datetime) -> bool:
    """Return whether a job with this end can have begun with one of these calls."""
    return any(at - SKEW <= ended_at <= at + LONGEST for at in called)


def went_to_nobody(event: FinishEvent, size: int | None) -> bool:
    """Return whether a job was sent to an empty list, which a batch of *size* followers has not."""
    sent = job_end_of(event.status, event.counts) is JobEnd.SENT
    return bool(size) and sent and event.counts.total == 0


def counts_another(event: FinishEvent, size: int | None) -> bool:
    """Return whether WeChat counted another list than one of *size*: a hint, no proof.

    A job that its review refused may have been stopped before it was counted: its 0 says nothing.
    """
    total = event.counts.total
    if size is None or total is None or total == size:
        return False
    return total > 0 or job_end_of(event.status, event.counts) is not JobEnd.REFUSED


#: Difference between the ledger and WeChat; each has its text and its next step.
Difference = StrEnum(
    "Difference",
    [
        "UNFINISHED",  #: accepted, and never reported as ended
        "NO_JOB",  #: mass/get has no job with the msg_id that WeChat gave
        "NO_JOB_NAMED",  #: mass/get has no job with the msg_id that an operator named
        "IN_DOUBT",  #: it may have been sent, and only an operator can find out
        "UNNAMED",  #: sent by an operator's verdict, and nobody knows as which job
        "OTHER_COUNT",  #: WeChat counted another list than was sent
        "OTHER_TIME",  #: an operator named a job that no call of the batch can have begun
        "REVIEW",  #: WeChat's review refused what it had accepted
        "FAILED",  #: a job that WeChat had accepted failed
        "REVIEW_OTHER",  #: either of them, of a job to another list than was sent
        "CONTRADICTION",  #: mass/get and the finish event say otherwise
        "UNCLAIMED",  #: a job that a batch of unknown msg_id can be
        "CONSOLE",  #: a job that no batch can be
        "UNREAD",  #: a push that could not be read, so nobody knows which job it ended
    ],
)


@frozen
class Reconciled:
    """A batch that was called, and what WeChat said of its job."""

    id: int
    broadcast_id: str
    n: int
    size: int | None
    state: BatchState
    reason: Reason | None
    msg_id: int | None
    msg_status: str | None
    first_called_at: datetime
    #: When mass/get is asked next; None: never again.
    poll_at: datetime | None
    event: FinishEvent | None = None
    #: An operator alone named its job, and no call of the batch can have begun one that ended then.
    other_time: bool = False
    #: mass/get was asked just now and has no such job.
    denied: bool = False

    @property
    def is_taken(self) -> bool:
        """True if it counts as accepted."""
        return self.state in SENT

    @property
    def is_to_be_asked(self) -> bool:
        """True if an answer of mass/get would say something new."""
        return self.state is BatchState.ACCEPTED and self.msg_id is not None


@frozen
class SetAside:
    """A push of WeChat's that no try can handle."""

    #: The event's name.
    kind: str
    received_at: datetime
    problem: str
    #: As WeChat wrote it.
    body: str = field(repr=False)


@frozen
class FoundDifference:
    """One difference: about a batch, about a job of WeChat's, about both, or about a push."""

    difference: Difference
    broadcast_id: str | None = None
    n: int | None = None
    msg_id: int | None = None
    size: int | None = None
    state: BatchState | None = None
    at: datetime | None = None
    event: FinishEvent | None = None
    #: What mass/get said.
    msg_status: str | None = None
    push: SetAside | None = None
    #: Of ``UNCLAIMED``: the job and the batch that it can be.
    claim: tuple[Job, OurBatch] | None = None


@frozen
class Comparison:
    """Comparison of one account's batches and jobs, with the differences."""

    account: str
    batches: int
    jobs: int
    #: Accepted batches of which WeChat will still be asked, and ended ones without counts.
    pending: int
    uncounted: int
    found: Sequence[FoundDifference] = field(default=())

    @property
    def differences(self) -> int:
        """Number of differences: a batch and the job that it can be are one."""
        return _count(self.found)


def compare(
    account: str,
    batches: Sequence[Reconciled],
    jobs: Sequence[Job],
    *,
    set_aside: Sequence[SetAside] = (),
) -> Comparison:
    """Compare the batches of an account with the jobs that WeChat ended.

    *set_aside*: pushes of which nobody knows what job they speak of.
    """
    found = [one for batch in batches for one in _of_batch(batch)]
    found += [one for job in jobs for one in _of_job(job)]
    found += [
        FoundDifference(difference=Difference.UNREAD, at=push.received_at, push=push)
        for push in set_aside
    ]
    pending = [b for b in batches if b.is_to_be_asked and b.event is None and not b.denied]
    uncounted = [b for b in batches if b.state is BatchState.FINISHED and b.event is None]
    return Comparison(
        account=account,
        batches=len(batches),
        jobs=len(jobs),
        found=tuple(found),
        pending=sum(batch.poll_at is not None for batch in pending),
        uncounted=len(uncounted),
    )


def _of_batch(batch: Reconciled) -> Iterator[FoundDifference]:
    kinds = list(_differences(batch))
    for kind in kinds:
        yield FoundDifference(
            difference=kind,
            broadcast_id=batch.broadcast_id,
            n=batch.n,
            msg_id=batch.msg_id,
            size=batch.size,
            state=batch.state,
            at=batch.first_called_at,
            event=batch.event,
            msg_status=batch.msg_status,
        )


def _differences(batch: Reconciled) -> Iterator[Difference]:
    if batch.other_time:
        yield Difference.OTHER_TIME
    elif batch.state is BatchState.REFUSED and batch.reason in STOPPED_JOB:
        stopped = Difference.REVIEW if batch.reason is Reason.REVIEW_REFUSED else Difference.FAILED
        yield Difference.REVIEW_OTHER if _was_anothers(batch) else stopped
    elif batch.state is BatchState.IN_DOUBT:
        yield Difference.IN_DOUBT
    elif batch.is_taken:
        yield from _of_taken(batch)
    else:
        return
    if batch.event is not None and _contradicts(batch.msg_status, batch.event):
        yield Difference.CONTRADICTION


def _of_taken(batch: Reconciled) -> Iterator[Difference]:
    if batch.msg_id is None:
        yield Difference.UNNAMED
    elif batch.event is not None:
        if _counted_otherwise(batch, batch.event):
            yield Difference.OTHER_COUNT
    elif batch.denied:
        named = batch.reason is Reason.SAID_SENT
        yield Difference.NO_JOB_NAMED if named else Difference.NO_JOB
    elif batch.state is BatchState.ACCEPTED and batch.poll_at is None:
        yield Difference.UNFINISHED


def _counted_otherwise(batch: Reconciled, event: FinishEvent) -> bool:
    total = event.counts.total
    return batch.size is not None and total is not None and total != batch.size


def _was_anothers(batch: Reconciled) -> bool:
    """Return whether a refused job counted another list: an operator can have named the wrong one.

    No total, or 0, says nothing: the review comes before the list is counted.
    """
    event = batch.event
    return event is not None and bool(event.counts.total) and _counted_otherwise(batch, event)


def _contradicts(msg_status: str | None, event: FinishEvent) -> bool:
    """Return whether mass/get and the event disagree on whether the job was sent."""
    means = job_end_of(event.status, event.counts)
    other = {JobEnd.REFUSED: "SEND_SUCCESS", JobEnd.SENT: "SEND_FAIL"}
    return msg_status is not None and other.get(means) == msg_status


def _of_job(job: Job) -> Iterator[FoundDifference]:
    if job.of_console:
        yield FoundDifference(
            difference=Difference.CONSOLE,
            msg_id=job.event.msg_id,
            at=job.ended_at,
            event=job.event,
        )
    for batch in job.candidates:
        yield FoundDifference(
            difference=Difference.UNCLAIMED,
            broadcast_id=batch.broadcast_id,
            n=batch.n,
            msg_id=job.event.msg_id,
            size=batch.size,
            state=batch.state,
            at=job.ended_at,
            event=job.event,
            claim=(job, batch),
        )


def _count(found: Sequence[FoundDifference]) -> int:
    """Count what differs: of batches and jobs that can be each other's, the larger number."""
    groups: list[tuple[set[Any], set[Any]]] = []
    for one in found:
        if one.difference is Difference.UNCLAIMED:
            batch, job = (one.broadcast_id, one.n), one.msg_id
            mine = [group for group in groups if batch in group[0] or job in group[1]]
            groups = [group for group in groups if group not in mine]
            groups.append(
                (
                    {batch}.union(*(batches for batches, _ in mine)),
                    {job}.union(*(jobs for _, jobs in mine)),
                )
            )
    paired = {batch for batches, _ in groups for batch in batches}
    others = [
        one
        for one in found
        if one.difference is not Difference.UNCLAIMED and not _is_of(one, paired)
    ]
    return len(others) + sum(
        max(len(jobs), len(batches & _named(found))) for batches, jobs in groups
    )


def _is_of(one: FoundDifference, paired: set[Any]) -> bool:
    return one.difference in _WITHOUT_JOB and (one.broadcast_id, one.n) in paired


def _named(found: Sequence[FoundDifference]) -> set[Any]:
    """Return the batches whose job nobody knows."""
    return {(one.broadcast_id, one.n) for one in found if one.difference in _WITHOUT_JOB}


_WITHOUT_JOB = frozenset({Difference.IN_DOUBT, Difference.UNNAMED})
