"""Late first calls: they are held, and the time is counted in which no worker drove a lane.

People sleep: what was to go out at eight in the evening must not go out automatically at two.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from broadcast.gates.gate import Situation
from broadcast.gates.kinds import GateKind
from broadcast.gates.late import SILENCE, is_late, silence, unattended
from broadcast.reasons import Reason
from models.broadcast import BroadcastRow
from models.ledger import gates
from models.ledger.gates import Closing
from models.ledger.reading import closed_gates, first_calls, held_rows
from models.ledger.reading.closed_gates import OPEN_PHASES
from models.ledger.reading.next_work import Work
from models.ledger.rows import HeldBroadcast, HeldLane, change
from models.ledger.transaction import WORKER


def is_missed(
    connection: Connection,
    broadcast: HeldBroadcast,
    lane: HeldLane,
    *,
    situation: Situation,
) -> bool:
    """Hold a broadcast whose first call would come too late; return whether it was."""
    attended = first_calls.attended(lane, situation.gates, situation.path)
    first = first_calls.of(broadcast, attended)
    if not is_late(first, broadcast.now):
        return False
    opened = closed_gates.last_opened_at(connection, broadcast)
    if not is_late(first_calls.of(broadcast, attended, opened=opened), broadcast.now):
        return False
    if first_calls.is_begun(connection, broadcast.id):
        return False
    missed = Closing(
        kind=GateKind.HOLD, who=WORKER, broadcast_id=broadcast.id, reason=Reason.MISSED_TIME
    )
    gates.close(connection, broadcast.account, missed)
    return True


def count_silence(
    connection: Connection,
    broadcast: HeldBroadcast,
    lane: HeldLane,
    *,
    work: Work,
    situation: Situation,
) -> None:
    """Count, for each broadcast that waits for a first call, the gap that a claim ends."""
    attended = first_calls.attended(lane, situation.gates, situation.path)
    if work.not_before is not None:
        attended.append(work.not_before)
    if silence(first_calls.of(broadcast, attended), broadcast.now) <= SILENCE:
        return
    opened = closed_gates.last_opened_at(connection, broadcast)
    if silence(first_calls.of(broadcast, attended, opened=opened), broadcast.now) <= SILENCE:
        return
    for other in _queued(connection, broadcast):
        due_since = closed_gates.last_opened_at(connection, other)
        lost = unattended(first_calls.of(other, attended, opened=due_since), broadcast.now)
        change(
            connection,
            BroadcastRow,
            other.id,
            unattended_s=int(lost.total_seconds()),
            unattended_at=broadcast.now,
        )


def _queued(connection: Connection, broadcast: HeldBroadcast) -> list[HeldBroadcast]:
    """Return the account's other broadcasts that have not begun."""
    ids = connection.scalars(
        select(BroadcastRow.id)
        .where(BroadcastRow.account == broadcast.account, BroadcastRow.id != broadcast.id)
        .where(BroadcastRow.phase.in_(OPEN_PHASES), ~first_calls.BEGUN)
    ).all()
    return [held_rows.broadcast(connection, one) for one in ids]
