"""Conflicts: a reply that came later than a person's word on its batch, and says otherwise.

The reply is a fact and merged like every other; that it spoke against a person stands in the
history, because somebody has acted on that word.
"""

from __future__ import annotations

from sqlalchemy import Connection, exists, select, true

from broadcast.call.decide import Decision, Verdict
from broadcast.call.outcomes import Outcome
from broadcast.events import EventKind
from broadcast.reasons import Reason
from models.attempt import AttemptRow
from models.ledger.rows import HeldBatch
from models.ledger.transaction import WORKER, note


def note_conflict(
    connection: Connection,
    batch: HeldBatch,
    decision: Decision,
    *,
    outcome: Outcome,
    denied: bool,
) -> None:
    """Write it down if a reply says otherwise than the person who settled the batch.

    *batch* as it stood when the reply came, *outcome* what the reply was, *denied* whether a person
    had said that WeChat had not taken this very call.
    """
    word = _conflicting_word(connection, batch, decision, outcome=outcome, denied=denied)
    if word is not None:
        note(
            connection, EventKind.CONFLICT, who=WORKER, broadcast_id=batch.broadcast_id,
            batch_id=batch.id, word=word, said=batch.msg_id, outcome=outcome,
            msg_id=decision.msg_id,
        )  # fmt: skip


def _conflicting_word(
    connection: Connection, batch: HeldBatch, decision: Decision, *, outcome: Outcome, denied: bool
) -> Reason | None:
    """Return the word that does not hold any more, if there is one."""
    if outcome is Outcome.ACCEPTED and denied:
        return Reason.SAID_NOT_SENT
    # "Already accepted" is the job of an earlier call: of one that a person took for not sent?
    already = outcome is Outcome.ALREADY_ACCEPTED and decision.verdict is Verdict.ACCEPT
    if already and (denied or _any_denied(connection, batch.id)):
        return Reason.SAID_NOT_SENT
    if batch.reason is Reason.SAID_SENT and _other_than_said(batch, decision):
        return Reason.SAID_SENT
    return None


def _other_than_said(batch: HeldBatch, decision: Decision) -> bool:
    """Tell whether WeChat has the job under another msg_id, or no call can have been taken."""
    if decision.verdict is Verdict.ACCEPT:
        return decision.msg_id is not None and decision.msg_id != batch.msg_id
    return decision.verdict in {Verdict.REPEAT, Verdict.REFUSE, Verdict.SPLIT}


def _any_denied(connection: Connection, batch_id: int) -> bool:
    denied = exists().where(AttemptRow.batch_id == batch_id, AttemptRow.denied.is_(true()))
    return bool(connection.scalar(select(denied)))
