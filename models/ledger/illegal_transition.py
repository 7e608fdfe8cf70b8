"""What is left of a record when what follows from its fact is against the table of moves.

That is a mistake of this program. The transaction that made it is gone, and must not take with it
what WeChat said: an acceptance that is lost is a batch that is sent twice.
"""

from __future__ import annotations

import logging

from sqlalchemy import Connection

from broadcast.call.attempts import Reason
from broadcast.call.decide import Decision, Verdict
from broadcast.call.outcomes import Outcome
from broadcast.errors import IllegalMoveError
from broadcast.events import EventKind
from broadcast.states import BATCH_MOVES, BatchState
from models.ledger import due, transitions
from models.ledger.rows import HeldBatch
from models.ledger.transaction import WORKER, note

log = logging.getLogger(__name__)


def leave_to_a_person(
    connection: Connection,
    batch: HeldBatch,
    error: IllegalMoveError,
    *,
    attempt_id: int,
    outcome: Outcome,
    msg_id: int | None,
) -> Decision:
    """Put a batch in doubt, of which *outcome* is stored, and write down which move was illegal."""
    log.error("batch %s of %s is left to a person: %s", batch.id, batch.broadcast_id, error)
    note(
        connection, EventKind.ILLEGAL_MOVE, who=WORKER, broadcast_id=batch.broadcast_id,
        batch_id=batch.id, error=str(error), attempt_id=attempt_id,
        outcome=outcome, msg_id=msg_id,
    )  # fmt: skip
    if BatchState.IN_DOUBT in BATCH_MOVES.get(batch.state, ()):
        transitions.move_batch(
            connection, batch, BatchState.IN_DOUBT, reason=Reason.ILLEGAL_MOVE, not_before=None,
            poll_at=None,
        )  # fmt: skip
    try:
        with connection.begin_nested():
            transitions.settle(connection, batch.broadcast_id)
    except IllegalMoveError as again:
        log.error("broadcast %s stays as it is: %s", batch.broadcast_id, again)  # noqa: TRY400
    # What waited behind this batch may be called now.
    due.refresh(connection, batch.account)
    return Decision(verdict=Verdict.DOUBT, reason=Reason.ILLEGAL_MOVE)
