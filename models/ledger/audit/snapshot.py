"""Cases: everything the ledger has about one broadcast, as it stood in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from broadcast.call.attempts import Reason
from broadcast.call.outcomes import SAID_ACCEPTED, Outcome, unanswered
from broadcast.call.waits import Waits
from broadcast.events import EventKind
from broadcast.gates.liveness import Liveness
from broadcast.states import BatchState, BroadcastState
from models.ledger.audit.findings import CallResult, Finding, Found
from models.ledger.transaction import WORKER, AnyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One attempt."""

    id: int
    number: int
    account: str
    fence: int
    clientmsgid: str
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome | None
    msg_id: int | None
    confirmed: bool | None
    #: A person said that WeChat did not take it, and no reply came since.
    denied: bool | None
    #: When the last word on it was stored.
    outcome_recorded_at: datetime | None

    @property
    def maybe_sent(self) -> bool:
        """Whether WeChat may have taken it, for all the ledger knows."""
        return unanswered(self.outcome)

    @property
    def said_accepted(self) -> bool:
        """Whether WeChat said that it has the job."""
        return self.outcome in SAID_ACCEPTED

    @property
    def taken(self) -> bool:
        """Whether WeChat may have taken it, or said so, and no person's word denies it."""
        return not self.denied and (self.maybe_sent or self.said_accepted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One line of the history: a state changed, or (``old`` and ``new`` empty) a lane did."""

    #: Grows in the order of writing, whatever the clock does.
    id: int
    at: datetime
    kind: EventKind
    who: str
    old: str = ""
    new: str = ""

    @property
    def by_hand(self) -> bool:
        """Whether a person made it."""
        return self.who != WORKER


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCase:
    """One batch, its calls and its history."""

    id: int
    n: int
    size: int
    pack_id: int
    parent_id: int | None
    account: str
    #: As it is written; ``state`` is None where that is no state.
    written: str
    reason: Reason | None
    clientmsgid: str
    attempts: int
    not_before: datetime | None
    first_called_at: datetime | None
    msg_id: int | None
    calls: Sequence[Call] = ()
    moves: Sequence[Moved] = ()

    @property
    def state(self) -> BatchState | None:
        """Where it stands."""
        return BatchState(self.written) if self.written in _BATCH_STATES else None


_BATCH_STATES = frozenset(state.value for state in BatchState)
_BROADCAST_STATES = frozenset(state.value for state in BroadcastState)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackCase:
    """What is really in a pack, beside what its row says."""

    id: int
    n: int
    size: int
    first_said: str
    last_said: str
    #: Whole OpenIDs in it, and whether bytes are left over.
    count: int
    torn: bool
    first: str
    last: str
    #: Sorted, and none twice.
    ascending: bool
    #: The clientmsgid that its OpenIDs make.
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Twice:
    """OpenIDs that stand in two batches, or twice in one."""

    n: int
    other: int
    count: int
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Uneven:
    """A split batch whose children do not add up to it."""

    n: int
    children: int
    missing: int
    extra: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A msg_id of a batch that another batch owns."""

    n: int
    msg_id: int
    owner_id: str
    owner_n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneCase:
    """The account's lane, and the last signs of life on it."""

    fence: int
    stopped_at: datetime | None
    halted_at: datetime | None
    signs: Liveness
    #: Halts, stops and their ends, oldest first.
    moves: Sequence[Moved] = ()

    @property
    def is_closed(self) -> bool:
        """Whether it stands still until a person says otherwise."""
        return self.stopped_at is not None or self.halted_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One published broadcast in one snapshot."""

    #: The row of ``broadcasts``; its state is ``written``.
    row: AnyRow
    written: str
    now: datetime
    waits: Waits
    lane: LaneCase
    moves: Sequence[Moved]
    batches: Sequence[BatchCase]
    packs: Sequence[PackCase]
    #: SHA-256 over the OpenIDs of the packs that were submitted.
    digest: str
    #: By reason.
    skipped: dict[str, int] = field(default_factory=dict)
    twice: Sequence[Twice] = ()
    uneven: Sequence[Uneven] = ()
    shared: Sequence[Shared] = ()

    @property
    def state(self) -> BroadcastState | None:
        """Where it stands."""
        return BroadcastState(self.written) if self.written in _BROADCAST_STATES else None

    def finding(
        self, found: Found, batch: BatchCase | int | None = None, **facts: CallResult
    ) -> Finding:
        """Return a finding about this broadcast, or about one of its batches."""
        return Finding(
            found=found,
            account=self.row.account,
            broadcast_id=self.row.id,
            n=batch.n if isinstance(batch, BatchCase) else batch,
            facts=facts,
        )
