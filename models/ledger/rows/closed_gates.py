"""Gates that nobody opened, and what they say of how late a first call is, read from their rows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from broadcast.rules.calls.outcomes import BEGINS_NOTHING, SendPath
from broadcast.rules.gates.gate import OPEN_BY_TIME, Gate, GateKind
from broadcast.rules.gates.lateness import FirstCallLimit
from broadcast.rules.states import OPEN_PHASES
from models.accounts import Lane
from models.base import is_so
from models.batch_tables import OF_ACCOUNT, STANDS, AttemptRow, Batch, GateRow
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.installation import RestoreRow
from models.ledger.rows.transaction import LockedBroadcast, LockedLane, one_row, selected


def gates_of(connection: Connection, account: str, broadcast_id: str = "") -> list[Gate]:
    """Return the closed gates of the account, of its paths, and of one broadcast."""
    ids = ["", broadcast_id] if broadcast_id else [""]
    return _read(connection, _STANDING, account=account, ids=ids)


def gates_of_some(
    connection: Connection, accounts: Iterable[str], ids: Iterable[str] = ()
) -> list[Gate]:
    """Return the gates of some accounts, their paths and some broadcasts that nobody opened."""
    return _read(connection, _OF_SOME, accounts=list(accounts), ids=["", *ids])


def of_account(connection: Connection, account: str) -> list[Gate]:
    """Return the gates that nobody opened of the account, its paths, and its open broadcasts."""
    found = _read(connection, _OF_ONE, account=account)
    return found + _read(connection, _OF_ALL, account=account)


def of_broadcasts(connection: Connection, ids: Iterable[str]) -> list[Gate]:
    """Return the gates of some broadcasts that nobody opened."""
    return _read(connection, _OF_BROADCASTS, ids=list(ids))


def of_account_at(connection: Connection, account: str, moment: datetime) -> list[Gate]:
    """Return the gates of an account and its paths that were closed at a moment."""
    query = selected(Gate, GateRow).where(
        GateRow.account == account,
        OF_ACCOUNT,
        GateRow.closed_at <= moment,
        or_(STANDS, GateRow.opened_at > moment),
    )
    return _read(connection, query)


def _read(connection: Connection, query: Select[Any], **whose: object) -> list[Gate]:
    return [_gate(row) for row in connection.execute(query, whose).mappings()]


_GATES = selected(Gate, GateRow).where(STANDS).order_by(GateRow.id)
# Built once: building a statement costs as much as running it, and a claim runs this one.
_STANDING = _GATES.where(
    GateRow.account == bindparam("account"),
    GateRow.broadcast_id.in_(bindparam("ids", expanding=True)),
)
_OF_SOME = _GATES.where(
    GateRow.account.in_(bindparam("accounts", expanding=True)),
    GateRow.broadcast_id.in_(bindparam("ids", expanding=True)),
)
_OF_BROADCASTS = _GATES.where(GateRow.broadcast_id.in_(bindparam("ids", expanding=True)))
_MINE = _GATES.filter_by(account=bindparam("account"))
_OF_ONE = _MINE.where(OF_ACCOUNT)
# Of those that ended some gates are never opened.
_OF_ALL = _MINE.join(BroadcastRow, BroadcastRow.id == GateRow.broadcast_id).where(
    BroadcastRow.account == bindparam("account"), BroadcastRow.phase.in_(OPEN_PHASES)
)

_FORBIDS = exists().where(
    GateRow.account == BroadcastRow.account,
    STANDS,
    or_(GateRow.path.is_(None), GateRow.path == BroadcastRow.path),
    or_(
        GateRow.until.is_(None),
        GateRow.kind.not_in(list(OPEN_BY_TIME)),
        GateRow.until > bindparam("moment"),
    ),
)
#: No gate forbids the calls of its path: the same as ``broadcast.rules.gates.gate``, which decides.
#: Two looks, because MariaDB has no index for one into a list of which the query before gives a
#: part.
_NONE_OF_ACCOUNT = ~_FORBIDS.where(OF_ACCOUNT)
_OWN = _FORBIDS.where(GateRow.broadcast_id == BroadcastRow.id)
NO_GATE = and_(_NONE_OF_ACCOUNT, ~_OWN)
#: The same of a batch that may have been sent.
NO_GATE_FOR_REPEAT = and_(_NONE_OF_ACCOUNT, ~_OWN.where(GateRow.kind != GateKind.RESTORED))
#: The same of a broadcast, though the account's calls may be used up.
NO_GATE_BUT_QUOTA = and_(~_FORBIDS.where(OF_ACCOUNT, GateRow.kind != GateKind.QUOTA), ~_OWN)


#: The database was restored or copied, and nobody has said what became of it.
LANES_CLOSED = exists().where(GateRow.kind == GateKind.RESTORED, OF_ACCOUNT, STANDS)


def are_lanes_closed(connection: Connection) -> bool:
    """Return whether a person must answer first what became of the database."""
    return is_so(connection, LANES_CLOSED)


def answered_at(connection: Connection) -> datetime | None:
    """Return when a person said last that something may be missing in the database."""
    missing = RestoreRow.since.is_not(None)
    return connection.scalar(select(func.max(RestoreRow.at)).where(missing))


def _gate(row: Any) -> Gate:
    return Gate(
        **{
            **row,
            "broadcast_id": row["broadcast_id"] or None,
            "broadcasts": _ids(row["broadcasts"]),
        }
    )


def _ids(stored: str | None) -> tuple[str, ...]:
    """Return the ids that a gate names; they only explain it, and it counts without them."""
    try:
        ids = json.loads(stored or "[]")
    except ValueError:
        return ()
    return tuple(map(str, ids)) if isinstance(ids, list) else ()


def last_opened_at(connection: Connection, broadcast: LockedBroadcast) -> datetime | None:
    """Return when the last gate opened that had forbidden calls of a broadcast."""
    by_time = and_(GateRow.kind.in_(list(OPEN_BY_TIME)), GateRow.until <= now(connection))
    return connection.scalar(
        select(func.max(func.coalesce(GateRow.opened_at, GateRow.until)))
        .where(GateRow.account == broadcast.account, GateRow.broadcast_id.in_(["", broadcast.id]))
        .where(or_(GateRow.path.is_(None), GateRow.path == broadcast.path))
        .where(or_(GateRow.opened_at.is_not(None), by_time))
    )


def is_cancelled(broadcast_id: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Return the condition that a person cancelled the broadcast of this id."""
    return (
        select(GateRow.id)
        .filter_by(broadcast_id=broadcast_id, kind=GateKind.CANCEL)
        .correlate_except(GateRow)
        .exists()
    )


#: A call of it came back with a word other than those that begin nothing. A claim of which nothing
#: is recorded is no beginning: its worker may have died before the call.
BEGUN: ColumnElement[bool] = (
    exists()
    .where(Batch.broadcast_id == BroadcastRow.id, AttemptRow.batch_id == Batch.id)
    .where(AttemptRow.outcome.not_in(list(BEGINS_NOTHING)))
    .correlate(BroadcastRow)
)


def is_begun(connection: Connection, broadcast_id: str) -> bool:
    """Return whether a broadcast has begun: from then on it goes on, however late."""
    return bool(connection.scalar(select(BEGUN).where(BroadcastRow.id == broadcast_id)))


def attended_since(lane: LockedLane, gates: Iterable[Gate], path: SendPath) -> list[datetime]:
    """Return until when a lane was driven, or waited for what is no delay."""
    moments = [lane.recorded_at, lane.day_wait_until, lane.doubt_wait_until]
    moments += [gate.until for gate in gates if gate.kind is GateKind.QUOTA and gate.concerns(path)]
    return [moment for moment in moments if moment is not None]


def first_call_of(
    broadcast: LockedBroadcast, seen: list[datetime], *, opened: datetime | None = None
) -> FirstCallLimit:
    """Return the limit of a broadcast's first call.

    *seen*: moments at which its lane was attended; *opened*: when its last gate opened.
    """
    due = [broadcast.published_at, broadcast.scheduled_at, opened]
    return FirstCallLimit(
        due=max(moment for moment in due if moment is not None),
        attended=seen,
        unattended_s=broadcast.unattended_s,
        unattended_at=broadcast.unattended_at,
        late_by_s=broadcast.late_by_s,
    )


def read_first_call(connection: Connection, broadcast_id: str) -> FirstCallLimit | None:
    """Return the limit of a published broadcast's first call; None where it has begun."""
    if is_begun(connection, broadcast_id):
        return None
    from models.ledger.rows import locked_rows  # noqa: PLC0415 - not for what has begun

    broadcast = locked_rows.locked_broadcast(connection, broadcast_id)
    query = selected(LockedLane, Lane).filter_by(account=broadcast.account)
    gates = gates_of(connection, broadcast.account, broadcast_id)
    seen = attended_since(one_row(connection, query, LockedLane), gates, broadcast.path)
    opened = last_opened_at(connection, broadcast)
    return first_call_of(broadcast, seen, opened=opened)
