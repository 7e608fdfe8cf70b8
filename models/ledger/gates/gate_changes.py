"""Gates in the ledger: closed and opened under the lane's lock, each a row that stays.

Every closing and opening raises the account's gate counter, which each attempt stores at its claim:
that no call was claimed behind a closed gate can so be counted from rows alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from broadcast.frozen import frozen
from broadcast.names import EventKind
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.gates.gate import (
    CLOSED_UNASKED,
    OPEN_BY_TIME,
    Gate,
    GateKind,
    GateScope,
    traits_of,
)
from broadcast.rules.states import OPEN_PHASES, BatchState, Reason
from models.accounts import Lane
from models.base import change, change_where, insert_row, row_of, value_of
from models.batch_tables import STANDS, Batch, GateRow
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.ledger.boxes import webhooks
from models.ledger.rows import closed_gates, lane_rows
from models.ledger.rows.transaction import WORKER, note, writing


@frozen
class Closing:
    """Request to close a gate."""

    kind: GateKind
    who: str
    why: str | None = None
    #: None: the whole account, or *path* of it.
    broadcast_id: str | None = None
    path: SendPath | None = None
    reason: Reason | None = None
    errcode: int | None = None
    errmsg: str | None = None
    until: datetime | None = None
    count: int | None = None
    broadcasts: Sequence[str] = ()

    @property
    def scope(self) -> GateScope:
        """Calls that it forbids: a broadcast's or an account's."""
        if self.broadcast_id is not None:
            return GateScope.BROADCAST
        return GateScope.ACCOUNT if self.path is None else GateScope.PATH


def close(connection: Connection, account: str, closing: Closing) -> bool:
    """Close a gate, unless one of its kind is closed already; return whether it was closed now.

    What closed it first is kept: that is what is to be fixed. A hold has a gate for each of its
    reasons. The lane is locked by the caller.
    """
    there = _same(connection, account, closing)
    moment = now(connection)
    if any(gate.is_closed(moment) for gate in there):
        if closing.until is not None and closing.kind in OPEN_BY_TIME:
            _extend(connection, there, closing.until)
            _refresh(connection, account, [closing.broadcast_id])
        return False
    if closing.broadcast_id is not None and closing.kind not in OPEN_BY_TIME:
        _release_doubts(connection, account, closing.broadcast_id, moment=moment)
    # What opened automatically was closed until its time: calls made since were not behind it.
    open_(connection, account, there, who=WORKER)
    insert_row(
        connection,
        GateRow,
        account=account,
        scope=closing.scope,
        broadcast_id=closing.broadcast_id or "",
        path=closing.path,
        kind=closing.kind,
        reason=closing.reason,
        errcode=closing.errcode,
        errmsg=closing.errmsg,
        closed_at=moment,
        closed_by=closing.who,
        why=closing.why,
        until=closing.until,
        count=closing.count,
        broadcasts=json.dumps(list(closing.broadcasts)) if closing.broadcasts else None,
        closed_counter=raise_counter(connection, account),
    )
    note(
        connection,
        EventKind.GATE_CLOSED,
        who=closing.who,
        why=closing.why,
        account=account,
        broadcast_id=closing.broadcast_id,
        gate=closing.kind,
        path=closing.path,
        reason=closing.reason,
        errcode=closing.errcode,
        until=closing.until,
        count=closing.count,
    )
    _moved(connection, account, [closing.broadcast_id], moment=moment)
    _refresh(connection, account, [closing.broadcast_id])
    if closing.broadcast_id is not None and closing.kind in CLOSED_UNASKED:
        webhooks.notify(connection, closing.broadcast_id, anew=True)
    return True


def _release_doubts(
    connection: Connection, account: str, broadcast_id: str, *, moment: datetime
) -> None:
    """Note that no call waits any more for the repeats of a broadcast, if there are some."""
    doubts = connection.execute(
        select(func.count(), func.max(Batch.not_before)).filter_by(
            broadcast_id=broadcast_id, state=BatchState.UNKNOWN
        )
    ).one()
    if doubts[0]:
        lane_rows.doubt_left(connection, account, min(moment, doubts[1] or moment))


def _same(connection: Connection, account: str, closing: Closing) -> list[Gate]:
    """Return the gates of the same kind that nobody opened, their time come or not."""
    return [
        gate
        for gate in closed_gates.gates_of(connection, account, closing.broadcast_id or "")
        if (gate.scope, gate.kind, gate.broadcast_id, gate.path)
        == (closing.scope, closing.kind, closing.broadcast_id, closing.path)
        and (not traits_of(closing.kind).by_reason or gate.reason == closing.reason)
    ]


def _extend(connection: Connection, gates: Sequence[Gate], until: datetime) -> None:
    """Extend gates that open by time; never shorten one."""
    later = [gate.id for gate in gates if gate.until is None or gate.until < until]
    change_where(connection, GateRow, GateRow.id.in_(later), until=until)


def open_(
    connection: Connection, account: str, gates: Sequence[Gate], *, who: str, why: str | None = None
) -> None:
    """Open gates of one account, whose lane the caller has locked."""
    if not gates:
        return
    moment = now(connection)
    counter = raise_counter(connection, account)
    for gate in gates:
        # What opened automatically opened at its time, whatever notes it later.
        opens = gate.opens_at()
        change_where(
            connection,
            GateRow,
            GateRow.id == gate.id,
            STANDS,
            opened_at=min(opens, moment) if opens else moment,
            opened_by=who,
            opened_why=why,
            opened_counter=counter,
        )
        note(
            connection,
            EventKind.GATE_OPENED,
            who=who,
            why=why,
            account=account,
            broadcast_id=gate.broadcast_id,
            gate=gate.kind,
            path=gate.path,
        )
    _moved(connection, account, [gate.broadcast_id for gate in gates], moment=moment)
    change(connection, Lane, account, due_changed_at=moment, woken_at=None)
    _refresh(connection, account, [gate.broadcast_id for gate in gates])


def _refresh(connection: Connection, account: str, ids: Sequence[str | None]) -> None:
    """Recompute what the gates of these broadcasts change; None: those of the whole account."""
    own = {one for one in ids if one is not None}
    if None in ids:
        lane_rows.refresh_due(connection, account)
    else:
        lane_rows.refresh_due_of(connection, account, own)


def raise_counter(connection: Connection, account: str) -> int:
    """Raise the account's gate counter under its lane's lock; return it."""
    change(connection, Lane, account, gate_counter=Lane.gate_counter + 1)
    counter: int = row_of(connection, account, Lane.gate_counter).gate_counter
    return counter


def _moved(
    connection: Connection, account: str, ids: Sequence[str | None], *, moment: datetime
) -> None:
    """Raise the version of the broadcasts of these gates; None: of all that are open."""
    raised = {"version": BroadcastRow.version + 1}
    own = sorted({one for one in ids if one})
    if own:
        mine = BroadcastRow.id.in_(own)
        change_where(connection, BroadcastRow, mine, **raised, moved_at=moment, woken_at=None)
    if None in ids:
        open_ones = (BroadcastRow.account == account, BroadcastRow.phase.in_(OPEN_PHASES))
        change_where(connection, BroadcastRow, *open_ones, **raised)


@writing
def stop_account(connection: Connection, account: str) -> bool:
    """Stop an account whose appid is refused; return whether it was open until now.

    False as well for an account that has no lane.
    """
    if value_of(connection, account, Lane.account) is None:
        return False
    lane_rows.lock(connection, account)
    changed = Closing(kind=GateKind.STOP, who=WORKER, reason=Reason.APPID_CHANGED)
    return close(connection, account, changed)


@writing
def note_drift(connection: Connection, account: str, *, who: str = WORKER) -> None:
    """Write into the history that the access_token was replaced outside this system."""
    note(connection, EventKind.TOKEN_DRIFT, who=who, account=account)
