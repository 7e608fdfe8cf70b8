"""Claims: a call is written down and committed before it is made.

The claim reads, in the one transaction that writes it, everything that could forbid the call:
lease and fence, halt and stop, the broadcast's state. What was claimed and has no recorded outcome
is *unknown*, never "not called"; only the claimer itself, who knows that it did not call, may give
a claim back.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, Engine, bindparam, func, insert, select, true, update

from broadcast.attempts import Reason
from broadcast.crashpoints import Point, passing
from broadcast.errors import DatabaseAwayError
from broadcast.outcomes import SAID_ACCEPTED
from broadcast.states import BROADCAST_RUNNING, BatchState, BroadcastState
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import Batch, Pack
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger import lanes, moves, records
from models.ledger.lanes import LEASE, Held
from models.ledger.records import DEFAULT_RULES, Rules
from models.ledger.transaction import AnyRow, read, write


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A call that may be made now, and only now."""

    attempt_id: int
    claim: str
    number: int
    #: ``time.monotonic()`` when the last thing that could forbid the call had been read; only the
    #: commit came after.
    read_at: float


def next_work(engine: Engine, held: Held) -> Work:
    """Return what the lane does next: a doubtful batch before all, then by priority and age."""
    with read(engine) as connection:
        moment = now(connection)
        account = {"account": held.account}
        lane = connection.execute(_LANE, account).one()
        if lane.halted_at or lane.stopped_at:
            return Work(kind=Kind.REST, now=moment)
        doubtful = connection.execute(_DOUBTFUL, account).first()
        batch = doubtful or connection.execute(_PLANNED, account | {"moment": moment}).first()
        if batch is None:
            return _until_due(connection, held.account, moment)
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
#: A batch that may have been sent goes first, and no other starts before it is settled.
_DOUBTFUL = _BATCHES.where(Batch.state == BatchState.UNKNOWN).order_by(Batch.not_before, Batch.id)
_PLANNED = (
    _BATCHES.where(Batch.state == BatchState.PLANNED)
    .where(Batch.not_before.is_(None) | (Batch.not_before <= bindparam("moment")))
    .order_by(BroadcastRow.priority.desc(), BroadcastRow.published_at, BroadcastRow.id, Batch.n)
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


def claim(engine: Engine, held: Held, work: Work, *, rules: Rules = DEFAULT_RULES) -> Claim | None:
    """Write the call down and commit; return None where something forbids it by now.

    The name of the claim is made here, so that after a commit whose answer was lost
    :func:`~models.ledger.records.give_back` can find it.
    """
    name = secrets.token_hex(12)
    try:
        made = write(engine, lambda c: _claim(c, held, work, name=name, rules=rules))
    except BaseException:
        # Nothing was called. Whether the claim was committed is not known, so it is given back by
        # its name; if that fails too, the batch is unknown to whoever takes the lane over.
        with contextlib.suppress(DatabaseAwayError):
            records.give_back(engine, name, rules=rules)
        raise
    if made is not None:
        passing(Point.CLAIM_COMMITTED)
    return made


def _claim(
    connection: Connection, held: Held, work: Work, *, name: str, rules: Rules
) -> Claim | None:
    moment = _may_call(connection, held, work)
    if moment is None:
        return None
    if work.state is BatchState.UNKNOWN and _expired(connection, work, rules):
        return None
    number = work.attempts + 1
    if not _take(connection, work, number=number, moment=moment):
        return None
    attempt = {
        "claim": name, "batch_id": work.batch_id, "number": number, "account": held.account,
        "fence": held.fence, "owner": held.owner, "clientmsgid": work.clientmsgid,
        "started_at": moment,
    }  # fmt: skip
    attempt_id = connection.execute(_ATTEMPT, attempt).inserted_primary_key
    connection.execute(_RENEW, {"b_account": held.account, "leased_until": moment + LEASE})
    passing(Point.CLAIM_WRITTEN)
    return Claim(
        attempt_id=attempt_id[0] if attempt_id else 0, claim=name, number=number,
        read_at=time.monotonic(),
    )  # fmt: skip


def _expired(connection: Connection, work: Work, rules: Rules) -> bool:
    return records.expire_held(connection, records.lock(connection, work.batch_id), rules=rules)


def _take(connection: Connection, work: Work, *, number: int, moment: datetime) -> bool:
    """Move the batch to *calling* if it still stands as it was read; return whether it did."""
    seen = {
        "b_id": work.batch_id, "b_state": work.state, "b_attempts": work.attempts,
        "b_not_before": work.not_before,
    }  # fmt: skip
    values = {"state": BatchState.CALLING, "attempts": number, "not_before": None}
    return connection.execute(_TAKE, {**seen, **values, "moment": moment}).rowcount == 1


# The columns are those of the parameters that these are run with.
_TAKE = (
    update(Batch)
    .where(Batch.id == bindparam("b_id"), Batch.state == bindparam("b_state"))
    .where(Batch.attempts == bindparam("b_attempts"))
    # A late reply may have said meanwhile that it is not to be repeated so soon.
    .where(Batch.not_before.is_not_distinct_from(bindparam("b_not_before")))
    .values(first_called_at=func.coalesce(Batch.first_called_at, bindparam("moment")))
)
_ATTEMPT = insert(AttemptRow)
_RENEW = update(Lane).where(Lane.account == bindparam("b_account"))


def _may_call(connection: Connection, held: Held, work: Work) -> datetime | None:
    """Read everything that forbids a call, under the locks that hold it still until the commit.

    Returns the moment of the reading, or None where something forbids it.
    """
    lane = lanes.hold(connection, held.account)
    moment = now(connection)  # after the wait for the row: the lease may have run out in it
    ours = lane.fence == held.fence and lane.leased_until and lane.leased_until > moment
    closed = lane.halted_at or lane.stopped_at or (lane.not_before and lane.not_before > moment)
    if not ours or closed:
        return None
    state = moves.hold(connection, work.broadcast_id)
    if state not in BROADCAST_RUNNING:
        return None
    if state is BroadcastState.WAITING:
        moves.move_broadcast(
            connection, work.broadcast_id, BroadcastState.SENDING,
            started_at=func.coalesce(BroadcastRow.started_at, moment),
        )  # fmt: skip
    return moment
