"""Reports of a broadcast, which the command line shows in words or as JSON."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum

from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import Outcome, SendPath
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.drafts import Marks
from broadcast.rules.finish_events import Delivered, FinishEvent
from broadcast.rules.gates.gate import Gate, GateKind, GateScope
from broadcast.rules.gates.lateness import FirstCallLimit, SignsOfLife
from broadcast.rules.states import SENT, SET_OF, BatchState, BroadcastState, Phase, Reason

SETS = ("accepted", "refused", "cancelled", "in_doubt", "waiting")
SKIPS = (
    "malformed",
    "duplicate",
    "suppressed",
    "excluded",
    "unsubscribed",
    "capped",
    "sampled_out",
)


def set_of(state: BatchState) -> str:
    """Return the set of a batch that was not split; one of a newer release's states still waits."""
    return SET_OF.get(state, "waiting")


def total(sizes: Iterable[int | None]) -> int | None:
    """Add up the sizes of batches; what one of them does not know, the sum does not."""
    known = list(sizes)
    return None if None in known else sum(filter(None, known))


@frozen
class BatchLine:
    """One batch in a report."""

    n: int
    #: None where the list is WeChat's.
    size: int | None
    state: BatchState
    reason: Reason | None
    errcode: int | None
    errmsg: str | None
    msg_id: int | None
    attempts: int
    not_before: datetime | None
    #: It waits for a call, and an earlier one may have left: it goes out as it was.
    is_fixed: bool = False
    #: What mass/get said of its job last, and what WeChat pushed of its end; None: nothing.
    msg_status: str | None = None
    finish: FinishEvent | None = None

    @property
    def is_unverified(self) -> bool:
        """True if an operator alone names its job, and WeChat said nothing of that job yet."""
        named = self.reason is Reason.SAID_SENT and self.msg_id is not None
        return named and self.msg_status is None and self.finish is None

    @property
    def is_taken(self) -> bool:
        """True if it counts as accepted."""
        return self.state in SENT

    @property
    def is_unnamed(self) -> bool:
        """True if it counts as accepted, and nobody knows as which job."""
        return self.is_taken and self.msg_id is None


@frozen
class Repeat:
    """A call that was not the batch's last: why the batch had to be called again."""

    n: int
    number: int
    outcome: Outcome | None
    errcode: int | None
    transport: str | None


@frozen
class LaneView:
    """Waits of the account's lane, and the gates that forbid its calls."""

    not_before: datetime | None
    wait_reason: Reason | None
    #: Of the account and its paths: closed, and opened by nobody.
    gates: Sequence[Gate] = ()

    @property
    def is_off(self) -> bool:
        """True if nothing is sent to OpenIDs before a person opens a gate of the account."""
        return self.is_off_for(SendPath.MASS_SEND)

    def is_off_for(self, path: SendPath) -> bool:
        """Return whether nothing is sent by *path* before a person opens a gate of the account."""
        return any(gate.opens_at() is None for gate in self.gates if gate.concerns(path))

    def opened_by(self, account: str) -> str:
        """Return the command that lets *account*, which is off, go on; what is first to be done."""
        if self.gate(GateKind.RESTORED):
            return "broadcast restored"
        return f"broadcast unhalt --account {account}"

    def gate(self, *kinds: GateKind) -> Gate | None:
        """Return the first closed gate of the account or its paths of one of these kinds."""
        return next((gate for gate in self.gates if gate.kind in kinds), None)


@frozen
class DraftView:
    """The draft that a broadcast sends: what was to go out, and what it said when last seen."""

    media_id: str
    #: None: it was never read, so nothing is compared.
    approved: Marks | None
    #: None: it is gone, or could not be read.
    seen: Marks | None
    looked_at: datetime | None


@frozen
class InFlight:
    """A batch that was claimed, and of whose call nothing has been recorded yet."""

    account: str
    broadcast_id: str
    n: int
    size: int | None
    since: datetime
    #: Whether its driver still holds the lane. A driver that lost it may be dead, or may bring
    #: the reply late; WeChat is not asked about it before another driver takes the lane over.
    driven: bool


@frozen
class RetryGroup:
    """Batches of which a retry says the same."""

    verdict: RetryVerdict
    numbers: Sequence[int]
    followers: int | None
    reason: Reason | None
    errcode: int | None


@frozen
class Conflict:
    """A reply of WeChat's that said otherwise than the person who had settled the batch."""

    n: int
    at: datetime
    #: ``said_sent`` or ``said_not_sent``.
    word: Reason
    msg_id: int | None


#: Actions of an operator, by their commands; each has its text.
Did = StrEnum("Did", "PAUSE RESUME CANCEL RETRY RESOLVE HALT UNHALT RECALL")


@frozen
class OperatorAction:
    """Action of an operator on a broadcast, or on its account."""

    at: datetime
    who: str
    did: Did
    why: str | None
    #: Of a halt and its end: which account.
    account: str | None = None
    #: Of a resolve: which batch, whether it was sent, and as which job; None: nobody knows.
    batch: int | None = None
    sent: bool | None = None
    msg_id: int | None = None
    #: Of a retry: how many refused batches are called again.
    batches: int | None = None
    #: Of a recall: which article, None for all; and through which broadcast, None for this one.
    article: int | None = None
    through: str | None = None
    #: Of a recall: whether WeChat may have carried it out, and its reply is not known.
    maybe: bool = False


@frozen
class OperatorActions:
    """Actions of operators, oldest first, and the number of earlier ones left out."""

    actions: Sequence[OperatorAction]
    earlier: int


@frozen
class Doubtful:
    """The batch that may have been sent and that the account's lane asks about before all else."""

    broadcast_id: str
    n: int
    reason: Reason | None
    #: When it is called again.
    until: datetime | None


@frozen
class Ahead:
    """Calls of the lane before a running broadcast."""

    doubt: Doubtful | None = None
    #: Broadcasts of the account that go first, for their priority or their age.
    broadcasts: Sequence[str] = ()


@frozen
class Driven:
    """Signs that a worker drives the broadcast, and what the account's lane does first."""

    #: When it last moved from one state to another.
    moved_at: datetime
    signs: SignsOfLife
    ahead: Ahead


@frozen
class Report:
    """A broadcast and its state. ``state`` is derived from phase, result and gates."""

    id: str
    account: str
    key: str
    title: str | None = None
    #: Of an account's broadcasts the highest goes first; 0 is usual.
    priority: int = 0
    #: Grows with every change.
    version: int = 0
    phase: Phase
    state: BroadcastState
    #: Closed gates that concern it, its account's and its path's included, and its schedule even
    #: when that time has passed.
    gates: Sequence[Gate] = ()
    msgtype: str
    #: Canonical JSON of WeChat's own content object.
    content: str
    #: What its media are called, in order: names of files, else media_ids. Empty where no name is
    #: known.
    files: Sequence[str] = ()
    #: ``openids``, ``followers``, ``tag`` or ``everyone``.
    audience_kind: str = "openids"
    #: The rest of whom it goes to, and who of them is not meant; as they are stored.
    audience_spec: str = "{}"
    selection: str | None = None
    path: SendPath = SendPath.MASS_SEND
    #: By the words of ``--json``; ``planned`` is None where only the plan shows it.
    audience: dict[str, int | None]
    #: By set; always None where the list is WeChat's.
    recipients: dict[str, int | None]
    batches: dict[str, int]
    batch_list: Sequence[BatchLine]
    calls: int
    #: Accepted batches whose end WeChat will still be asked for.
    results_due: int
    #: WeChat's own counts, as far as it pushed any.
    delivered: Delivered = field(default_factory=Delivered)
    lane: LaneView
    created_at: datetime
    created_by: str = ""
    #: When its list was stored whole; None: that is not so, not yet or, where it ended, never.
    published_at: datetime | None = None
    #: When a list that is being stored last grew; None: it is stored whole, or was given up.
    uploading_at: datetime | None = None
    #: A first call that comes later than this after it was due is not made without a person.
    late_by: timedelta
    scheduled_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    #: When its people, calls and history went.
    pruned_at: datetime | None = None
    #: What people did; only in a report of one broadcast.
    operator_actions: OperatorActions | None = None
    #: Of a broadcast of articles; only in a report of one broadcast.
    draft: DraftView | None = None
    #: Whether a worker drives it; only in a report of one broadcast.
    driven: Driven | None = None
    #: What its first call, if it is still to come, is held against; only in a report of one.
    first_call: FirstCallLimit | None = None
    #: The database's moment.
    now: datetime

    @property
    def failed_uncalled(self) -> Reason | None:
        """Reason why nothing of a failed broadcast was called; None where something was."""
        total, cancelled = self.batches["total"], self.batches["cancelled"]
        if self.state is not BroadcastState.FAILED or total != cancelled:
            return None
        return Reason.TOO_FEW if total else Reason.NOBODY_LEFT

    @property
    def awaits_first_call(self) -> bool:
        """True if nothing of it was called yet: a claim that sent nothing is no call."""
        return self.started_at is None or self.first_call is not None

    @property
    def is_unlisted(self) -> bool:
        """True if it was cancelled before its list came, so that it never had one."""
        return self.state is BroadcastState.CANCELLED and self.published_at is None

    def gate(self, *kinds: GateKind) -> Gate | None:
        """Return the first closed gate of the broadcast itself of one of these kinds."""
        own = [gate for gate in self.gates if gate.scope is GateScope.BROADCAST]
        return next((gate for gate in own if gate.kind in kinds), None)


REST_FILE = "rest.txt"


def rest_listing(broadcast_id: str, filled: Collection[str]) -> list[str]:
    """Return the commands that list the rest, of the sets that are *filled*; none without a rest.

    Who still waits is cancelled first: their calls would go on. On a terminal a cancel asks, and
    would take the next pasted line for the answer.
    """
    sets = {"cancelled" if name == "waiting" else name for name in filled}
    names = [f"--set {name}" for name in ("cancelled", "refused") if name in sets]
    if not names:
        return []
    first = [f"broadcast cancel {broadcast_id} --yes"] if "waiting" in filled else []
    return [*first, f"broadcast recipients {broadcast_id} {' '.join(names)} > {REST_FILE}"]


def rest_lines(commands: Iterable[str]) -> str:
    """Return commands as lines that are pasted in order, each farther in than a text."""
    return "\n    ".join(commands)
