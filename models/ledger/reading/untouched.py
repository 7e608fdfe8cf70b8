"""Untouched batches: no call of theirs left this installation, so that they may still change.

People are taken out of such a batch, and its files renewed; WeChat has never seen the key that it
had. A whitelist of what attempts ended as: whatever else is recorded, nothing, or a word of another
release freezes it, and its repeat is the very same request.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, or_, true

from broadcast.call.outcomes import UNSENT, Outcome
from broadcast.call.path import SendPath
from broadcast.states import BatchState
from models.attempt import AttemptRow
from models.batch import Batch


def left_nothing(outcome: Outcome | None, transport: str | None) -> bool:
    """Return whether an attempt wrote not one byte of its request to the wire."""
    return outcome is Outcome.NOT_CALLED or (outcome is Outcome.WAIT and transport in UNSENT)


_LEFT_NOTHING = or_(
    AttemptRow.outcome == Outcome.NOT_CALLED,
    and_(AttemptRow.outcome == Outcome.WAIT, AttemptRow.transport.in_(sorted(UNSENT))),
)
#: The same, of all attempts of a batch.
UNTOUCHED: ColumnElement[bool] = ~exists().where(
    AttemptRow.batch_id == Batch.id, _LEFT_NOTHING.is_not(true())
).correlate(Batch)
#: It waits for a call, and goes out as it was.
IS_FIXED: ColumnElement[bool] = and_(Batch.state == BatchState.PLANNED, ~UNTOUCHED)
#: People can be taken out of it.
SHRINKS: ColumnElement[bool] = and_(
    Batch.state == BatchState.PLANNED, UNTOUCHED, Batch.path == SendPath.MASS_SEND, Batch.size > 0
)
