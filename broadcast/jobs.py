"""Jobs that WeChat reported the end of, and which batches they can be.

A job that no batch has was begun in WeChat's console, or is a batch of ours whose msg_id nobody
knows. Only the time of a call speaks for the latter; figures are shown and decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from broadcast.finish import Ending, FinishEvent, ending
from broadcast.reasons import Reason
from broadcast.states import BatchState

#: A job ends so long after its call: WeChat's review may take hours. mass/get is asked as long.
LONGEST = timedelta(hours=48)
#: WeChat's clock and ours differ.
SKEW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class OurBatch:
    """A batch, as far as it concerns whose job something is."""

    broadcast_id: str
    n: int
    size: int | None
    state: BatchState
    reason: Reason | None
    #: What mass/get said of its job last.
    msg_status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
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

    def can_be(self, broadcast_id: str, n: int) -> bool:
        """Tell whether it can be this batch, for all that is known."""
        mine = (broadcast_id, n)
        return self.owner is None and any((b.broadcast_id, b.n) == mine for b in self.candidates)


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
