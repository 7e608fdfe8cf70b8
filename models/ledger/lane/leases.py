"""Leases: one driver a lane, replaced in seconds when it dies.

The lease is short and lives in the database. The fence guards claims: it grows with each change of
driver, and a claim that names an old one fails.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, not_, or_, select, update

from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import SAME_KEY_RUNNING
from broadcast.rules.calls.waits import UNKNOWN_TRIES, CircuitBreaker
from broadcast.rules.states import BatchState, Reason
from models.accounts import Lane
from models.base import change_where, count_of
from models.batch_tables import AttemptRow, Batch
from models.engine import now, skips_locked
from models.ledger.gates import quotas
from models.ledger.lane import apply_decision, call_history, transitions
from models.ledger.rows import lane_rows, locked_rows
from models.ledger.rows.lane_rows import LEASE
from models.ledger.rows.transaction import every_row, reading, selected, writing

#: Before each look at the lanes that others have locked. A claim locks its own for milliseconds;
#: together the pauses are much less than a heartbeat, of which a lease has four.
_PAUSES_S = (0.0, 0.02, 0.08, 0.2)
_BREAKER = CircuitBreaker()


@frozen
class Lease:
    """A lease: whose lane, and the fence that its claims name."""

    account: str
    owner: str
    fence: int


@frozen
class _Free:
    """A lane whose row could be had."""

    account: str
    fence: int
    leased_until: datetime | None


def is_free(moment: datetime) -> ColumnElement[bool]:
    """Return the condition that no driver has the lane at *moment*.

    If the driver of a lease of another clock lives, its next heartbeat makes it one of now, mostly
    before another looks; if it died, no other would have the lane until the clock is there.
    """
    return or_(
        Lane.leased_until.is_(None), Lane.leased_until <= moment, is_of_another_clock(moment)
    )


@reading
def is_driven(connection: Connection, account: str) -> bool:
    """Return whether a driver has the lane.

    It looks for work once more after it gave the lease back, so whatever was committed before
    this was asked needs no wake.
    """
    driven = select(Lane.account).where(Lane.account == account, not_(is_free(now(connection))))
    return connection.scalar(driven) is not None


def is_of_another_clock(moment: datetime) -> ColumnElement[bool]:
    """Return the condition that the lane was leased before the database's clock was set back.

    It then ends later than any lease can.
    """
    return Lane.leased_until > moment + 2 * LEASE


@writing
def acquire(
    connection: Connection, account: str, owner: str, *, breaker: CircuitBreaker = _BREAKER
) -> Lease | None:
    """Lease the lane, or return None while another driver's lease lives.

    Batches that the former driver left without a recorded outcome become *unknown*: they may have
    been sent, and the new driver repeats them before anything else.
    """
    moment = now(connection)
    fence = connection.scalar(
        select(Lane.fence).filter_by(account=account).where(is_free(moment)).with_for_update()
    )
    if fence is None:
        return None
    leased = change_where(
        connection,
        Lane,
        Lane.account == account,
        Lane.fence == fence,
        is_free(moment),
        fence=fence + 1,
        owner=owner,
        leased_until=moment + LEASE,
    )
    if leased != 1:
        return None
    _adopt_orphans(connection, account, moment, breaker=breaker)
    return Lease(account=account, owner=owner, fence=fence + 1)


def _adopt_orphans(
    connection: Connection, account: str, moment: datetime, *, breaker: CircuitBreaker
) -> None:
    ids = connection.scalars(
        select(Batch.id).filter_by(account=account, state=BatchState.CALLING)
    ).all()
    for batch in [locked_rows.locked_batch(connection, batch_id) for batch_id in ids]:
        # What kills each driver of this batch must not use up the day's calls forever.
        doubt = _tries(connection, batch.id) > UNKNOWN_TRIES
        transitions.move_batch(
            connection,
            batch,
            BatchState.IN_DOUBT if doubt else BatchState.UNKNOWN,
            reason=Reason.TOO_OFTEN_UNKNOWN if doubt else Reason.REPEAT_UNKNOWN,
            not_before=None if doubt else moment,
        )
        if not doubt:
            quotas.give_back(connection, batch, calls=1)
        else:
            apply_decision.after_doubt(connection, account, breaker)
        # Cancelled while it was in flight: it will not be repeated.
        transitions.after_cancel(connection, batch)
        transitions.end_if_at_rest(connection, batch.broadcast_id)
    if ids:
        lane_rows.refresh_due(connection, account)


def _tries(connection: Connection, batch_id: int) -> int:
    """Count the attempts of a batch that nothing answered, as the decision counts them.

    45066 says that a send with this key is running; WeChat may say so for as long as that runs.
    """
    return count_of(
        connection,
        AttemptRow,
        AttemptRow.batch_id == batch_id,
        call_history.UNANSWERED,
        call_history.UNDENIED,
        AttemptRow.errcode.is_distinct_from(SAME_KEY_RUNNING),
    )


def renew(engine: Engine, leases: Iterable[Lease]) -> set[str]:
    """Renew leases; return the accounts whose lane is no longer ours.

    A lease that ran out is not renewed even if no other driver took the lane: what its driver
    knows is old. A lane whose row is locked comes after the others and waits for 0.3 s at
    most: a client that was stopped in mid-transaction must cost only its own lane the lease.
    """
    left, lost = list(leases), set[str]()
    for pause_s in _PAUSES_S:
        if not left:
            break
        time.sleep(pause_s)
        left, gone = _renew(engine, leases=left)
        lost |= gone
    return lost


@writing
def _renew(connection: Connection, *, leases: Sequence[Lease]) -> tuple[list[Lease], set[str]]:
    """Renew what can be had at once; return what others have locked, and what is lost."""
    free = {
        row.account: row
        for row in every_row(
            connection,
            selected(_Free, Lane)
            .where(Lane.account.in_({lane.account for lane in leases}))
            .order_by(Lane.account)
            .with_for_update(skip_locked=skips_locked(connection)),
            _Free,
        )
    }
    moment = now(connection)
    there = [lane for lane in leases if lane.account in free]
    ours = {lane for lane in there if _lives(free[lane.account], lane, moment)}
    if ours:
        change_where(
            connection,
            Lane,
            Lane.account.in_({lane.account for lane in ours}),
            leased_until=moment + LEASE,
        )
    lost = {lane.account for lane in there if lane not in ours}
    return [lane for lane in leases if lane.account not in free], lost


def _lives(row: _Free, lane: Lease, moment: datetime) -> bool:
    return bool(row.fence == lane.fence and row.leased_until and row.leased_until > moment)


@writing
def release(connection: Connection, lease: Lease) -> None:
    """Release the lane, unless another driver has it by now."""
    connection.execute(
        update(Lane)
        .filter_by(account=lease.account, fence=lease.fence)
        .values(leased_until=None, owner=None)
    )
