"""Gates that nobody opened, read from their rows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from broadcast.gates.gate import Gate
from broadcast.gates.kinds import OPEN_BY_TIME, GateKind
from broadcast.states import Phase
from models.broadcast import BroadcastRow
from models.engine import now
from models.gate import GateRow
from models.ledger.rows import HeldBroadcast

#: Phases in which something may be left to do.
OPEN_PHASES = (Phase.PLANNING, Phase.SENDING)


def of(connection: Connection, account: str, broadcast_id: str = "") -> list[Gate]:
    """Return the gates that nobody opened: the account's, its paths', and one broadcast's."""
    whose = {"account": account, "ids": ["", broadcast_id] if broadcast_id else [""]}
    return [_gate(row) for row in connection.execute(_STANDING, whose).mappings()]


def of_some(connection: Connection, accounts: Iterable[str], ids: Iterable[str] = ()) -> list[Gate]:
    """Return the gates of some accounts, their paths and some broadcasts that nobody opened."""
    whose = {"accounts": list(accounts), "ids": ["", *ids]}
    return [_gate(row) for row in connection.execute(_OF_SOME, whose).mappings()]


def of_account(connection: Connection, account: str) -> list[Gate]:
    """Return the gates that nobody opened of the account, its paths, and its open broadcasts."""
    whose = {"account": account}
    found = [_gate(row) for row in connection.execute(_OF_ACCOUNT, whose).mappings()]
    return found + [_gate(row) for row in connection.execute(_OF_ALL, whose).mappings()]


def of_broadcasts(connection: Connection, ids: Iterable[str]) -> list[Gate]:
    """Return the gates of some broadcasts that nobody opened."""
    whose = {"ids": list(ids)}
    return [_gate(row) for row in connection.execute(_OF_BROADCASTS, whose).mappings()]


def of_account_at(connection: Connection, account: str, moment: datetime) -> list[Gate]:
    """Return the gates of an account and its paths that were closed at a moment."""
    query = select(*_COLUMNS).where(
        GateRow.account == account, GateRow.broadcast_id == "", GateRow.closed_at <= moment,
        or_(GateRow.opened_at.is_(None), GateRow.opened_at > moment),
    )  # fmt: skip
    return [_gate(row) for row in connection.execute(query).mappings()]


_COLUMNS = (
    GateRow.id, GateRow.scope, GateRow.kind, GateRow.account, GateRow.broadcast_id, GateRow.path,
    GateRow.closed_at, GateRow.closed_by, GateRow.why, GateRow.reason, GateRow.errcode,
    GateRow.errmsg, GateRow.until, GateRow.count, GateRow.broadcasts,
)  # fmt: skip
_GATES = select(*_COLUMNS).where(GateRow.opened_at.is_(None)).order_by(GateRow.id)
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
_MINE = _GATES.where(GateRow.account == bindparam("account"))
_OF_ACCOUNT = _MINE.where(GateRow.broadcast_id == "")
# Of those that ended some gates are never opened.
_OF_ALL = _MINE.join(BroadcastRow, BroadcastRow.id == GateRow.broadcast_id).where(
    BroadcastRow.account == bindparam("account"), BroadcastRow.phase.in_(OPEN_PHASES)
)

_FORBIDS = exists().where(
    GateRow.account == BroadcastRow.account,
    GateRow.opened_at.is_(None),
    or_(GateRow.path.is_(None), GateRow.path == BroadcastRow.path),
    or_(
        GateRow.until.is_(None),
        GateRow.kind.not_in(list(OPEN_BY_TIME)),
        GateRow.until > bindparam("moment"),
    ),
)
#: No gate forbids the calls of its path: the same as ``broadcast.gates.gate``, which decides. Two
#: looks, because MariaDB has no index for one into a list of which the query before gives a part.
NO_GATE = and_(
    ~_FORBIDS.where(GateRow.broadcast_id == ""),
    ~_FORBIDS.where(GateRow.broadcast_id == BroadcastRow.id),
)


def _gate(row: Any) -> Gate:  # noqa: ANN401 - the mapping of a row
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


def last_opened_at(connection: Connection, broadcast: HeldBroadcast) -> datetime | None:
    """Return when the last gate opened that had forbidden calls of a broadcast."""
    by_itself = and_(GateRow.kind.in_(list(OPEN_BY_TIME)), GateRow.until <= now(connection))
    return connection.scalar(
        select(func.max(func.coalesce(GateRow.opened_at, GateRow.until)))
        .where(GateRow.account == broadcast.account, GateRow.broadcast_id.in_(["", broadcast.id]))
        .where(or_(GateRow.path.is_(None), GateRow.path == broadcast.path))
        .where(or_(GateRow.opened_at.is_not(None), by_itself))
    )


def is_cancelled(broadcast_id: InstrumentedAttribute[str]) -> ColumnElement[bool]:
    """Return the condition that a person cancelled the broadcast of this id."""
    return (
        select(GateRow.id)
        .where(GateRow.broadcast_id == broadcast_id, GateRow.kind == GateKind.CANCEL)
        .correlate_except(GateRow)
        .exists()
    )
