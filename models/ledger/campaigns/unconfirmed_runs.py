"""Unconfirmed runs: what WeChat's administrator did not confirm is held, as nobody got it.

A person may let such a run go again. Its broadcast stays with it, and gives the next one its key.
"""

from __future__ import annotations

from sqlalchemy import Connection, exists, select

from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.campaigns.launches import LaunchState, Verdict, Why
from broadcast.rules.finish_events import review
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import SENT, Reason
from models.batch_tables import Batch, GateRow
from models.box_tables import IS_OF_BATCH, Finish
from models.campaign_tables import LaunchRow
from models.engine import now
from models.ledger.campaigns import launch_rows


def follow(connection: Connection, batch_id: int, *, path: SendPath) -> None:
    """Hold the run of a batch to everybody that was not confirmed; launched where it was sent."""
    if path is not SendPath.SENDALL:
        return
    asked = exists().where(
        GateRow.account == Batch.account,
        GateRow.broadcast_id == Batch.broadcast_id,
        GateRow.kind == GateKind.ADMINISTRATOR,
    )
    found = connection.execute(
        select(Batch.broadcast_id, Batch.state, Batch.reason, Finish.status, asked.label("asked"))
        .outerjoin(Finish, IS_OF_BATCH)
        .where(Batch.id == batch_id)
    ).one()
    # Of a job that failed mass/get does not say why.
    failed = found.asked and found.reason in {Reason.UNCONFIRMED, Reason.JOB_FAILED}
    if found.state in SENT:
        states, verdict = _NOT_LAUNCHED, Verdict(state=LaunchState.LAUNCHED)
    elif failed or review(found.status or "") in _UNCONFIRMED:
        states, verdict = _LAUNCHED, Verdict(state=LaunchState.HELD, why=Why.UNCONFIRMED)
    else:
        return
    mine = (LaunchRow.broadcast_id == found.broadcast_id, LaunchRow.state.in_(states))
    for launch in launch_rows.some(connection, *mine):
        launch_rows.move(connection, launch, verdict, moment=now(connection))


#: The administrator refused it, or did not answer.
_UNCONFIRMED = frozenset({40001, 40002})
_LAUNCHED = frozenset({LaunchState.LAUNCHED})
_NOT_LAUNCHED = frozenset({LaunchState.HELD, LaunchState.BEGUN})
