"""What is told of a broadcast, whoever tells it: the command line in words, or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from broadcast.call.attempts import Reason
from broadcast.call.outcomes import Outcome
from broadcast.gates.liveness import Liveness
from broadcast.states import BatchState, BroadcastState

SETS = ("accepted", "refused", "cancelled", "in_doubt", "waiting")
SKIPS = (
    "malformed", "duplicate", "suppressed", "excluded", "unsubscribed", "capped", "sampled_out",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLine:
    """One batch in a report."""

    n: int
    size: int
    state: BatchState
    reason: Reason | None
    errcode: int | None
    errmsg: str | None
    msg_id: int | None
    attempts: int
    not_before: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A call that was not the batch's last: why it had to be asked again."""

    n: int
    number: int
    outcome: Outcome | None
    errcode: int | None
    transport: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneView:
    """What the account's lane waits for."""

    not_before: datetime | None
    wait_reason: Reason | None
    stopped_at: datetime | None
    stop_reason: Reason | None
    stop_errcode: int | None
    stop_errmsg: str | None
    halted_at: datetime | None
    halted_by: str | None
    #: The words of whoever halted it.
    halted_why: str | None = None
    #: Where it was stopped for batches in doubt: how many, and of which broadcasts.
    stop_count: int | None = None
    stop_broadcasts: Sequence[str] = ()

    @property
    def stands_still(self) -> bool:
        """Whether nothing of the account is called before a person lifts a halt or a stop."""
        return self.stopped_at is not None or self.halted_at is not None


class Did(StrEnum):
    """What a person did, by its command; each has its text."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY = "retry"
    RESOLVE = "resolve"
    HALT = "halt"
    UNHALT = "unhalt"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAction:
    """What a person did to a broadcast, or to its account."""

    at: datetime
    who: str
    did: Did
    why: str | None
    #: Of a halt and its end: which account.
    account: str | None = None
    #: Of a resolve: which batch, and as which job it was sent; None: not sent.
    batch: int | None = None
    msg_id: int | None = None
    #: Of a retry: how many refused batches are called again.
    batches: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """What people did, oldest first, and how many earlier deeds are not among them."""

    deeds: Sequence[OperatorAction]
    earlier: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubtful:
    """The batch that may have been sent and that the account's lane asks about before all else."""

    broadcast_id: str
    n: int
    reason: Reason | None
    #: When it is called again.
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What the lane of a running broadcast calls before it."""

    doubt: Doubtful | None = None
    #: Broadcasts of the account that go first, for their priority or their age.
    broadcasts: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Driven:
    """Whether somebody drives the broadcast, and what he does first."""

    #: When it last moved from one state to another.
    moved_at: datetime
    signs: Liveness
    ahead: Ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A broadcast as it stands. ``state`` is what a person is told: a stopped lane holds it."""

    id: str
    account: str
    key: str
    #: Of an account's broadcasts the highest goes first; 0 is usual.
    priority: int = 0
    state: BroadcastState
    reason: Reason | None
    reason_errcode: int | None
    reason_errmsg: str | None
    audience: dict[str, int]
    recipients: dict[str, int]
    batches: dict[str, int]
    batch_list: Sequence[BatchLine]
    calls: int
    #: Accepted batches whose end WeChat will still be asked for.
    results_due: int
    #: Where it was paused for refusals of one kind: of how many batches.
    reason_count: int | None = None
    lane: LaneView
    created_at: datetime
    scheduled_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    #: These two are None where the whole was not asked for.
    people: People | None = None
    driven: Driven | None = None
    now: datetime
    #: Canonical JSON of WeChat's own content object, and who submitted it.
    content: str | None = None
    created_by: str | None = None
    title: str | None = None
