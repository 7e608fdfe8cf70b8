"""Waits for the administrator: WeChat took a call to everybody, and asks them first (群发保护).

The batch is accepted, and a gate of its broadcast says until when. A finish event or an answer of
mass/get ends it; where neither comes in time, a person settles it (WeChat page Batch_Sends).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, func, select

from broadcast.rules.accounts import ANSWERS_WITHIN
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.calls.waits import Tuning, Waits
from broadcast.rules.finish_events import JobEnd
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.plan.audience import Everyone
from broadcast.rules.states import BatchState, Reason
from models.base import value_of
from models.batch_tables import GateRow
from models.broadcast_tables import BroadcastRow
from models.ledger.boxes import notices
from models.ledger.gates import gate_changes
from models.ledger.gates.gate_changes import Closing
from models.ledger.lane import transitions
from models.ledger.rows import locked_rows
from models.ledger.rows.transaction import WORKER, LockedBatch

#: Its event is on its way for so long, before mass/get is asked in its place.
GRACE: Final = timedelta(minutes=1)


def begin(connection: Connection, batch: LockedBatch, *, tuning: Tuning, at: datetime) -> None:
    """Close the gate of a batch that was accepted *at* this moment, if WeChat asks first."""
    if batch.account not in tuning.protected or batch.path is not SendPath.SENDALL:
        return
    if value_of(connection, batch.broadcast_id, BroadcastRow.audience_kind) != Everyone.kind:
        return
    until = at + tuning.waits.scaled(ANSWERS_WITHIN)
    closing = Closing(
        kind=GateKind.ADMINISTRATOR, who=WORKER, broadcast_id=batch.broadcast_id, until=until
    )
    gate_changes.close(connection, batch.account, closing)
    notices.add(
        connection,
        kind="administrator",
        account=batch.account,
        subject=batch.broadcast_id,
        key=f"administrator {batch.id}",
        until=until,
    )


def asked_last_at(connection: Connection, batch: LockedBatch, *, waits: Waits) -> datetime | None:
    """Return when mass/get is asked for the last time; None: the batch waits for nobody.

    What an operator said of it ends the wait as well.
    """
    if batch.path is not SendPath.SENDALL or batch.reason is Reason.SAID_SENT:
        return None
    mine = (GateRow.account == batch.account, GateRow.broadcast_id == batch.broadcast_id)
    until = select(func.max(GateRow.until)).where(*mine, GateRow.kind == GateKind.ADMINISTRATOR)
    ends: datetime | None = connection.scalar(until)
    return None if ends is None else ends + waits.scaled(GRACE)


def put_in_doubt(connection: Connection, batch: LockedBatch, status: str | None) -> None:
    """Leave it to a person whether the job was sent: *status* is mass/get's last word."""
    transitions.move_batch(
        connection,
        batch,
        BatchState.IN_DOUBT,
        reason=Reason.ADMINISTRATOR_UNKNOWN,
        poll_at=None,
        msg_status=status or batch.msg_status,
    )
    transitions.end_if_at_rest(connection, batch.broadcast_id)


def end_doubt(connection: Connection, batch_id: int) -> bool:
    """Move a batch out of that doubt by the event that came after all; return whether it moved."""
    if transitions.ending_of(connection, batch_id) not in {JobEnd.SENT, JobEnd.REFUSED}:
        return False
    batch = locked_rows.locked_batch(connection, batch_id)
    if (batch.state, batch.reason) != (BatchState.IN_DOUBT, Reason.ADMINISTRATOR_UNKNOWN):
        return False
    transitions.move_batch(connection, batch, BatchState.ACCEPTED, reason=None)
    return transitions.apply_finish_event(connection, batch_id)
