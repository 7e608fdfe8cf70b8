"""Consequences: what a decision about one batch does to it, to its broadcast and to its lane."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, bindparam, func, select

from broadcast.call.attempts import Reason
from broadcast.call.decide import Decision, Verdict
from broadcast.call.outcomes import Scope
from broadcast.call.rules import Rules
from broadcast.states import BatchState
from models.attempt import AttemptRow
from models.engine import now
from models.ledger import circuit_breaker, lanes, splits, stops, transitions
from models.ledger.transaction import AnyRow

#: First question to mass/get after an acceptance; a small job has ended by then.
FIRST_POLL = timedelta(minutes=2)


def apply(connection: Connection, batch: AnyRow, decision: Decision, *, rules: Rules) -> None:
    """Write down where *decision* leads a batch, which is held with its lane."""
    handler = _HANDLERS[decision.verdict]
    handler(connection, batch, decision, rules=rules)
    if decision.scope is not Scope.BATCH:
        _spread(connection, batch, decision)
    circuit_breaker.watch(connection, batch, decision, guards=rules.guards)
    if decision.verdict in _GOES_ON:
        transitions.after_cancel(connection, batch.id)
    transitions.rest(connection, batch.broadcast_id)


_MSG_DATA_ID = select(func.max(AttemptRow.msg_data_id)).where(
    AttemptRow.batch_id == bindparam("batch_id")
)


def _accept(connection: Connection, batch: AnyRow, decision: Decision, *, rules: Rules) -> None:
    target = BatchState.FINISHED if batch.state is BatchState.FINISHED else BatchState.ACCEPTED
    data_id = connection.scalar(_MSG_DATA_ID, {"batch_id": batch.id})
    first = rules.waits.scaled(FIRST_POLL)
    # An acceptance without a msg_id (45065 can lack it) says nothing against one that is there.
    msg_id = batch.msg_id if decision.msg_id is None else decision.msg_id
    # And without any mass/get has nothing to be asked about.
    asks = msg_id is not None and target is BatchState.ACCEPTED
    poll_at = now(connection) + first if asks else None
    named_by_person = decision.msg_id is None and batch.reason is Reason.SAID_SENT
    transitions.move_batch(
        connection, batch, target, msg_id=msg_id, msg_data_id=data_id,
        reason=Reason.SAID_SENT if named_by_person else None,
        errcode=None, errmsg=None, not_before=None, poll_at=poll_at,
    )  # fmt: skip


def _repeat(connection: Connection, batch: AnyRow, decision: Decision, *, rules: Rules) -> None:
    del rules
    doubtful = decision.verdict in {Verdict.REPEAT_UNKNOWN, Verdict.VERIFY}
    transitions.move_batch(
        connection, batch, BatchState.UNKNOWN if doubtful else BatchState.PLANNED,
        not_before=decision.not_before, errcode=decision.errcode, errmsg=_words(connection, batch),
        reason=Reason.UNPROVED_ACCEPTANCE
        if decision.verdict is Verdict.VERIFY
        else decision.reason,
    )  # fmt: skip


def _end(connection: Connection, batch: AnyRow, decision: Decision, *, rules: Rules) -> None:
    del rules
    state = BatchState.IN_DOUBT if decision.verdict is Verdict.DOUBT else BatchState.REFUSED
    transitions.move_batch(
        connection, batch, state, reason=decision.reason, errcode=decision.errcode,
        errmsg=_words(connection, batch), not_before=None, poll_at=None,
    )  # fmt: skip


def _split(connection: Connection, batch: AnyRow, decision: Decision, *, rules: Rules) -> None:
    del rules
    splits.split(connection, batch)
    transitions.move_batch(
        connection, batch, BatchState.SPLIT, reason=decision.reason, errcode=decision.errcode
    )


#: After these a batch would be called again, unless its broadcast was cancelled meanwhile.
_GOES_ON = frozenset({Verdict.REPEAT, Verdict.REPEAT_UNKNOWN, Verdict.VERIFY, Verdict.SPLIT})

_HANDLERS = {
    Verdict.ACCEPT: _accept,
    Verdict.REPEAT_UNKNOWN: _repeat,
    Verdict.REPEAT: _repeat,
    Verdict.VERIFY: _repeat,
    Verdict.REFUSE: _end,
    Verdict.DOUBT: _end,
    Verdict.SPLIT: _split,
}


def _spread(connection: Connection, batch: AnyRow, decision: Decision) -> None:
    """Let a reply that concerns more than its batch stop or slow what it concerns."""
    words = _words(connection, batch)
    if decision.scope is Scope.BROADCAST:
        transitions.pause(
            connection, batch.broadcast_id, reason=decision.reason, errcode=decision.errcode,
            errmsg=words,
        )  # fmt: skip
    # All calls of a lane are of one path so far.
    whole = decision.scope in {Scope.PATH, Scope.ACCOUNT}
    if whole and decision.not_before is not None:
        reason = decision.lane_reason or decision.reason
        lanes.wait(connection, batch.account, until=decision.not_before, reason=reason)
    elif whole:
        stops.stop(
            connection, batch.account, reason=decision.reason, errcode=decision.errcode,
            errmsg=words,
        )  # fmt: skip


def _words(connection: Connection, batch: AnyRow) -> str | None:
    """Return WeChat's words of the last attempt that has some."""
    return connection.scalar(
        select(AttemptRow.errmsg)
        .where(AttemptRow.batch_id == batch.id, AttemptRow.errmsg.is_not(None))
        .order_by(AttemptRow.number.desc())
        .limit(1)
    )
