"""Jobs that WeChat reported the end of, and which batches they can be.

A job that no batch has was begun in WeChat's console, or is a batch of ours whose msg_id nobody
knows. Only the time of a call speaks for the latter; figures are a hint and decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from broadcast.finish import Ending, FinishEvent, ending
from broadcast.frozen import frozen
from broadcast.reasons import Reason
from broadcast.states import BatchState

#: A job ends so long after its call: WeChat's review may take hours. mass/get is asked as long.
LONGEST = timedelta(hours=48)
#: WeChat's clock and ours differ.
SKEW = timedelta(minutes=10)
#: WeChat's times are whole seconds, and ours are not.
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """From when until when."""

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
        """Whether no batch of ours can be it: somebody sent it in WeChat's console."""
        return self.owner is None and not self.candidates

    @property
    def may_have_reached(self) -> bool:
        """Whether anybody may have got it."""
        return ending(self.event.status, self.event.counts) is not Ending.REFUSED

    def as_batch(self, broadcast_id: str, n: int) -> OurBatch | None:
        """Return the batch of that number if the job can be it, for all that is known."""
        mine = (
            batch for batch in self.candidates if (batch.broadcast_id, batch.n) == (broadcast_id, n)
        )
        return None if self.owner is not None else next(mine, None)

    def ended_before(self, batch: OurBatch) -> bool:
        """Tell whether it ended before the call: then it is that batch only if clocks differ."""
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
    """Tell whether a job that ended then can have begun with one of these calls."""
    return any(at - SKEW <= ended_at <= at + LONGEST for at in called)


def went_to_nobody(event: FinishEvent, size: int | None) -> bool:
    """Tell whether a job was sent to an empty list, which a batch of *size* followers has not."""
    sent = ending(event.status, event.counts) is Ending.SENT
    return bool(size) and sent and event.counts.total == 0


def counts_another(event: FinishEvent, size: int | None) -> bool:
    """Tell whether WeChat counted another list than one of *size*: a hint, no proof.

    A job that its review refused may have been stopped before it was counted: its 0 says nothing.
    """
    total = event.counts.total
    if size is None or total is None or total == size:
        return False
    return total > 0 or ending(event.status, event.counts) is not Ending.REFUSED
