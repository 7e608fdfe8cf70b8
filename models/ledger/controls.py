"""Controls: a human's word, carried out in one transaction and written into the history.

Each takes the lane's row first, as claims do, so after its commit no new call starts: a claim that
was committed before is being called now (within 300 ms), and none can be committed after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, func, select, update

from broadcast.accounts import Account
from broadcast.attempts import Reason
from broadcast.errors import InputError, UnknownIdError
from broadcast.states import BatchState, BroadcastState
from models.account import Lane
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger import lanes, moves
from models.ledger.transaction import AnyRow, note, write

T = TypeVar("T")
S = BroadcastState

_MAY_PAUSE = {S.SCHEDULED, S.PLANNING, S.WAITING, S.SENDING}
_ENDED = {S.COMPLETED, S.PARTIAL, S.FAILED, S.CANCELLED}


def _on(engine: Engine, broadcast_id: str, work: Callable[[Connection, AnyRow], T]) -> T:
    """Run *work* with the broadcast as it stands, its lane and its row held."""

    def locked(connection: Connection) -> T:
        account = connection.scalar(
            select(BroadcastRow.account).where(BroadcastRow.id == broadcast_id)
        )
        if account is None:
            raise UnknownIdError("error.broadcast.unknown", id=broadcast_id)
        connection.execute(select(Lane.fence).where(Lane.account == account).with_for_update())
        row = connection.execute(
            select(
                BroadcastRow.id, BroadcastRow.state, BroadcastRow.started_at,
                BroadcastRow.scheduled_at, BroadcastRow.account,
            )
            .where(BroadcastRow.id == broadcast_id)
            .with_for_update()
        ).one()  # fmt: skip
        if row.state is S.UPLOADING:
            raise UnknownIdError("error.broadcast.unknown", id=broadcast_id)
        return work(connection, row)

    return write(engine, locked)


def pause(engine: Engine, broadcast_id: str, *, who: str) -> bool:
    """Start no new call of a broadcast; return False if it was paused or had ended already."""

    def work(connection: Connection, row: AnyRow) -> bool:
        if row.state not in _MAY_PAUSE:
            return False
        moves.move_broadcast(connection, row.id, S.PAUSED, who=who, reason=Reason.BY_HAND)
        return True

    return _on(engine, broadcast_id, work)


def resume(engine: Engine, broadcast_id: str, *, who: str) -> bool:
    """Let a paused or held broadcast go on; return False if it was running already.

    Raises InputError when it has ended, or is held for batches that only a human can settle.
    """

    def work(connection: Connection, row: AnyRow) -> bool:
        if row.state in {S.WAITING, S.SENDING, S.PLANNING, S.SCHEDULED}:
            return False
        if row.state not in {S.PAUSED, S.HELD}:
            raise InputError("error.broadcast.ended", id=row.id)
        target = _where_to(connection, row)
        moves.move_broadcast(
            connection, row.id, target, who=who, reason=None, reason_errcode=None,
            reason_errmsg=None, rung_at=None, finished_at=None,
        )  # fmt: skip
        connection.execute(update(Lane).where(Lane.account == row.account).values(rung_at=None))
        return True

    return _on(engine, broadcast_id, work)


def _where_to(connection: Connection, row: AnyRow) -> BroadcastState:
    if row.started_at is None:
        # It may have been stopped while it was cut, and the day may have turned: cut what is
        # missing and prove it anew. Making a batch twice is not possible.
        later = row.scheduled_at is not None and row.scheduled_at > now(connection)
        return S.SCHEDULED if later else S.PLANNING
    there = moves.counts(connection, row.id)
    if not any(there.get(s) for s in (BatchState.PLANNED, BatchState.CALLING, BatchState.UNKNOWN)):
        raise InputError("error.broadcast.in_doubt", id=row.id)
    return S.SENDING


def cancel(engine: Engine, broadcast_id: str, *, who: str) -> bool:
    """Never call the rest of a broadcast; return False if it had ended already.

    Batches that may have been sent end in doubt, never cancelled; one in flight ends by its reply.
    """

    def work(connection: Connection, row: AnyRow) -> bool:
        if row.state in _ENDED:
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
        for batch in batches:
            doubt = batch.state is BatchState.UNKNOWN
            moves.move_batch(
                connection, batch, BatchState.IN_DOUBT if doubt else BatchState.CANCELLED,
                reason=Reason.STOPPED_WHILE_UNKNOWN if doubt else Reason.BY_HAND, not_before=None,
            )  # fmt: skip
        moves.move_broadcast(
            connection, row.id, S.CANCELLED, who=who, reason=Reason.BY_HAND, finished_at=moment
        )
        moves.rest(connection, row.id)
        return True

    return _on(engine, broadcast_id, work)


def halt(
    engine: Engine, account: str | None, *, who: str, known: Iterable[Account] = ()
) -> list[str]:
    """Start no new call of an account, or of all; return the accounts that were running.

    *known* are accounts that may never have been used: they are halted as well.
    """
    configured = [one for one in known if account in {None, one.name}]

    def work(connection: Connection) -> None:
        for one in configured:
            lanes.know(connection, one)

    write(engine, work)
    return _lanes(engine, account, who=who, kind="lane.halt", halted=False)


def unhalt(engine: Engine, account: str | None, *, who: str) -> list[str]:
    """Lift halts and stops; return the accounts that were standing still."""
    return _lanes(engine, account, who=who, kind="lane.unhalt", halted=True)


def _lanes(engine: Engine, account: str | None, *, who: str, kind: str, halted: bool) -> list[str]:
    def work(connection: Connection) -> list[str]:
        standing = Lane.halted_at.is_not(None) | Lane.stopped_at.is_not(None)
        wanted = standing if halted else Lane.halted_at.is_(None)
        query = select(Lane.account).where(wanted).order_by(Lane.account).with_for_update()
        if account is not None:
            query = query.where(Lane.account == account)
        names = list(connection.scalars(query))
        values: dict[str, Any] = (
            {
                "halted_at": None, "halted_by": None, "stopped_at": None, "stop_reason": None,
                "stop_errcode": None, "stop_errmsg": None, "not_before": None, "wait_reason": None,
                "rung_at": None,
            }
            if halted
            else {"halted_at": func.coalesce(Lane.halted_at, now(connection)), "halted_by": who}
        )  # fmt: skip
        connection.execute(update(Lane).where(Lane.account.in_(names)).values(**values))
        for name in names:
            note(connection, kind, who=who, account=name)
        return names

    return write(engine, work)
