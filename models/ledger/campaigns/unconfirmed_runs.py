"""Unconfirmed runs: what WeChat's administrator did not confirm is held, as nobody got it.

A person may let such a run go again. Its broadcast stays with it, and gives the next one its key.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, exists, select, update

from broadcast import stored_message
from broadcast.message import Message
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.campaigns.launches import LaunchState, Why, check_move
from broadcast.rules.finish_events import review
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import BatchState, Reason
from models.batch_tables import Batch, GateRow
from models.box_tables import IS_OF_BATCH, Finish
from models.campaign_tables import LaunchRow
from models.engine import now
from models.ledger.campaigns.launch_rows import NOT_TAKEN


def follow(connection: Connection, batch_id: int, *, path: SendPath) -> None:
    """Hold the run of a batch to everybody that was not confirmed; launched where it was sent."""
    if path is not SendPath.SENDALL:
        return
    asked = exists().where(
        GateRow.account == Batch.account, GateRow.broadcast_id == Batch.broadcast_id,
        GateRow.kind == GateKind.ADMINISTRATOR,
    )  # fmt: skip
    found = connection.execute(
        select(Batch.broadcast_id, Batch.state, Batch.reason, Finish.status, asked.label("asked"))
        .outerjoin(Finish, IS_OF_BATCH)
        .where(Batch.id == batch_id)
    ).one()
    launches = LaunchRow.broadcast_id == found.broadcast_id
    if found.state in _SENT:
        _move(connection, launches & LaunchRow.state.in_(_NOT_LAUNCHED), LaunchState.LAUNCHED)
        return
    # Of a job that failed mass/get does not say why.
    failed = found.asked and found.reason in {Reason.UNCONFIRMED, Reason.JOB_FAILED}
    if failed or review(found.status or "") in _UNCONFIRMED:
        _move(connection, launches & (LaunchRow.state == LaunchState.LAUNCHED), LaunchState.HELD)


#: The administrator refused it, or did not answer.
_UNCONFIRMED = frozenset({40001, 40002})
_SENT = frozenset({BatchState.ACCEPTED, BatchState.FINISHED})
_NOT_LAUNCHED = (LaunchState.HELD, LaunchState.BEGUN)


def _move(connection: Connection, which: ColumnElement[bool], state: LaunchState) -> None:
    for old in connection.scalars(select(LaunchRow.state).where(which)):
        check_move(old, state)
    why = Message(f"launch.{Why.UNCONFIRMED}") if state is LaunchState.HELD else None
    values = {
        "state": state, "reason": why and stored_message.stored(why),
        "decided_at": now(connection), **NOT_TAKEN,
    }  # fmt: skip
    connection.execute(update(LaunchRow).where(which).values(values))
