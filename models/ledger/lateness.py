"""Late first calls: they are held, and the time is counted in which nobody drove a lane.

People sleep: what was to go out at eight in the evening does not go out by itself at two.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from broadcast.gates.gate import Situation
from broadcast.gates.kinds import GateKind
from broadcast.gates.late import SILENCE, First, is_late, unattended
from broadcast.reasons import Reason
from models.broadcast import BroadcastRow
from models.ledger import gates
from models.ledger.gates import Closing
from models.ledger.reading import closed_gates, held_rows
from models.ledger.reading.closed_gates import OPEN_PHASES
from models.ledger.reading.next_work import Work
from models.ledger.rows import HeldBroadcast, HeldLane
from models.ledger.transaction import WORKER


def is_missed(
    connection: Connection,
    broadcast: HeldBroadcast,
    lane: HeldLane,
    *,
    situation: Situation,
) -> bool:
    """Hold a broadcast whose first call would come too late; return whether it was."""
    attended = _attended(lane, situation)
    first = _first(broadcast, attended, opened=None)
    if not is_late(first, broadcast.now):
        return False
    opened = closed_gates.last_opened_at(connection, broadcast)
    if not is_late(_first(broadcast, attended, opened=opened), broadcast.now):
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
    """Count, for everybody who waits for a first call, the silence that a claim of *work* ends."""
    attended = _attended(lane, situation)
    if work.not_before is not None:
        attended.append(work.not_before)
    if unattended(_first(broadcast, attended, opened=None), broadcast.now) <= SILENCE:
        return
    opened = closed_gates.last_opened_at(connection, broadcast)
    if unattended(_first(broadcast, attended, opened=opened), broadcast.now) <= SILENCE:
        return
    for other in _queued(connection, broadcast):
        due_since = closed_gates.last_opened_at(connection, other)
        lost = unattended(_first(other, attended, opened=due_since), broadcast.now)
        connection.execute(
            update(BroadcastRow)
            .where(BroadcastRow.id == other.id)
            .values(unattended_s=int(lost.total_seconds()), unattended_at=broadcast.now)
        )


def _queued(connection: Connection, broadcast: HeldBroadcast) -> list[HeldBroadcast]:
    """Return the account's other broadcasts of which nothing was called yet."""
    ids = connection.scalars(
        select(BroadcastRow.id)
        .where(BroadcastRow.account == broadcast.account, BroadcastRow.id != broadcast.id)
        .where(BroadcastRow.phase.in_(OPEN_PHASES), BroadcastRow.started_at.is_(None))
    ).all()
    return [held_rows.broadcast(connection, one) for one in ids]


def _attended(lane: HeldLane, situation: Situation) -> list[datetime]:
    """Return until when the lane was driven, or waited for what is no delay."""
    moments = [lane.claimed_at, lane.recorded_at, lane.day_wait_until, lane.doubt_wait_until]
    moments += [
        gate.until
        for gate in situation.gates
        if gate.kind is GateKind.QUOTA and gate.concerns(situation.path)
    ]
    return [moment for moment in moments if moment is not None]


def _first(broadcast: HeldBroadcast, attended: list[datetime], *, opened: datetime | None) -> First:
    due = [broadcast.published_at, broadcast.scheduled_at, opened]
    return First(
        due=max(moment for moment in due if moment is not None), attended=attended,
        unattended_s=broadcast.unattended_s, unattended_at=broadcast.unattended_at,
        late_by_s=broadcast.late_by_s,
    )  # fmt: skip
