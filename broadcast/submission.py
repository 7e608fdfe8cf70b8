"""What is submitted: a broadcast's words and audience, what was read of it, and how it is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from broadcast import plan
from broadcast.accounts import Account
from broadcast.errors import InputError
from broadcast.states import BroadcastState


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What a broadcast says and to whom: what "the same body" compares."""

    account: Account
    key: str
    content: str
    content_digest: str
    msgtype: str
    audience_digest: str
    scheduled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was read: the sum of all but ``read`` is ``read``."""

    read: int
    malformed: int
    duplicate: int
    planned: int
    calls: int
    #: By reason: (count, [(line, text), …] of the first).
    samples: Mapping[str, tuple[int, Sequence[tuple[int, str]]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the person allowed."""

    who: str
    again: bool = False
    spread_days: bool = False
    #: Of an account's broadcasts the highest goes first, among equals the oldest.
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A broadcast that came into sight."""

    proof: plan.Proof
    #: SCHEDULED if it waits for its time, PLANNING if it goes out at once.
    state: BroadcastState
    #: The database's moment by which that was decided.
    now: datetime


class TakenOverError(InputError):
    """An upload was silent for so long that another process took its key."""


class PublishedMeanwhileError(Exception):
    """The same body was published under the same key after a caller's look for it."""

    def __init__(self, broadcast_id: str) -> None:
        """Take the id of the broadcast that is there."""
        super().__init__(broadcast_id)
        self.id = broadcast_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look for a key found."""

    existing: str | None
    #: The database's moment, before the look: what it did not find was not stored by then.
    now: datetime
    #: What this machine took for the same moment.
    machine_now: datetime
