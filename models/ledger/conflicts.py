"""Conflicts: a reply that came later than the operator's verdict on its batch and contradicts it.

The reply is a fact and merged like every other; that it contradicted a verdict is noted in the
history, because an operator may have acted on that verdict.
"""

from __future__ import annotations

from sqlalchemy import Connection, exists, select, true

from broadcast.call.decide import Decision, Verdict
from broadcast.call.outcomes import Outcome
from broadcast.events import EventKind
from broadcast.reasons import STOPPED_JOB, Reason
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
    """Return the verdict that no longer holds, if there is one."""
    if outcome is Outcome.ACCEPTED and denied:
        return Reason.SAID_NOT_SENT
    # "Already accepted" is the job of an earlier call: of one that a person took for not sent?
    already = outcome is Outcome.ALREADY_ACCEPTED and decision.verdict is Verdict.ACCEPT
    agrees = batch.reason is Reason.SAID_SENT
    if already and not agrees and (denied or _any_denied(connection, batch.id)):
        return Reason.SAID_NOT_SENT
    if batch.reason is Reason.SAID_SENT and _other_than_said(batch, decision):
        return Reason.SAID_SENT
    # WeChat's review refused the job that a person had named, and that was another one.
    reviewed = batch.reason in STOPPED_JOB and decision.verdict is Verdict.ACCEPT
    return Reason.SAID_SENT if reviewed and _other_than_said(batch, decision) else None


def _other_than_said(batch: HeldBatch, decision: Decision) -> bool:
    """Return whether WeChat has the job under another msg_id, or no call can have been taken.

    A msg_id does not contradict an operator who said that it was sent, and not as which job.
    """
    if decision.verdict is Verdict.ACCEPT:
        return None not in {decision.msg_id, batch.msg_id} and decision.msg_id != batch.msg_id
    return decision.verdict in {Verdict.REPEAT, Verdict.REFUSE, Verdict.SPLIT}


def _any_denied(connection: Connection, batch_id: int) -> bool:
    denied = exists().where(AttemptRow.batch_id == batch_id, AttemptRow.denied.is_(true()))
    return bool(connection.scalar(select(denied)))
