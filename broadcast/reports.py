"""What is told of a broadcast, whoever tells it: the command line in words, programs in JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from broadcast.attempts import Reason
from broadcast.outcomes import Outcome
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
class Deed:
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

    deeds: Sequence[Deed]
    earlier: int


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
    #: None where nobody asked for it.
    people: People | None = None
    now: datetime


def as_json(told: Report, *, error: str | None = None) -> dict[str, Any]:
    """Return the object of ``--json``: moments in UTC, counts as numbers."""
    return {
        "id": told.id,
        "state": told.state.value,
        "account": told.account,
        "key": told.key,
        "priority": told.priority,
        "audience": told.audience,
        "recipients": told.recipients,
        "batches": told.batches,
        "batch_list": [
            {
                "n": line.n, "size": line.size, "state": line.state.value, "msg_id": line.msg_id,
                "attempts": line.attempts, "errcode": line.errcode,
            }
            for line in told.batch_list
        ],
        "calls": told.calls,
        "delivered": {"total": None, "eligible": None, "sent": None, "errors": None},
        "created_at": _utc(told.created_at),
        "scheduled_at": _utc(told.scheduled_at),
        "started_at": _utc(told.started_at),
        "finished_at": _utc(told.finished_at),
        **_people(told.people),
        "error": error,
    }  # fmt: skip


def _people(people: People | None) -> dict[str, Any]:
    if people is None:
        return {}
    return {"people": [_deed(deed) for deed in people.deeds], "people_earlier": people.earlier}


def _deed(deed: Deed) -> dict[str, Any]:
    told = {"at": utc(deed.at), "who": deed.who, "did": deed.did.value, "why": deed.why}
    match deed.did:
        case Did.RESOLVE:
            return told | {"batch": deed.batch, "msg_id": deed.msg_id}
        case Did.RETRY:
            return told | {"batches": deed.batches}
        case Did.HALT | Did.UNHALT:
            return told | {"account": deed.account}
    return told


def _utc(value: datetime | None) -> str | None:
    return None if value is None else utc(value)


def utc(moment: datetime, *, timespec: str = "milliseconds") -> str:
    """Return a moment as ``--json`` writes it; *timespec* is that of ``datetime.isoformat``."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
