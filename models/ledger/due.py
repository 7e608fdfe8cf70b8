"""``due_at`` of a lane's broadcasts, written by every transaction that changes a gate or a wait."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, case, func, select, update

from broadcast.frozen import frozen
from broadcast.gates.due import OpenBroadcast, due_of_lane
from broadcast.gates.gate import ALWAYS, Gate, plan_due_at
from broadcast.states import BATCH_AT_REST, BatchState, Phase
from models.account import Lane
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger.lanes import GRACE
from models.ledger.reading import closed_gates
from models.ledger.reading.closed_gates import OPEN_PHASES
from models.ledger.rows import change

#: Written for what waits for nothing: it stays past though the database's clock is set back, and
#: every database can store it.
AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)


@frozen
class Due:
    """From when something is to be done for a broadcast: as it is stored, and as it should be."""

    id: str
    stored: datetime | None
    wanted: datetime | None


def of_account(
    connection: Connection, account: str, moment: datetime, *, of: Collection[str] | None = None
) -> Sequence[Due]:
    """Return from when something is to be done for open broadcasts of an account.

    *of*: for which; None: for all. Those whose doubts the others wait for must be among them.
    """
    query = select(
        BroadcastRow.id, BroadcastRow.phase, BroadcastRow.path, BroadcastRow.audience_kind,
        BroadcastRow.due_at,
    ).where(BroadcastRow.account == account, BroadcastRow.phase.in_(OPEN_PHASES))  # fmt: skip
    if of is not None:
        query = query.where(BroadcastRow.id.in_(of))
    rows = connection.execute(query).all()
    if not rows:
        return ()
    gates = (
        closed_gates.of_account(connection, account)
        if of is None
        else closed_gates.of_some(connection, [account], of)
    )
    own: dict[str | None, list[Gate]] = defaultdict(list)
    for gate in gates:
        own[gate.broadcast_id].append(gate)
    is_sending = any(row.phase is Phase.SENDING for row in rows)
    waits = _waits(connection, account, of) if is_sending else {}
    lane = connection.execute(
        select(Lane.not_before, Lane.leased_until).where(Lane.account == account)
    ).one()
    found = due_of_lane(
        [
            OpenBroadcast(
                id=row.id, phase=row.phase, path=row.path, audience_kind=row.audience_kind,
                gates=own[row.id], waits=waits.get(row.id, {}),
            )
            for row in rows
        ],
        gates=own[None],
        lane_waits_until=lane.not_before,
        lease_ends=max(lane.leased_until or moment, moment) + GRACE,
    )  # fmt: skip
    return [
        Due(id=row.id, stored=row.due_at, wanted=None if at is None else max(at, AT_ONCE))
        for row, at in ((row, found[row.id]) for row in rows)
    ]


def of_new(lane_waits_until: datetime | None) -> datetime | None:
    """Return from when something is to be done for a broadcast that is to be planned, not later.

    Nothing but its lane keeps it waiting; other broadcasts do not wait for it.
    """
    at = plan_due_at((), lane_waits_until)
    return None if at is None else max(at, AT_ONCE)


def refresh(connection: Connection, account: str) -> None:
    """Recompute from when the sweep may find something to do for each broadcast of *account*.

    The lane's row is held by the caller.
    """
    moment = now(connection)
    _store(connection, account, of_account(connection, account, moment), moment=moment)


def refresh_of(connection: Connection, account: str, changed: Collection[str]) -> None:
    """Do as :func:`refresh` where nothing but these broadcasts changed, one way or another.

    An account may have thousands of others open, and each comes here more than once. Only for
    those in doubt do all others wait.
    """
    doubtful = set(connection.scalars(_DOUBTFUL, {"account": account}))
    if not doubtful.isdisjoint(changed):
        refresh(connection, account)
        return
    moment = now(connection)
    found = of_account(connection, account, moment, of=doubtful.union(changed))
    mine = [row for row in found if row.id in changed]
    _store(connection, account, mine, moment=moment)


_DOUBTFUL = (
    select(Batch.broadcast_id)
    .where(Batch.account == bindparam("account"), Batch.state == BatchState.UNKNOWN)
    .distinct()
)
_STORE = update(BroadcastRow).where(BroadcastRow.id == bindparam("b_id"))


def _store(connection: Connection, account: str, found: Sequence[Due], *, moment: datetime) -> None:
    changed = [row for row in found if not _is_as_good(row.stored, row.wanted, moment)]
    if changed:
        connection.execute(_STORE, [{"b_id": row.id, "due_at": row.wanted} for row in changed])
        change(connection, Lane, account, due_changed_at=moment)


def _is_as_good(stored: datetime | None, wanted: datetime | None, moment: datetime) -> bool:
    """Return whether *stored* says the same as *wanted*: what is past says "at once"."""
    if stored is None or wanted is None:
        return stored is wanted
    return stored == wanted or (stored <= moment and wanted <= moment)


def _waits(
    connection: Connection, account: str, of: Collection[str] | None
) -> Mapping[str, dict[BatchState, datetime]]:
    """Return the first moment of each broadcast's open batches by state."""
    query = (
        select(
            Batch.broadcast_id,
            Batch.state,
            func.max(case((Batch.not_before.is_(None), 1), else_=0)).label("any_free"),
            func.min(Batch.not_before).label("first"),
        )
        .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
        .where(BroadcastRow.account == account, BroadcastRow.phase == Phase.SENDING)
        .where(Batch.state.not_in(list(BATCH_AT_REST)))
        .group_by(Batch.broadcast_id, Batch.state)
    )
    if of is not None:
        query = query.where(Batch.broadcast_id.in_(of))
    found: dict[str, dict[BatchState, datetime]] = defaultdict(dict)
    for row in connection.execute(query):
        found[row.broadcast_id][row.state] = ALWAYS if row.any_free else row.first
    return found
