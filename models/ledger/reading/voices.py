"""Voices: who stopped something by hand, when and why, read from the history."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, select

from broadcast.events import EventKind
from broadcast.reports import Did
from broadcast.states import BroadcastState
from models.batch import Batch
from models.event import Event
from models.ledger.transaction import WORKER, AnyRow, read


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A person's word, and where it moved the broadcast (a state as it is written)."""

    who: str
    at: datetime
    why: str | None
    moved_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """A reply of WeChat's that said otherwise than the person who had settled a batch."""

    n: int
    at: datetime
    #: ``said_sent`` or ``said_not_sent``.
    word: str
    msg_id: int | None


def last(engine: Engine, broadcast_id: str) -> Voice | None:
    """Return the last word by which a person moved a broadcast; to submit it is the first.

    To pause what a refusal had paused is such a word, although nothing moved by it.
    """
    with read(engine) as connection:
        rows = connection.execute(
            select(Event.who, Event.at, Event.detail)
            .where(Event.broadcast_id == broadcast_id, Event.who != WORKER)
            .where(Event.kind.in_([EventKind.BROADCAST_MOVE, EventKind.BROADCAST_WORD]))
            .order_by(Event.id.desc())
        ).all()
    for row in rows:
        detail = json.loads(row.detail)
        paused = BroadcastState.PAUSED.value if detail.get("did") == Did.PAUSE else None
        moved_to = paused or detail.get("new")
        if moved_to is not None:
            return Voice(who=row.who, at=row.at, why=detail.get("why"), moved_to=moved_to)
    return None


def halt_why(connection: Connection, account: str) -> str | None:
    """Return why an account was halted last, if the person said so."""
    detail = connection.scalar(
        select(Event.detail)
        .where(
            Event.broadcast_id.is_(None),
            Event.account == account,
            Event.kind == EventKind.LANE_HALT,
        )
        .order_by(Event.id.desc())
        .limit(1)
    )
    why: str | None = json.loads(detail).get("why") if detail is not None else None
    return why


def contradicted(engine: Engine, broadcast_id: str) -> list[Contradiction]:
    """Return where WeChat said otherwise than a person, oldest first."""
    with read(engine) as connection:
        rows = connection.execute(
            select(Event.at, Event.detail, Batch.n)
            .join(Batch, Batch.id == Event.batch_id)
            .where(Event.broadcast_id == broadcast_id, Event.kind == EventKind.CONTRADICTION)
            .order_by(Event.id)
        ).all()
    return [_contradiction(row) for row in rows]


def _contradiction(row: AnyRow) -> Contradiction:
    detail = json.loads(row.detail)
    return Contradiction(n=row.n, at=row.at, word=detail["word"], msg_id=detail["msg_id"])
