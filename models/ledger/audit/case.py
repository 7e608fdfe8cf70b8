"""Cases: all that the ledger has of one broadcast in one snapshot; and what was found there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from broadcast.enums import is_recognised
from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import SAID_ACCEPTED, Outcome, SendPath, unanswered
from broadcast.rules.calls.waits import Waits
from broadcast.rules.finish_events import JobEnd
from broadcast.rules.gates.gate import Gate, GateKind, traits_of
from broadcast.rules.gates.lateness import SignsOfLife
from broadcast.rules.plan.cut import SHRUNK
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason
from broadcast.views.objects import utc

#: What fills a placeholder of a text: a word of the ledger, a figure or a moment.
Fact: TypeAlias = str | int | datetime


class Check(StrEnum):
    """One sentence of the promise each, in the order in which they are reported."""

    SETS = "sets"  #: everybody who was read stands in exactly one set, and the sets add up
    ONCE = "once"  #: no OpenID stands in two batches of one broadcast
    HALVES = "halves"  #: the halves of a split batch are exactly their parent
    MSG_IDS = "msg_ids"  #: no batch has two msg_ids, no msg_id has two batches
    FINISHES = "finishes"  #: every batch stands where WeChat reported that its job ended
    CALLS = "calls"  #: every call has an attempt that was committed before it
    KEYS = "keys"  #: every clientmsgid is the one that its batch makes, in each of its calls
    STOPS = "stops"  #: no call behind a closed gate, and no repeat after 23 hours
    GATES = "gates"  #: every gate was closed once and opened after that
    MOVES = "moves"  #: every move of a batch that the history has is legal
    OVERLAPS = "overlaps"  #: one call at a time for each account
    STUCK = "stuck"  #: nothing waits for a worker that does not come
    CLOCK = "clock"  #: the moments follow the order of writing


class Found(StrEnum):
    """Everything that can be found, by check; each has its text."""

    READ = "sets.read"
    SKIPPED = "sets.skipped"
    PLANNED = "sets.planned"
    AUDIENCE = "sets.audience"
    UNREADABLE = "sets.unreadable"
    SIZE = "sets.size"
    EDGES = "sets.edges"
    RANGE = "sets.range"
    ERASED = "sets.erased"
    NO_BATCH = "sets.no_batch"
    LEAVES = "sets.leaves"
    MEMBERS = "sets.members"
    RESULT = "sets.result"
    EARLY = "sets.early"
    CANCELLED_WAITS = "sets.cancelled_waits"
    RESERVED = "sets.reserved"
    TWICE = "once.twice"
    LISTED_TWICE = "once.list"
    HALVES = "halves.differ"
    TWO_MSG_IDS = "msg_ids.two"
    OTHER_MSG_ID = "msg_ids.other"
    SHARED_MSG_ID = "msg_ids.shared"
    UNMET = "finishes.unmet"
    UNREPORTED = "finishes.unreported"
    NUMBERS = "calls.numbers"
    CLAIMS = "calls.claims"
    TORN = "calls.torn"
    FENCE = "calls.fence"
    UNEXPLAINED = "calls.unexplained"
    DENIED = "calls.denied"
    HALVED = "calls.halved"
    CALLED_AGAIN = "calls.again"
    KEY_CHANGED = "keys.changed"
    KEY_OF_CALL = "keys.of_call"
    NOT_RUNNING = "stops.not_running"
    CANCELLED = "stops.cancelled"
    HALTED = "stops.halted"
    WINDOW = "stops.window"
    CLOSED_TWICE = "gates.twice"
    COUNTERS = "gates.counters"
    ILLEGAL = "moves.illegal"
    GAP = "moves.gap"
    LAST = "moves.last"
    OVERLAP = "overlaps.running"
    NO_END = "overlaps.no_end"
    OLD_FENCE = "overlaps.old_fence"
    CALLING = "stuck.calling"
    LANE = "stuck.lane"
    DUE = "stuck.due"
    PLAN = "stuck.plan"
    SCHEDULE = "stuck.schedule"
    DOUBT = "stuck.doubt"
    UPLOAD = "stuck.upload"
    GIVEN_UP = "stuck.given_up"
    STATE = "stuck.state"
    CLOCK = "clock.back"

    @property
    def check(self) -> Check:
        """The check that finds it."""
        return Check(self.value.partition(".")[0])


@frozen
class Finding:
    """One row that breaks the promise."""

    found: Found
    account: str
    #: Empty: the account itself.
    broadcast_id: str
    #: The batch's number in its broadcast; None: the broadcast itself.
    n: int | None = None
    #: What fills the placeholders of the text.
    facts: dict[str, Fact] = field(default_factory=dict)

    def as_object(self, **words: str) -> dict[str, Any]:
        """Return it for programs; *words*: what it says, and means, in the reader's language."""
        return {
            "check": self.found.check.value,
            "code": self.found.value,
            "account": self.account,
            "broadcast": self.broadcast_id or None,
            "batch": self.n,
            **words,
            # To the microsecond: what an audit distinguishes may be that near.
            "facts": {
                name: utc(fact, timespec="microseconds") if isinstance(fact, datetime) else fact
                for name, fact in self.facts.items()
            },
        }


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
        """True if WeChat may have taken it, for all the ledger knows."""
        return unanswered(self.outcome)

    @property
    def said_accepted(self) -> bool:
        """True if WeChat said that it has the job."""
        return self.outcome in SAID_ACCEPTED

    @property
    def taken(self) -> bool:
        """True if WeChat may have taken it, or said so, and no verdict denies it."""
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
    erased: int
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
    ended: JobEnd | None = None
    calls: Sequence[Call] = ()
    moves: Sequence[Moved] = ()

    @property
    def end(self) -> int:
        """Number of OpenIDs of its list before the first one after it."""
        return self.start + (self.size or 0)

    @property
    def is_asked_about(self) -> bool:
        """True if mass/get was asked about its msg_id, or is to be."""
        return self.poll_at is not None or self.polls > 0 or self.msg_status is not None

    @property
    def is_understood(self) -> bool:
        """True if this release knows its state and all that its calls ended as."""
        outcomes = [call.outcome for call in self.calls if call.outcome is not None]
        return all(is_recognised(word) for word in (self.state, *outcomes))


@frozen
class AuditedGate(Gate):
    """A gate, opened again or not."""

    closed_counter: int
    opened_at: datetime | None
    opened_counter: int | None

    @property
    def only(self) -> tuple[str, ...]:
        """Key that no other closed gate of its scope has."""
        reason = self.reason if traits_of(self.kind).by_reason else None
        return self.kind, self.path or "", reason or ""

    @property
    def is_understood(self) -> bool:
        """True if this release knows what it forbids."""
        return is_recognised(self.kind) and is_recognised(self.scope)

    def forbids(self, call: Call) -> bool:
        """Return whether it was closed when *call* was claimed, by the account's gate counter.

        A kind that this release does not know may allow what another release called.
        """
        opened, opens = self.opened_counter, self.opens_at()
        return (
            self.is_understood
            and self.concerns(call.path)
            and not (self.spares_repeats and call.number > 1)
            and self.closed_counter <= call.gate_counter
            and (opened is None or call.gate_counter < opened)
            and (opens is None or call.started_at < opens)
        )


@frozen
class AuditedLane:
    """Counters of the account's lane."""

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
    #: When its lists, calls and history were removed: figures, batches and keys are all there is.
    pruned_at: datetime | None


@frozen
class AuditedRange:
    """Contents of the range of a batch."""

    #: Sum of a mark of each OpenID; equal for the same OpenIDs in any order.
    marks: int
    #: The clientmsgid that they make.
    key: str
    #: How many of them were erased.
    erased: int


@frozen
class Lists:
    """Contents of the lists of a broadcast."""

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
    #: How many people were erased from the list as it was given, or from which the plan cuts.
    erased: int = 0

    def size(self, name: str | None) -> int:
        """Return how many OpenIDs a list holds."""
        return self.sizes.get(name or "", 0)

    @property
    def is_shrunk(self) -> bool:
        """True if people were taken out of batches after the plan."""
        return any(name.endswith(f".{SHRUNK}") for name in self.sizes)


@frozen
class Case:
    """One published broadcast in one snapshot."""

    row: AuditedBroadcast
    now: datetime
    waits: Waits
    lane: AuditedLane
    signs: SignsOfLife
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
        """True if its batches are all there: one that was cancelled before that has none."""
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
