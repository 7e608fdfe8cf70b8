"""Sweeps: what was left behind and may go on. Any number of them at once is harmless.

Ringing writes nothing but "rung at" and never touches a lane whose lease lives. What only time can
settle (a window that closed, a time that came, an upload that died) is moved on here as well.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, and_, exists, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, aliased

from broadcast.call.rules import DEFAULT_RULES, Rules
from broadcast.call.waits import REPEAT_WINDOW
from broadcast.states import BROADCAST_RUNNING, BatchState, BroadcastState
from models.account import Lane
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now, skips_locked
from models.ledger import lanes, records, transitions, uploads
from models.ledger.transaction import read, write

#: A ring that nobody answered for this long is repeated: the broker may have lost it.
WAKE_AGAIN = timedelta(seconds=4)
UPLOAD_FORGOTTEN = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wakes:
    """What to ring for."""

    plans: list[str] = field(default_factory=list)
    #: (account, a broadcast of it that waits)
    lanes: list[tuple[str, str]] = field(default_factory=list)
    #: The same of accounts that the caller does not have.
    elsewhere: list[tuple[str, str]] = field(default_factory=list)


def due(engine: Engine, *, accounts: Collection[str] | None = None) -> Wakes:
    """Find plans and lanes that wait for nobody but a worker, and mark them as rung.

    Those of other accounts than *accounts* (None: all) are told and not marked, because whoever
    has these in his settings must still find them. A row that somebody holds is left for next time.
    """
    return write(engine, functools.partial(_due, accounts=accounts))


def _due(connection: Connection, *, accounts: Collection[str] | None) -> Wakes:
    # Lanes before broadcasts, in the order in which everybody locks them.
    found = _due_lanes(connection)
    ours = _free(connection, Lane.account, [name for name, _ in found if _is_in(accounts, name)])
    if ours:
        connection.execute(
            update(Lane).where(Lane.account.in_(ours)).values(woken_at=now(connection))
        )
    waiting = connection.execute(
        select(BroadcastRow.id, BroadcastRow.account)
        .join(Lane, Lane.account == BroadcastRow.account)
        .where(BroadcastRow.state == BroadcastState.PLANNING, _is_open(now(connection)))
        .where(_is_silent(BroadcastRow.woken_at, now(connection)))
        .order_by(BroadcastRow.published_at)
    ).all()
    known = [row.id for row in waiting if _is_in(accounts, row.account)]
    plans = _free(connection, BroadcastRow.id, known)
    if plans:
        connection.execute(
            update(BroadcastRow).where(BroadcastRow.id.in_(plans)).values(woken_at=now(connection))
        )
    return Wakes(
        plans=[broadcast_id for broadcast_id in known if broadcast_id in plans],
        lanes=[lane for lane in found if lane[0] in ours],
        elsewhere=[lane for lane in found if not _is_in(accounts, lane[0])],
    )


def _is_silent(
    woken_at: InstrumentedAttribute[datetime | None], moment: datetime
) -> ColumnElement[bool]:
    """Return the condition that nobody was rung for of late.

    A ring of the future was before the database's clock was set back.
    """
    return or_(woken_at.is_(None), woken_at < moment - WAKE_AGAIN, woken_at > moment + WAKE_AGAIN)


def _is_in(accounts: Collection[str] | None, account: str) -> bool:
    return accounts is None or account in accounts


def _free(
    connection: Connection, key: InstrumentedAttribute[str], names: Sequence[str]
) -> set[str]:
    """Lock the rows of *names* that nobody else holds; return which."""
    if not names:
        return set()
    rows = select(key).where(key.in_(names)).order_by(key)
    return set(connection.scalars(rows.with_for_update(skip_locked=skips_locked(connection))))


def _due_lanes(connection: Connection) -> list[tuple[str, str]]:
    """Return free lanes with a batch that may be called now, each with one broadcast of it."""
    moment = now(connection)
    rows = connection.execute(
        select(Batch.account, Batch.broadcast_id)
        .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
        .join(Lane, Lane.account == Batch.account)
        .where(
            # An orphan is adopted whatever stands still: its fate is not known until a driver asks.
            or_(Batch.state == BatchState.CALLING, _may_be_called(moment)),
            lanes.is_free(moment),
            _is_silent(Lane.woken_at, moment),
        )
        .distinct()
    )
    first: dict[str, str] = {}
    for account, broadcast_id in rows:
        first[account] = min(first.get(account, broadcast_id), broadcast_id)
    return sorted(first.items())


_DOUBTFUL = aliased(Batch)
_RUNNING = aliased(BroadcastRow)


def _may_be_called(moment: datetime) -> ColumnElement[bool]:
    return and_(
        Batch.state.in_([BatchState.PLANNED, BatchState.UNKNOWN]),
        or_(Batch.not_before.is_(None), Batch.not_before <= moment),
        BroadcastRow.state.in_(BROADCAST_RUNNING),
        _is_open(moment),
        # While a doubtful batch waits for its repeat, the lane starts no other.
        ~exists().where(
            _DOUBTFUL.account == Lane.account,
            _DOUBTFUL.state == BatchState.UNKNOWN,
            _DOUBTFUL.not_before > moment,
            _DOUBTFUL.broadcast_id == _RUNNING.id,
            _RUNNING.state.in_(BROADCAST_RUNNING),
        ),
    )


def _is_open(moment: datetime) -> ColumnElement[bool]:
    return and_(
        or_(Lane.not_before.is_(None), Lane.not_before <= moment),
        Lane.stopped_at.is_(None),
        Lane.halted_at.is_(None),
    )


def hold_expired(engine: Engine, *, rules: Rules = DEFAULT_RULES) -> int:
    """Hold for a human what was unknown for 23 h, paused and halted or not; return how many."""
    with read(engine) as connection:
        late = now(connection) - rules.waits.scaled(REPEAT_WINDOW)
        ids = connection.scalars(
            select(Batch.id)
            # The index on account and state answers it lane by lane.
            .join(Lane, Lane.account == Batch.account)
            .where(Batch.state == BatchState.UNKNOWN, Batch.first_called_at <= late)
        ).all()
    return sum(records.expire(engine, batch_id, rules=rules) for batch_id in ids)


def launch_due(engine: Engine) -> list[str]:
    """Move the broadcasts whose time has come on to planning; return their ids."""

    def work(connection: Connection) -> list[str]:
        ids = connection.scalars(
            select(BroadcastRow.id)
            .where(BroadcastRow.state == BroadcastState.SCHEDULED)
            .where(BroadcastRow.scheduled_at <= now(connection))
            .with_for_update()
        ).all()
        for broadcast_id in ids:
            transitions.move_broadcast(
                connection, broadcast_id, BroadcastState.PLANNING, woken_at=now(connection)
            )
        return list(ids)

    return write(engine, work)


def forget_uploads(engine: Engine) -> int:
    """Remove uploads that died an hour ago and were never published; return how many.

    One whose row somebody holds is left for next time: a ``send`` that was stopped while it sent a
    chunk holds it for as long as it is stopped, and every sweep would wait for it.
    """

    def work(connection: Connection) -> str | None:
        dead = connection.scalar(
            select(BroadcastRow.id)
            .where(BroadcastRow.state == BroadcastState.UPLOADING)
            .where(uploads.silent_for(connection, UPLOAD_FORGOTTEN))
            .limit(1)
            .with_for_update(skip_locked=skips_locked(connection))
        )
        if dead is not None:
            uploads.give_up(connection, dead)
        return dead

    dead = write(engine, work)
    if dead is None:
        return 0
    uploads.clear(engine, dead)
    return 1
