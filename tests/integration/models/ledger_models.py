"""What an honest clerk notes of drivers, of calls on their way and of broadcasts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.finish_events import Counts, FinishEvent
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import BroadcastState, Phase
from models.ledger.lane.claims import Claim
from models.ledger.lane.leases import Lease
from models.ledger.lane.next_work import Work
from tests.integration.models.reference import BatchModel

#: A call that was cut, or whose process stood still, reaches WeChat within this, or never: what
#: comes after WeChat's window is the one thing that the promise does not cover.
LATEST_ARRIVAL = timedelta(minutes=50)


@dataclass(slots=True)
class DriverModel:
    """A driver: what it holds, what it has read and what it waits for."""

    name: str
    lease: Lease | None = None
    work: Work | None = None
    flight: InFlight | None = None


@dataclass(slots=True, kw_only=True)
class InFlight:
    """A call on its way: to WeChat, back, or nowhere."""

    claim: Claim
    batch: BatchModel
    started_at: datetime
    #: WeChat's answer, whoever gets to hear it.
    reply: CallResult | None = None
    #: It will never reach WeChat.
    dead: bool = False
    told: list[CallResult] = field(default_factory=list)

    def in_the_air(self, now: datetime) -> bool:
        """Tell whether it may still reach WeChat."""
        return not self.dead and self.reply is None and now - self.started_at < LATEST_ARRIVAL


@dataclass(slots=True)
class BroadcastModel:
    """A broadcast, where it was seen last, and the gates that were closed and not opened."""

    id: str
    phase: Phase = Phase.PLANNING
    result: BroadcastState | None = None
    due_at: datetime | None = None
    gates: dict[GateKind, datetime | None] = field(default_factory=dict)
    #: How many were taken out of its batches.
    out: int = 0

    @property
    def cancelled(self) -> bool:
        """Whether a person cancelled it."""
        return GateKind.CANCEL in self.gates

    @property
    def ended(self) -> bool:
        """Whether every batch was at rest when it was looked at last."""
        return self.phase is Phase.ENDED


def is_closed(kind: GateKind, until: datetime | None, now: datetime) -> bool:
    """Tell whether a gate forbids calls: those of time open by themselves."""
    timed = kind in {GateKind.SCHEDULE, GateKind.QUOTA} and until is not None
    return not timed or (until is not None and until > now)


def finish_of(msg_id: int, *, refused: bool, at: datetime | None) -> FinishEvent:
    """Return the event by which WeChat reports the end of a job.

    Nobody here counted who got a job that was sent: one to a list of nobody would be no batch of
    ours. *at*: when WeChat took it; None: it never did.
    """
    if refused:
        none = Counts(total=0, eligible=0, sent=0, errors=0)
        return FinishEvent(msg_id=msg_id, status="err(20001)", counts=none, created_at=at)
    unknown = Counts(total=None, eligible=None, sent=None, errors=None)
    return FinishEvent(msg_id=msg_id, status="send success", counts=unknown, created_at=at)
