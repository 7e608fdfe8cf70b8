"""Upcoming: what a lane does next, and what it needs for the call.

Nothing read here binds anybody: the claim reads anew all that forbids the call.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, Engine, bindparam, func, select, true

from broadcast.call.attempts import Reason
from broadcast.call.outcomes import SAID_ACCEPTED
from broadcast.states import BROADCAST_RUNNING, BatchState
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import Batch, Pack
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger.transaction import AnyRow, read


class Kind(StrEnum):
    """What a lane does next."""

    CALL = "call"
    VERIFY = "verify"  #: ask mass/get about the msg_id of a 45065 that nothing explains
    WAIT = "wait"
    REST = "rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a lane does next, with the batch as it stood when it was read."""

    kind: Kind
    until: datetime | None = None
    #: The database's moment of the reading.
    now: datetime | None = None
    batch_id: int = 0
    broadcast_id: str = ""
    n: int = 0
    state: BatchState = BatchState.PLANNED
    attempts: int = 0
    pack_id: int = 0
    clientmsgid: str = ""
    not_before: datetime | None = None


def next_work(engine: Engine, account: str) -> Work:
    """Return what the lane does next: a doubtful batch before all, then by priority and age."""
    with read(engine) as connection:
        moment = now(connection)
        whose = {"account": account}
        lane = connection.execute(_LANE, whose).one()
        if lane.halted_at or lane.stopped_at:
            return Work(kind=Kind.REST, now=moment)
        doubtful = connection.execute(DOUBTFUL, whose).first()
        batch = doubtful or connection.execute(_PLANNED, whose | {"moment": moment}).first()
        if batch is None:
            return _until_due(connection, account, moment)
        # A lane that waits asks mass/get nothing either: it may be waiting for a token.
        until = _later(batch.not_before, lane.not_before)
        verify = doubtful is not None and doubtful.reason is Reason.UNPROVED_ACCEPTANCE
        return _work(Kind.VERIFY if verify else Kind.CALL, batch, moment, until=until)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((m for m in (one, other) if m is not None), default=None)


def _work(kind: Kind, batch: AnyRow, moment: datetime, *, until: datetime | None) -> Work:
    due = until is None or until <= moment
    return Work(
        kind=kind if due else Kind.WAIT,
        until=until,
        now=moment,
        batch_id=batch.id,
        broadcast_id=batch.broadcast_id,
        n=batch.n,
        state=batch.state,
        attempts=batch.attempts,
        pack_id=batch.pack_id,
        clientmsgid=batch.clientmsgid,
        not_before=batch.not_before,
    )


# Built once: building a statement costs as much as running it, and a lane runs these for each call.
_LANE = select(Lane.halted_at, Lane.stopped_at, Lane.not_before).where(
    Lane.account == bindparam("account")
)
_BATCHES = (
    select(
        Batch.id, Batch.broadcast_id, Batch.n, Batch.state, Batch.attempts, Batch.pack_id,
        Batch.clientmsgid, Batch.not_before, Batch.reason,
    )
    .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
    .where(Batch.account == bindparam("account"), BroadcastRow.state.in_(BROADCAST_RUNNING))
    .limit(1)
)  # fmt: skip
#: In which an account's broadcasts are called.
ORDER = (BroadcastRow.priority.desc(), BroadcastRow.published_at, BroadcastRow.id)
#: A batch that may have been sent goes first, and no other starts before it is settled.
DOUBTFUL = _BATCHES.where(Batch.state == BatchState.UNKNOWN).order_by(Batch.not_before, Batch.id)
_PLANNED = (
    _BATCHES.where(Batch.state == BatchState.PLANNED)
    .where(Batch.not_before.is_(None) | (Batch.not_before <= bindparam("moment")))
    .order_by(*ORDER, Batch.n)
)


def _until_due(connection: Connection, account: str, moment: datetime) -> Work:
    soonest = connection.scalar(
        select(func.min(Batch.not_before))
        .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
        .where(Batch.account == account, BroadcastRow.state.in_(BROADCAST_RUNNING))
        .where(Batch.state == BatchState.PLANNED)
    )
    if soonest is None:
        return Work(kind=Kind.REST, now=moment)
    return Work(kind=Kind.WAIT, until=soonest, now=moment)


_PACK = select(Pack.openids).where(Pack.id == bindparam("pack_id"))


def openids(engine: Engine, pack_id: int) -> bytes:
    """Return the packed OpenIDs of a batch."""
    with read(engine) as connection:
        return connection.execute(_PACK, {"pack_id": pack_id}).scalar_one()


_FOLLOWING = select(
    Batch.id, Batch.broadcast_id, Batch.n, Batch.state, Batch.attempts, Batch.pack_id,
    Batch.clientmsgid, Batch.not_before,
).where(
    Batch.broadcast_id == bindparam("broadcast_id"), Batch.n == bindparam("n"),
    Batch.state == BatchState.PLANNED,
)  # fmt: skip


def following(engine: Engine, work: Work) -> Work | None:
    """Return the batch that probably comes after *work*: a guess, which binds nobody."""
    with read(engine) as connection:
        place = {"broadcast_id": work.broadcast_id, "n": work.n + 1}
        batch = connection.execute(_FOLLOWING, place).first()
        return None if batch is None else _work(Kind.CALL, batch, now(connection), until=None)


def content(engine: Engine, broadcast_id: str) -> str:
    """Return a broadcast's content, canonical JSON."""
    with read(engine) as connection:
        return connection.execute(
            select(BroadcastRow.content).where(BroadcastRow.id == broadcast_id)
        ).scalar_one()


def said_msg_id(engine: Engine, batch_id: int) -> int | None:
    """Return the msg_id of the job that WeChat says it has for a batch, if a reply named one.

    The one that the decision waits for: a msg_id that came with a refusal is nobody's job, and what
    mass/get knows of it settles nothing. One that a person denied comes last: he may have spoken
    while the question was being made ready.
    """
    with read(engine) as connection:
        return connection.scalar(
            select(AttemptRow.msg_id)
            .where(AttemptRow.batch_id == batch_id, AttemptRow.msg_id.is_not(None))
            .where(AttemptRow.outcome.in_(SAID_ACCEPTED))
            .order_by(AttemptRow.denied.is_(true()), AttemptRow.number)
            .limit(1)
        )
