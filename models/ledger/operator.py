"""Controls: a human's word, carried out in one transaction and written into the history.

Each takes the lane's row first, as claims do, so after its commit no new call starts: a claim that
was committed before is being called now (within 300 ms), and none can be committed after.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, select, update

from broadcast.accounts import Account
from broadcast.call.attempts import Reason
from broadcast.errors import InputError
from broadcast.events import EventKind
from broadcast.reports import Did
from broadcast.states import BatchState, BroadcastState
from models.account import Lane
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger import held, lanes, transitions
from models.ledger.reading import pauses
from models.ledger.transaction import AnyRow, note, write

S = BroadcastState

_MAY_PAUSE = {S.SCHEDULED, S.PLANNING, S.WAITING, S.SENDING}
_ENDED = {S.COMPLETED, S.PARTIAL, S.FAILED, S.CANCELLED}


def pause(engine: Engine, broadcast_id: str, *, who: str, why: str | None = None) -> bool:
    """Start no new call of a broadcast; return False if a person paused it or it ended already.

    What a refusal had paused keeps that as its reason, and stays paused until a person resumes it.
    """

    def work(connection: Connection, row: AnyRow) -> bool:
        if row.state in _MAY_PAUSE:
            transitions.move_broadcast(
                connection, row.id, S.PAUSED, who=who, why=why, reason=Reason.BY_HAND
            )
        elif row.state is not S.PAUSED or pauses.by_hand(connection, row):
            return False
        held.write_down(connection, row.id, Did.PAUSE, who=who, why=why)
        return True

    return held.on(engine, broadcast_id, work)


def resume(engine: Engine, broadcast_id: str, *, who: str, why: str | None = None) -> bool:
    """Let a paused or held broadcast go on; return False if it was running already.

    Raises InputError when it has ended, or is held for batches that only a human can settle.
    """

    def work(connection: Connection, row: AnyRow) -> bool:
        if row.state in {S.WAITING, S.SENDING, S.PLANNING, S.SCHEDULED}:
            return False
        if row.state not in {S.PAUSED, S.HELD}:
            raise InputError("error.broadcast.ended", id=row.id)
        go_on(connection, row, who=who, why=why)
        held.write_down(connection, row.id, Did.RESUME, who=who, why=why)
        return True

    return held.on(engine, broadcast_id, work)


def go_on(connection: Connection, row: AnyRow, *, who: str, why: str | None) -> BroadcastState:
    """Let a broadcast that is held still go on where it stood; return where that is.

    Raises InputError when nothing of it is left to be called.
    """
    target = _where_to(connection, row)
    transitions.move_broadcast(
        connection, row.id, target, who=who, why=why, reason=None, reason_errcode=None,
        reason_errmsg=None, woken_at=None, finished_at=None,
    )  # fmt: skip
    connection.execute(update(Lane).where(Lane.account == row.account).values(woken_at=None))
    return target


def _where_to(connection: Connection, row: AnyRow) -> BroadcastState:
    if row.started_at is None:
        # It may have been stopped while it was cut, and the day may have turned: cut what is
        # missing and prove it anew. Making a batch twice is not possible.
        later = row.scheduled_at is not None and row.scheduled_at > now(connection)
        return S.SCHEDULED if later else S.PLANNING
    there = transitions.counts(connection, row.id)
    if not any(there.get(s) for s in (BatchState.PLANNED, BatchState.CALLING, BatchState.UNKNOWN)):
        raise InputError("error.broadcast.in_doubt", id=row.id)
    return S.SENDING


def cancel(engine: Engine, broadcast_id: str, *, who: str, why: str | None = None) -> bool:
    """Never call the rest of a broadcast; return False if it had ended or was cancelled already.

    Batches that may have been sent end in doubt, never cancelled; one of which a person said that
    it was not sent is refused by that word; one in flight ends by its reply.
    """

    def work(connection: Connection, row: AnyRow) -> bool:
        if row.state in _ENDED or row.cancelled_at is not None:
            return False
        moment = now(connection)
        connection.execute(
            update(BroadcastRow).where(BroadcastRow.id == row.id).values(cancelled_at=moment)
        )
        batches = connection.execute(
            select(Batch.id, Batch.broadcast_id, Batch.state)
            .where(Batch.broadcast_id == row.id)
            .where(Batch.state.in_([BatchState.PLANNED, BatchState.UNKNOWN]))
        ).all()
        transitions.call_off(connection, batches, who=who, why=why)
        transitions.move_broadcast(
            connection, row.id, S.CANCELLED, who=who, why=why, reason=Reason.BY_HAND,
            finished_at=moment,
        )  # fmt: skip
        held.write_down(connection, row.id, Did.CANCEL, who=who, why=why)
        transitions.rest(connection, row.id)
        return True

    return held.on(engine, broadcast_id, work)


def halt(
    engine: Engine,
    account: str | None,
    *,
    who: str,
    why: str | None = None,
    known: Iterable[Account] = (),
) -> list[str]:
    """Start no new call of an account, or of all; return the accounts that were running.

    *known* are accounts that may never have been used: they are halted as well.
    """
    configured = [one for one in known if account in {None, one.name}]

    def work(connection: Connection) -> list[str]:
        for one in configured:
            lanes.know(connection, one)
        names = _hold(connection, account, Lane.halted_at.is_(None))
        values = {"halted_at": now(connection), "halted_by": who}
        connection.execute(update(Lane).where(Lane.account.in_(names)).values(**values))
        return _write_down(connection, names, EventKind.LANE_HALT, who=who, why=why)

    return write(engine, work)


_FREE: dict[str, Any] = {
    "halted_at": None, "halted_by": None, "stopped_at": None, "stop_reason": None,
    "stop_errcode": None, "stop_errmsg": None, "not_before": None, "wait_reason": None,
    "woken_at": None,
}  # fmt: skip


def unhalt(engine: Engine, account: str | None, *, who: str, why: str | None = None) -> list[str]:
    """Lift halts and stops; return the accounts that were standing still."""

    def work(connection: Connection) -> list[str]:
        standing = Lane.halted_at.is_not(None) | Lane.stopped_at.is_not(None)
        names = _hold(connection, account, standing)
        connection.execute(update(Lane).where(Lane.account.in_(names)).values(**_FREE))
        return _write_down(connection, names, EventKind.LANE_UNHALT, who=who, why=why)

    return write(engine, work)


def _hold(connection: Connection, account: str | None, wanted: ColumnElement[bool]) -> list[str]:
    """Hold the lanes that are to be switched, all in one order; return their accounts."""
    query = select(Lane.account).where(wanted).order_by(Lane.account).with_for_update()
    if account is not None:
        query = query.where(Lane.account == account)
    return list(connection.scalars(query))


def _write_down(
    connection: Connection, names: list[str], kind: EventKind, *, who: str, why: str | None
) -> list[str]:
    for name in names:
        note(connection, kind, who=who, why=why, account=name)
    return names
