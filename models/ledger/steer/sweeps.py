"""Sweeps: what was left behind and may go on. Any number of them at once is harmless.

A wake-up writes nothing but "woken at" and never touches a lane whose lease lives. What only time
can settle (a window that closed, a time that came, an upload that died) is moved on here as well.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import field
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from broadcast.errors import OutOfReachError
from broadcast.frozen import frozen
from broadcast.rules.calls.waits import DEFAULT_TUNING, REPEAT_WINDOW, Tuning
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import BatchState, Phase
from models.accounts import Lane
from models.base import among, change, change_where
from models.batch_tables import STANDS, Batch, GateRow
from models.broadcast_tables import BroadcastRow
from models.engine import is_long_past, now, skips_locked
from models.ledger.gates import gate_changes
from models.ledger.lane import leases, record_outcomes
from models.ledger.lists import uploads
from models.ledger.plan import subtract
from models.ledger.rows import closed_gates, lane_rows
from models.ledger.rows.transaction import WORKER, read, write, writing
from models.ledger.submit import awaited_lists

#: A wake-up that no worker answered for this long is repeated: the broker may have lost it.
WAKE_AGAIN = timedelta(seconds=4)
#: Plans that one sweep wakes for. Workers that are busy lost no wake: woken again and again for all
#: that wait, they would do nothing but take wakes.
PLANS_AT_ONCE = 100


@frozen
class Wakes:
    """Planners and lanes to wake a worker for."""

    plans: list[str] = field(default_factory=list)
    #: (account, a broadcast of it that waits)
    lanes: list[tuple[str, str]] = field(default_factory=list)
    #: The same of accounts that the caller does not have.
    elsewhere: list[tuple[str, str]] = field(default_factory=list)


@writing
def due(connection: Connection, *, accounts: Collection[str] | None = None) -> Wakes:
    """Find plans and lanes that wait only for a worker, and mark them as woken.

    Those of other accounts than *accounts* (None: all) are returned and not marked, because whoever
    has these in its settings must still find them. A row that is locked is left for next time.
    """
    moment = now(connection)
    # Lanes before broadcasts, in the order in which everybody locks them.
    found = _due_lanes(connection, moment)
    ours = _free(connection, Lane.account, [name for name, _ in found if _is_in(accounts, name)])
    if ours:
        change_where(connection, Lane, Lane.account.in_(ours), woken_at=moment)
    query = (
        select(BroadcastRow.id)
        .where(BroadcastRow.due_at <= moment, BroadcastRow.phase == Phase.PLANNING)
        .where(is_long_past(BroadcastRow.woken_at, moment, after=WAKE_AGAIN))
        .order_by(BroadcastRow.published_at)
        .limit(PLANS_AT_ONCE)
    )
    known = connection.scalars(among(query, BroadcastRow.account, accounts)).all()
    plans = _free(connection, BroadcastRow.id, known)
    if plans:
        change_where(connection, BroadcastRow, BroadcastRow.id.in_(plans), woken_at=moment)
    return Wakes(
        plans=[broadcast_id for broadcast_id in known if broadcast_id in plans],
        lanes=[lane for lane in found if lane[0] in ours],
        elsewhere=[lane for lane in found if not _is_in(accounts, lane[0])],
    )


def _is_in(accounts: Collection[str] | None, account: str) -> bool:
    return accounts is None or account in accounts


def _free(
    connection: Connection, key: InstrumentedAttribute[str], names: Sequence[str]
) -> set[str]:
    """Lock the rows of *names* that nobody else has locked; return which."""
    if not names:
        return set()
    rows = select(key).where(key.in_(names)).order_by(key)
    return set(connection.scalars(rows.with_for_update(skip_locked=skips_locked(connection))))


def _due_lanes(connection: Connection, moment: datetime) -> list[tuple[str, str]]:
    """Return lanes nobody drives that have something to do, by ``due_at`` alone.

    Where a lease shows that the database's clock was set back, moments of before say nothing.
    """
    due_now = or_(BroadcastRow.due_at <= moment, leases.is_of_another_clock(moment))
    rows = connection.execute(
        select(BroadcastRow.account, func.min(BroadcastRow.id))
        .join(Lane, Lane.account == BroadcastRow.account)
        .where(BroadcastRow.due_at.is_not(None), due_now, BroadcastRow.phase == Phase.SENDING)
        .where(leases.is_free(moment), is_long_past(Lane.woken_at, moment, after=WAKE_AGAIN))
        .group_by(BroadcastRow.account)
        .order_by(BroadcastRow.account)
    )
    return [(account, broadcast_id) for account, broadcast_id in rows]


def doubt_expired(
    engine: Engine,
    *,
    tuning: Tuning = DEFAULT_TUNING,
    tell: Callable[[str], object] = lambda _: None,
) -> int:
    """Put batches in doubt that were unknown for 23 h, paused and halted or not; return how many.

    *tell* is called with the broadcast of each. Raises the first error when it has tried all.
    """
    with read(engine) as connection:
        late = now(connection) - tuning.waits.scaled(REPEAT_WINDOW)
        found = connection.execute(
            select(Batch.id, Batch.broadcast_id)
            # The index on account and state answers it lane by lane.
            .join(Lane, Lane.account == Batch.account)
            .where(Batch.state == BatchState.UNKNOWN, Batch.first_called_at <= late)
        ).all()
    doubts, failed = 0, None
    for batch in found:
        try:
            if record_outcomes.expire(engine, batch.id, tuning=tuning):
                doubts += 1
                tell(batch.broadcast_id)
        except OutOfReachError:
            raise
        except Exception as error:  # noqa: BLE001 - a bad row keeps no other one from its end
            failed = failed or error
    if failed is not None:
        raise failed
    return doubts


def launch_due(engine: Engine) -> list[str]:
    """Open the gates of broadcasts whose time has come; return their ids."""
    with read(engine) as connection:
        found = connection.execute(
            select(GateRow.account, GateRow.broadcast_id)
            .join(BroadcastRow, BroadcastRow.id == GateRow.broadcast_id)
            .where(BroadcastRow.phase == Phase.PLANNING, BroadcastRow.due_at <= now(connection))
            .where(GateRow.kind == GateKind.SCHEDULE, STANDS)
            .where(GateRow.until <= now(connection))
            .order_by(GateRow.until)
        ).all()
    return [
        row.broadcast_id
        for row in found
        if _launch(engine, account=row.account, which=row.broadcast_id)
    ]


@writing
def _launch(connection: Connection, *, account: str, which: str) -> bool:
    lane_rows.lock(connection, account)
    moment = now(connection)
    come = [
        gate
        for gate in closed_gates.of_broadcasts(connection, [which])
        if gate.kind is GateKind.SCHEDULE and not gate.is_closed(moment)
    ]
    gate_changes.open_(connection, account, come, who=WORKER)
    change(connection, BroadcastRow, which, woken_at=moment)
    return bool(come)


def forget_uploads(engine: Engine) -> int:
    """Remove one upload that was silent for too long; return how many.

    Where there is none, what was stored of a list whose broadcast was cancelled is removed, or what
    a planner that was killed has stored. One
    whose row somebody has locked is left for next time: a ``send`` that was stopped while it sent a
    chunk holds it for as long as it is stopped, and every sweep would wait for it.
    """

    def work(connection: Connection) -> str | None:
        dead = connection.scalar(
            select(BroadcastRow.id)
            .filter_by(phase=Phase.UPLOADING)
            .where(uploads.silent_for(connection, uploads.GIVEN_UP_AFTER))
            .limit(1)
            .with_for_update(skip_locked=skips_locked(connection))
        )
        if dead is not None:
            uploads.give_up(connection, dead)
        return dead

    dead = write(engine, work)
    if dead is not None:
        uploads.clear(engine, dead)
        return 1
    cancelled = write(engine, awaited_lists.broadcast_with_leftover_list)
    if cancelled is None:
        return subtract.clear_unused_lists_of_one(engine)
    awaited_lists.clear_unlisted(engine, cancelled)
    return 1
