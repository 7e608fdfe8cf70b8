"""The calls of an account's days: what WeChat said of them, and which broadcast reserved how many.

A reservation is a row (broadcast, path, Shanghai day, calls). Each call takes one; what is left is
freed when the broadcast comes to rest, and means nothing once its day is over. Whoever counts the
free calls in order to take some locks the lane, or two plans would both see the last free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    exists,
    func,
    insert,
    select,
    update,
)

from broadcast import day
from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.plan import proof as proof_module
from broadcast.rules.states import BATCH_AT_REST, BatchState, Phase, Reason
from models.base import change_where, count_of, delete_where, insert_row, is_so
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow, Reservation
from models.engine import now
from models.ledger.gates import gate_changes
from models.ledger.gates.gate_changes import Closing
from models.ledger.rows.transaction import WORKER, LockedBatch, LockedBroadcast

#: Broadcasts that a refused plan names as those that have reserved the calls.
MOST_HOLDERS = 5


@frozen
class ReservationRequest:
    """Calls that a broadcast asks to reserve."""

    account: str
    path: SendPath
    calls: int
    #: The broadcast that wants them; what it has reserved already is its own.
    broadcast_id: str | None
    #: When it starts; None: now.
    at: datetime | None
    spread: bool
    #: Calls of the other interface count against the same number.
    shared: bool


def day_of(moment: datetime) -> str:
    """Return the Shanghai day of *moment*, as it is written."""
    return moment.astimezone(day.SHANGHAI).date().isoformat()


def prove(
    connection: Connection,
    wanted: ReservationRequest,
    *,
    quota: proof_module.Quota | None,
    moment: datetime | None = None,
) -> proof_module.Proof:
    """Check calls against the day of their start. *moment*: the present, where it is known."""
    moment = moment or now(connection)
    starts = max(moment, wanted.at or moment)
    if quota is not None and starts >= day.turn(moment):
        # What is used today says nothing about that day; only its size is known.
        limit = quota.daily_limit
        quota = proof_module.Quota(daily_limit=limit, used=0, remain=limit)
    on = day_of(starts)
    proof = proof_module.prove(
        calls=wanted.calls,
        quota=quota,
        reserved=_reserved_by_others(connection, wanted, on),
        spread=wanted.spread,
    )
    if proof.fit in {proof_module.Fit.FITS, proof_module.Fit.UNPROVED}:
        return proof
    return replace(proof, holders=_holders(connection, wanted, on))


def _reserved_by_others(connection: Connection, wanted: ReservationRequest, on: str) -> int:
    """Return how many calls of a day other broadcasts have reserved.

    Read from an index alone, of which each broadcast that is open has a row: as many as WeChat
    allows calls on that day, at most.
    """
    reserved = _RESERVED_OF_ALL_PATHS if wanted.shared else _RESERVED
    whose = {
        "account": wanted.account,
        "path": wanted.path,
        "day": on,
        "id": wanted.broadcast_id or "",
    }
    return int(connection.scalar(reserved, whose) or 0)


def _reserved(*which: ColumnElement[bool]) -> Select[tuple[int]]:
    """Return the sum of such reservations, less those of one broadcast."""
    all_, mine = (
        select(func.coalesce(func.sum(Reservation.calls), 0)).where(*these).scalar_subquery()
        for these in (which, (Reservation.broadcast_id == bindparam("id"), *which))
    )
    return select(all_ - mine)


# Built once: building a statement costs more than running it.
_OF_DAY = Reservation.account == bindparam("account"), Reservation.day == bindparam("day")
_RESERVED_OF_ALL_PATHS = _reserved(*_OF_DAY)
_RESERVED = _reserved(*_OF_DAY, Reservation.path == bindparam("path"))


def _holders(connection: Connection, wanted: ReservationRequest, on: str) -> Sequence[str]:
    """Return the other broadcasts with reserved calls on a day, those with most first."""
    query = (
        select(Reservation.broadcast_id)
        .filter_by(account=wanted.account, day=on)
        .where(Reservation.calls > 0)
        .where(Reservation.broadcast_id != (wanted.broadcast_id or ""))
        .group_by(Reservation.broadcast_id)
        .order_by(func.sum(Reservation.calls).desc(), Reservation.broadcast_id)
        .limit(MOST_HOLDERS)
    )
    if not wanted.shared:
        query = query.filter_by(path=wanted.path)
    return connection.scalars(query).all()


def reserve(
    connection: Connection,
    wanted: ReservationRequest,
    proof: proof_module.Proof,
    *,
    quota: proof_module.Quota | None,
) -> None:
    """Reserve the calls of a proved plan, one row a day, instead of its earlier reservations."""
    if wanted.broadcast_id is None:
        raise ValueError("calls are held by a broadcast")
    free(connection, wanted.broadcast_id)
    reserve_first(connection, wanted, proof, quota=quota, moment=now(connection))


def reserve_first(
    connection: Connection,
    wanted: ReservationRequest,
    proof: proof_module.Proof,
    *,
    quota: proof_module.Quota | None,
    moment: datetime,
) -> None:
    """Do as :func:`reserve` for a broadcast with no reservation yet."""
    starts = max(moment, wanted.at or moment)

    def on(later: int) -> str:
        return day_of(starts + timedelta(days=later))

    def taken(later: int) -> int:
        return _reserved_by_others(connection, wanted, on(later))

    limit = quota.daily_limit if quota is not None else wanted.calls
    days = [
        {
            "broadcast_id": wanted.broadcast_id,
            "account": wanted.account,
            "path": wanted.path,
            "day": on(later),
            "calls": calls,
        }
        for later, calls in enumerate(proof_module.allot(proof, daily_limit=limit, reserved=taken))
        if calls
    ]
    if days:
        connection.execute(_RESERVE, days)


_RESERVE = insert(Reservation)


# Built once, as every statement of the way of a call.
_TAKE = (
    update(Reservation)
    .filter_by(
        broadcast_id=bindparam("b_broadcast_id"), path=bindparam("b_path"), day=bindparam("b_day")
    )
    .where(Reservation.calls > 0)
    .values(calls=Reservation.calls - 1)
)


def use_reserved_call(
    connection: Connection, broadcast_id: str, path: SendPath, *, moment: datetime
) -> None:
    """Use one of the broadcast's calls for today, if it has any."""
    whose = {"b_broadcast_id": broadcast_id, "b_path": path, "b_day": day_of(moment)}
    connection.execute(_TAKE, whose)


def defer_to_its_day(connection: Connection, broadcast: LockedBroadcast) -> bool:
    """Make a broadcast over several days wait, once today's share of it is sent.

    Whatever more it called today would take calls that others have reserved. Returns whether it
    was made to wait; the lane is locked by the caller.
    """
    if not broadcast.spread_days:
        return False
    today, until = day_of(broadcast.now), day.turn(broadcast.now)
    mine = _reserved_days(connection, broadcast)
    if today in mine:
        return False
    if not mine:
        # What it had on days that are over is gone: it takes its turn on the next one.
        if not _others_reserved(connection, broadcast, today):
            return False
        calls = remaining(connection, broadcast.id)
        _add(
            connection,
            broadcast.id,
            broadcast.account,
            path=broadcast.path,
            on=day_of(until),
            calls=calls,
        )
    share = Closing(
        kind=GateKind.QUOTA,
        who=WORKER,
        broadcast_id=broadcast.id,
        until=until,
        reason=Reason.SPREAD_OVER_DAYS,
    )
    gate_changes.close(connection, broadcast.account, share)
    return True


def _reserved_days(connection: Connection, broadcast: LockedBroadcast) -> set[str]:
    """Return the days from today on of which a broadcast has calls."""
    return set(
        connection.scalars(
            select(Reservation.day)
            .filter_by(broadcast_id=broadcast.id, path=broadcast.path)
            .where(Reservation.day >= day_of(broadcast.now), Reservation.calls > 0)
        )
    )


def _others_reserved(connection: Connection, broadcast: LockedBroadcast, on: str) -> bool:
    others = exists().where(
        Reservation.account == broadcast.account,
        Reservation.day == on,
        Reservation.calls > 0,
        Reservation.broadcast_id != broadcast.id,
    )
    return is_so(connection, others)


def give_back(connection: Connection, batch: LockedBatch, *, calls: int) -> None:
    """Reserve *calls* more for today, for a batch that is to be called again."""
    _add(
        connection,
        batch.broadcast_id,
        batch.account,
        path=batch.path,
        on=day_of(now(connection)),
        calls=calls,
    )


def _add(
    connection: Connection, broadcast_id: str, account: str, *, path: SendPath, on: str, calls: int
) -> None:
    there = connection.execute(
        update(Reservation)
        .filter_by(broadcast_id=broadcast_id, path=path, day=on)
        .values(calls=Reservation.calls + calls)
    )
    if there.rowcount == 0:
        insert_row(
            connection,
            Reservation,
            broadcast_id=broadcast_id,
            account=account,
            path=path,
            day=on,
            calls=calls,
        )


def release(connection: Connection, broadcast_id: str, *, calls: int) -> None:
    """Free calls that are not made any more, those of the last day first."""
    mine = Reservation.broadcast_id == broadcast_id
    for row in connection.execute(
        select(Reservation.path, Reservation.day, Reservation.calls)
        .where(mine, Reservation.calls > 0)
        .order_by(Reservation.day.desc())
    ).all():
        freed = min(calls, row.calls)
        change_where(
            connection,
            Reservation,
            mine,
            Reservation.path == row.path,
            Reservation.day == row.day,
            calls=Reservation.calls - freed,
        )
        calls -= freed


def free(connection: Connection, broadcast_id: str) -> None:
    """Free what a broadcast has reserved: it came to rest, was cancelled, or is proved again."""
    delete_where(connection, Reservation, Reservation.broadcast_id == broadcast_id)


def carry_over(
    connection: Connection, account: str, *, until: datetime, path: SendPath | None
) -> None:
    """Move the remaining calls of every open broadcast to the day on which it may go on.

    *path*: None where both interfaces wait. What is reserved for that day and for later ones by one
    that goes out over several days counts. One without a reservation, for its calls do not fit,
    gets none.
    """
    on = day_of(until)
    if on == day_of(now(connection)):
        return
    query = (
        select(Batch.broadcast_id, Batch.path, func.count().label("calls"))
        .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
        .where(BroadcastRow.account == account, BroadcastRow.phase == Phase.SENDING)
        .where(Batch.state.not_in(list(BATCH_AT_REST)))
        .where(exists().where(Reservation.broadcast_id == BroadcastRow.id, Reservation.calls > 0))
        .group_by(Batch.broadcast_id, Batch.path)
    )
    if path is not None:
        query = query.where(Batch.path == path)
    rows = connection.execute(query).all()
    there = _reserved_from(connection, account, on)
    for row in rows:
        calls = row.calls - there.get(row.broadcast_id, 0)
        if calls > 0:
            _add(connection, row.broadcast_id, account, path=row.path, on=on, calls=calls)


def _reserved_from(connection: Connection, account: str, on: str) -> dict[str, int]:
    """Return how many calls each broadcast has reserved for a day and for later ones."""
    rows = connection.execute(
        select(Reservation.broadcast_id, func.sum(Reservation.calls))
        .where(Reservation.account == account, Reservation.day >= on)
        .group_by(Reservation.broadcast_id)
    )
    return {broadcast_id: int(calls) for broadcast_id, calls in rows}


def remaining(connection: Connection, broadcast_id: str) -> int:
    """Return how many calls a planned broadcast still needs; one that is made now was taken."""
    to_call = Batch.state.not_in([*BATCH_AT_REST, BatchState.CALLING])
    return count_of(connection, Batch, Batch.broadcast_id == broadcast_id, to_call)
