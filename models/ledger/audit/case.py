"""Cases: everything the ledger has about one broadcast, as it stood in one snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from broadcast.call.outcomes import SAID_ACCEPTED, Outcome, unanswered
from broadcast.call.path import SendPath
from broadcast.call.waits import Waits
from broadcast.enums import is_recognised
from broadcast.finish import Ending
from broadcast.frozen import frozen
from broadcast.gates.gate import GateScope
from broadcast.gates.kinds import OPEN_BY_TIME, GateKind, rule
from broadcast.gates.liveness import Liveness
from broadcast.plan.chunk import SHRUNK
from broadcast.reasons import Reason
from broadcast.states import BatchState, BroadcastState, Phase
from models.ledger.audit.findings import Fact, Finding, Found


@frozen
class Call:
    """One attempt."""

    id: int
    batch_id: int
    number: int
    account: str
    path: SendPath
    fence: int
    clientmsgid: str
    gate_counter: int
    begins_anew: bool
    started_at: datetime
    ended_at: datetime | None
    outcome: Outcome | None
    transport: str | None
    msg_id: int | None
    confirmed: bool | None
    #: A person said that WeChat did not take it, and no reply came since.
    denied: bool | None
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
        """Whether WeChat may have taken it, or said so, and no verdict denies it."""
        return not self.denied and (self.maybe_sent or self.said_accepted)


@frozen
class Moved:
    """One line of the history: a batch, or (``batch_id`` None) several at once, changed state."""

    #: Grows in the order of writing, whatever the clock does.
    id: int
    batch_id: int | None
    old: BatchState
    new: BatchState


@frozen
class AuditedBatch:
    """One batch, its calls and its history."""

    id: int
    n: int
    list: str | None
    start: int
    size: int | None
    parent_id: int | None
    account: str
    path: SendPath
    state: BatchState
    reason: Reason | None
    clientmsgid: str
    attempts: int
    first_called_at: datetime | None
    msg_id: int | None
    begins_anew: bool
    settled_after: int | None
    poll_at: datetime | None
    polls: int
    msg_status: str | None
    #: WeChat's word in the finish event of its job, and what that means; None: there is none.
    event_status: str | None = None
    ended: Ending | None = None
    calls: Sequence[Call] = ()
    moves: Sequence[Moved] = ()

    @property
    def end(self) -> int:
        """How many OpenIDs of its list come before the first one after it."""
        return self.start + (self.size or 0)

    @property
    def is_asked_about(self) -> bool:
        """Whether mass/get was asked about its msg_id, or is to be."""
        return self.poll_at is not None or self.polls > 0 or self.msg_status is not None

    @property
    def is_understood(self) -> bool:
        """Whether this release knows its state and all that its calls ended as."""
        outcomes = [call.outcome for call in self.calls if call.outcome is not None]
        return all(is_recognised(word) for word in (self.state, *outcomes))


@frozen
class AuditedGate:
    """A gate, opened again or not."""

    id: int
    scope: GateScope
    kind: GateKind
    broadcast_id: str
    path: SendPath | None
    reason: Reason | None
    closed_at: datetime
    until: datetime | None
    closed_counter: int
    opened_at: datetime | None
    opened_counter: int | None

    @property
    def only(self) -> tuple[str, ...]:
        """What no other gate of its scope has while it is closed."""
        reason = self.reason if rule(self.kind).by_reason else None
        return self.kind, self.path or "", reason or ""

    @property
    def is_understood(self) -> bool:
        """Whether this release knows what it forbids."""
        return is_recognised(self.kind) and is_recognised(self.scope)

    def opens_at(self) -> datetime | None:
        """Return when it opens automatically; None: an operator must open it."""
        return self.until if self.kind in OPEN_BY_TIME else None

    def forbids(self, call: Call) -> bool:
        """Return whether it was closed when *call* was claimed, by the account's gate counter.

        A kind that this release does not know may allow what another release called.
        """
        opened, opens = self.opened_counter, self.opens_at()
        return (
            self.is_understood
            and self.path in {None, call.path}
            and self.closed_counter <= call.gate_counter
            and (opened is None or call.gate_counter < opened)
            and (opens is None or call.started_at < opens)
        )


@frozen
class AuditedLane:
    """What the account's lane has given out."""

    fence: int
    gate_counter: int
    claims: int


@frozen
class AuditedBroadcast:
    """The broadcast's own row, and the appid of its account."""

    id: str
    account: str
    appid: str
    key: str
    content: str
    audience_kind: str
    audience_spec: str
    audience_digest: str
    path: SendPath
    phase: Phase
    result: BroadcastState | None
    due_at: datetime | None
    read: int
    malformed: int
    duplicate: int
    suppressed: int
    excluded: int
    unsubscribed: int
    subtraction: str | None
    capped: int
    sampled_out: int
    planned: int | None
    #: None: it was cancelled before its list came.
    published_at: datetime | None
    moved_at: datetime | None


@frozen
class AuditedRange:
    """What is really in the range of a batch."""

    #: Sum of a mark of each OpenID; equal for the same OpenIDs in any order.
    marks: int
    #: The clientmsgid that they make.
    key: str


@frozen
class Lists:
    """What the lists of a broadcast hold."""

    #: By name, and by reason of all of its lists that count: how many OpenIDs, and the sum of
    #: their marks.
    sizes: Mapping[str, int]
    marks: Mapping[str, int]
    #: By the batch's id; one whose range its list does not hold is absent.
    ranges: Mapping[int, AuditedRange]
    #: The list from which the plan cuts.
    resolved: str
    #: SHA-256 over the OpenIDs of the list as it was given.
    digest: str

    def size(self, name: str | None) -> int:
        """Return how many OpenIDs a list holds."""
        return self.sizes.get(name or "", 0)

    @property
    def is_shrunk(self) -> bool:
        """Whether people were taken out of batches after the plan."""
        return any(name.endswith(f".{SHRUNK}") for name in self.sizes)


@frozen
class Case:
    """One published broadcast in one snapshot."""

    row: AuditedBroadcast
    now: datetime
    waits: Waits
    lane: AuditedLane
    signs: Liveness
    #: Its own, and those of its account that may have stood in its time.
    gates: Sequence[AuditedGate]
    batches: Sequence[AuditedBatch]
    #: Lines of history about several of its batches at once.
    moves: Sequence[Moved]
    lists: Lists
    #: By reason.
    skipped: Mapping[str, int]
    #: What was seen while it was read.
    findings: Sequence[Finding]

    @property
    def own_gates(self) -> Sequence[AuditedGate]:
        """The gates of the broadcast itself."""
        return [gate for gate in self.gates if gate.broadcast_id == self.row.id]

    @property
    def cancel(self) -> AuditedGate | None:
        """The gate by which a person cancelled it."""
        return next((gate for gate in self.own_gates if gate.kind is GateKind.CANCEL), None)

    @property
    def is_planned(self) -> bool:
        """Whether its batches are all there: one that was cancelled before that has none."""
        ended = self.row.phase is Phase.ENDED and (self.batches or self.cancel is None)
        return self.row.phase is Phase.SENDING or bool(ended)

    @property
    def leaves(self) -> Sequence[AuditedBatch]:
        """The batches that were not split."""
        return [batch for batch in self.batches if batch.state is not BatchState.SPLIT]

    def finding(
        self, found: Found, batch: AuditedBatch | int | None = None, **facts: Fact
    ) -> Finding:
        """Return a finding about this broadcast, or about one of its batches."""
        n = batch.n if isinstance(batch, AuditedBatch) else batch
        return Finding(
            found=found, account=self.row.account, broadcast_id=self.row.id, n=n, facts=facts
        )
