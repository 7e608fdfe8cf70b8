"""Lanes: the row of an account that everybody locks who moves something of it, and its waits."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, bindparam, case, exists, func, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from broadcast.frozen import frozen
from broadcast.rules.accounts import Account
from broadcast.rules.gates.gate import ALWAYS, Gate, OpenBroadcast, due_of_lane, plan_due_at
from broadcast.rules.states import BATCH_AT_REST, OPEN_PHASES, BatchState, Phase, Reason
from models.accounts import AccountRow, Lane
from models.base import among, change, change_where, insert_row, row_of, value_of
from models.batch_tables import AttemptRow, Batch
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.installation import FORGOTTEN
from models.ledger.rows import closed_gates
from models.ledger.rows.transaction import LockedLane, one_row, selected
from models.place import note_place

#: How long a driver has a lane without renewing.
LEASE = timedelta(seconds=6)
#: A lease that has just run out may still be being renewed.
GRACE = timedelta(milliseconds=500)


def ensure_lane(connection: Connection, account: Account) -> bool:
    """Make sure that the account and its lane have a row; return whether they are new."""
    if value_of(connection, account.name, AccountRow.name) is not None:
        return False
    if connection.dialect.name == "postgresql":
        # Nobody adds another account until the commit: one might have this appid, unseen.
        connection.execute(_LOCK_ACCOUNTS)
    # Two processes may meet a new account at once; the second finds the row of the first.
    with contextlib.suppress(IntegrityError), connection.begin_nested():
        insert_row(
            connection,
            AccountRow,
            name=account.name,
            appid=account.appid,
            kind=account.account_kind,
            created_at=now(connection),
        )
        insert_row(
            connection,
            Lane,
            account=account.name,
            claims=_forgotten_claims(connection, account.name),
        )
        # A copy that is made from now on is noticed.
        note_place(connection)
        return True
    return False


def _forgotten_claims(connection: Connection, account: str) -> int:
    """Return with how many claims a new lane begins: a restored database had forgotten them."""
    claims: Mapping[str, int] = json.loads(connection.scalar(select(FORGOTTEN)) or "{}")
    return claims.get(account, 0)


_LOCK_ACCOUNTS = text(f"LOCK TABLE {AccountRow.__tablename__} IN SHARE ROW EXCLUSIVE MODE")

# Built once: building a statement costs as much as running it, and each call runs this one twice.
_LOCK = selected(LockedLane, Lane).filter_by(account=bindparam("account")).with_for_update()


def lock(connection: Connection, account: str) -> LockedLane:
    """Lock a lane until the commit, and return its row.

    What changes a broadcast, a batch of it or a gate locks the lane first, as claims do: in
    one order nobody waits for somebody who waits in turn.
    """
    return one_row(connection, _LOCK, LockedLane, {"account": account})


def lock_lanes(connection: Connection, account: str | None = None) -> list[str]:
    """Lock the lane of an account, or all in one order; return their accounts."""
    query = select(Lane.account).order_by(Lane.account).with_for_update()
    if account is not None:
        query = query.filter_by(account=account)
    return list(connection.scalars(query))


def lock_unless_ended(connection: Connection, broadcast_id: str) -> str | None:
    """Lock the lane of a broadcast; return its account, None where the broadcast has ended."""
    account: str = row_of(connection, broadcast_id, BroadcastRow.account).account
    lock(connection, account)
    phase = value_of(connection, broadcast_id, BroadcastRow.phase)
    return account if phase is not Phase.ENDED else None


def wait(connection: Connection, account: str, *, until: datetime, reason: Reason) -> None:
    """Make the lane wait; never shorten its wait. ``refresh_due`` is the caller's."""
    change_where(
        connection,
        Lane,
        Lane.account == account,
        or_(Lane.not_before.is_(None), Lane.not_before < until),
        not_before=until,
        wait_reason=reason,
    )
    if reason is Reason.QUOTA_TODAY:
        change(connection, Lane, account, day_wait_until=until)


def doubt_left(connection: Connection, account: str, at: datetime) -> None:
    """Note that a doubt holds up the account no longer."""
    change_where(
        connection,
        Lane,
        Lane.account == account,
        or_(Lane.doubt_wait_until.is_(None), Lane.doubt_wait_until < at),
        doubt_wait_until=at,
    )


def clear_wait_after_acceptance(connection: Connection, account: str, *, by: int) -> None:
    """Clear the lane's wait: WeChat took a batch in attempt *by*.

    An acceptance that was recorded late says nothing about what a newer call was refused for.
    """
    newer = exists().where(AttemptRow.account == account, AttemptRow.id > by)
    change_where(
        connection,
        Lane,
        Lane.account == account,
        Lane.not_before.is_not(None),
        ~newer,
        not_before=None,
        wait_reason=None,
    )


def lift(connection: Connection, account: str) -> None:
    """Clear the lane's wait at an operator's command.

    A wait for another day ends now: from here on a late first call is late.
    """
    moment = now(connection)
    change(
        connection,
        Lane,
        account,
        not_before=None,
        wait_reason=None,
        woken_at=None,
        due_changed_at=moment,
    )
    change_where(
        connection,
        Lane,
        Lane.account == account,
        Lane.day_wait_until > moment,
        day_wait_until=moment,
    )


def waits_for_quota(connection: Connection, account: str) -> bool:
    """Return whether the lane waits for the calls of another day."""
    waits = Lane.not_before > now(connection), Lane.wait_reason == Reason.QUOTA_TODAY
    query = select(Lane.account).where(Lane.account == account, *waits)
    return connection.scalar(query) is not None


def wake(connection: Connection, account: str) -> None:
    """Mark the lane for the next sweep, whenever its driver was woken last."""
    change(connection, Lane, account, woken_at=None)


#: Written for what waits for nothing: it stays past though the database's clock is set back, and
#: every database can store it.
DUE_AT_ONCE = datetime(1970, 1, 1, tzinfo=UTC)


@frozen
class Due:
    """Due time of a broadcast: as it is stored, and as it should be."""

    id: str
    stored: datetime | None
    wanted: datetime | None


def due_of_account(
    connection: Connection, account: str, moment: datetime, *, of: Collection[str] | None = None
) -> Sequence[Due]:
    """Return from when something is to be done for open broadcasts of an account.

    *of*: for which; None: for all. Those whose doubts the others wait for must be among them.
    """
    query = select(
        BroadcastRow.id,
        BroadcastRow.phase,
        BroadcastRow.path,
        BroadcastRow.audience_kind,
        BroadcastRow.due_at,
    ).where(BroadcastRow.account == account, BroadcastRow.phase.in_(OPEN_PHASES))
    rows = connection.execute(among(query, BroadcastRow.id, of)).all()
    if not rows:
        return ()
    gates = (
        closed_gates.of_account(connection, account)
        if of is None
        else closed_gates.gates_of_some(connection, [account], of)
    )
    own: dict[str | None, list[Gate]] = defaultdict(list)
    for gate in gates:
        own[gate.broadcast_id].append(gate)
    is_sending = any(row.phase is Phase.SENDING for row in rows)
    waits = _waits(connection, account, of) if is_sending else {}
    lane = row_of(connection, account, Lane.not_before, Lane.leased_until)
    found = due_of_lane(
        [
            OpenBroadcast(
                id=row.id,
                phase=row.phase,
                path=row.path,
                audience_kind=row.audience_kind,
                gates=own[row.id],
                waits=waits.get(row.id, {}),
            )
            for row in rows
        ],
        gates=own[None],
        lane_waits_until=lane.not_before,
        lease_ends=max(lane.leased_until or moment, moment) + GRACE,
    )
    return [
        Due(id=row.id, stored=row.due_at, wanted=None if at is None else max(at, DUE_AT_ONCE))
        for row, at in ((row, found[row.id]) for row in rows)
    ]


def due_of_new(lane_waits_until: datetime | None) -> datetime | None:
    """Return from when something is to be done for a broadcast that is to be planned, not later.

    Nothing but its lane keeps it waiting; other broadcasts do not wait for it.
    """
    at = plan_due_at((), lane_waits_until)
    return None if at is None else max(at, DUE_AT_ONCE)


def refresh_due(connection: Connection, account: str) -> None:
    """Recompute from when the sweep may find something to do for each broadcast of *account*.

    The lane is locked by the caller.
    """
    moment = now(connection)
    _store(connection, account, due_of_account(connection, account, moment), moment=moment)


def refresh_due_of(connection: Connection, account: str, changed: Collection[str]) -> None:
    """Do as :func:`refresh_due` where nothing but these broadcasts changed, one way or another.

    An account may have thousands of others open, and each comes here more than once. Only for
    those in doubt do all others wait.
    """
    doubtful = set(connection.scalars(_DOUBTFUL, {"account": account}))
    if not doubtful.isdisjoint(changed):
        refresh_due(connection, account)
        return
    moment = now(connection)
    found = due_of_account(connection, account, moment, of=doubtful.union(changed))
    mine = [row for row in found if row.id in changed]
    _store(connection, account, mine, moment=moment)


_DOUBTFUL = (
    select(Batch.broadcast_id)
    .filter_by(account=bindparam("account"), state=BatchState.UNKNOWN)
    .distinct()
)
_STORE = update(BroadcastRow).filter_by(id=bindparam("b_id"))


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
    found: dict[str, dict[BatchState, datetime]] = defaultdict(dict)
    for row in connection.execute(among(query, Batch.broadcast_id, of)):
        found[row.broadcast_id][row.state] = ALWAYS if row.any_free else row.first
    return found
