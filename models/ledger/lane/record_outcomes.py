"""Records: what came back from a call, and what follows from the batch's whole history.

A fact is always stored on its own attempt's row, however late, and no matter which driver holds the
lane. Then :func:`broadcast.rules.calls.decide.conclude` reads all attempts of the batch and its
state, and what it decides is applied in the same transaction. Storing the same fact twice changes
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, bindparam, case, exists, func, null, select, update
from sqlalchemy.sql.dml import Update

from broadcast.crashpoints import Point, failpoint
from broadcast.enums import is_recognised, recognised
from broadcast.errors import IllegalMoveError
from broadcast.frozen import alike, frozen
from broadcast.names import EventKind
from broadcast.rules.calls.attempts import Attempt, CallResult, storable
from broadcast.rules.calls.decide import Decision, Standing, Verdict, conclude, window_end
from broadcast.rules.calls.outcomes import (
    BEGINS_NOTHING,
    MAYBE_SENT,
    SAID_ACCEPTED,
    Endpoint,
    Outcome,
)
from broadcast.rules.calls.waits import DEFAULT_TUNING, Tuning
from broadcast.rules.states import STOPPED_JOB, BatchState, Reason
from models.accounts import Lane
from models.base import Moment, is_so, row_of
from models.batch_tables import DENIED, AttemptRow, Batch
from models.engine import now
from models.ledger.lane import apply_decision, call_history, transitions
from models.ledger.rows import lane_rows, locked_rows
from models.ledger.rows.transaction import (
    WORKER,
    LockedBatch,
    note,
    one_row,
    read,
    selected,
    write,
    write_or_keep,
    writing,
)


def record(
    engine: Engine,
    attempt_id: int,
    fact: CallResult,
    *,
    tuning: Tuning = DEFAULT_TUNING,
    of: Called | None = None,
) -> Decision:
    """Store what *attempt_id* ended as and apply what follows; idempotent.

    *of*: the batch of the attempt, where the caller has just claimed it.
    """

    def work(connection: Connection) -> Decision:
        decision = store(connection, attempt_id, fact, tuning=tuning, of=of)
        failpoint(Point.RECORD_WRITTEN)
        return decision

    decision = write_or_keep(
        engine, work, lambda c, error: _store_despite(c, attempt_id, fact, error=error)
    )
    failpoint(Point.RECORD_COMMITTED)
    return decision


def _store_despite(
    connection: Connection, attempt_id: int, fact: CallResult, *, error: IllegalMoveError
) -> Decision:
    """Store a fact though nothing follows from it but an *error*."""
    batch, fact, _ = _learned(connection, attempt_id, fact)
    return transitions.mark_in_doubt_after_bug(
        connection, batch, error, said=fact.outcome, msg_id=fact.msg_id, attempt_id=attempt_id
    )


@writing
def give_back(connection: Connection, claim: str, *, tuning: Tuning = DEFAULT_TUNING) -> bool:
    """Record that a claimed call was not made; return whether there was such a claim.

    Only for the claimer itself, before it has called: nobody else can know it.
    """
    attempt_id = connection.scalar(select(AttemptRow.id).filter_by(claim=claim, outcome=None))
    if attempt_id is not None:
        store(connection, attempt_id, CallResult(outcome=Outcome.NOT_CALLED), tuning=tuning)
    return attempt_id is not None


def confirm(
    engine: Engine,
    batch_id: int,
    msg_id: int,
    *,
    known: bool | None,
    tuning: Tuning = DEFAULT_TUNING,
) -> Decision:
    """Store what mass/get said about the msg_id of a 45065 (None: nothing), and decide again."""

    def keep(connection: Connection, error: IllegalMoveError) -> Decision:
        batch = lock(connection, batch_id)
        _write_known(connection, batch_id, msg_id, known=known)
        said = "no answer" if known is None else "known" if known else "not known"
        return transitions.mark_in_doubt_after_bug(
            connection, batch, error, said=said, msg_id=msg_id
        )

    return write_or_keep(
        engine,
        lambda connection: confirm_locked(connection, batch_id, msg_id, known=known, tuning=tuning),
        keep,
    )


def confirm_locked(
    connection: Connection,
    batch_id: int,
    msg_id: int,
    *,
    known: bool | None,
    tuning: Tuning = DEFAULT_TUNING,
) -> Decision:
    """Do the work of :func:`confirm` inside a transaction."""
    batch = lock(connection, batch_id)
    _write_known(connection, batch_id, msg_id, known=known)
    # One that is to be called, or is being called, waits for no such word any more: a person
    # has settled it since mass/get was asked.
    news = batch.state not in _TO_CALL
    return _move_by_history(connection, batch, tuning, at=now(connection), news=news, asked=True)


def confirm_by_event(
    connection: Connection, batch_id: int, msg_id: int, *, tuning: Tuning = DEFAULT_TUNING
) -> Decision:
    """Store that WeChat ended the job of a 45065, and decide again; nobody had to ask."""
    batch = lock(connection, batch_id)
    _write_known(connection, batch_id, msg_id, known=True)
    return _move_by_history(connection, batch, tuning, at=now(connection), news=True)


def _write_known(connection: Connection, batch_id: int, msg_id: int, *, known: bool | None) -> None:
    if known is not None:
        connection.execute(
            update(AttemptRow).filter_by(batch_id=batch_id, msg_id=msg_id).values(confirmed=known)
        )


_TO_CALL = frozenset({BatchState.PLANNED, BatchState.CALLING})


def store(
    connection: Connection,
    attempt_id: int,
    fact: CallResult,
    *,
    tuning: Tuning = DEFAULT_TUNING,
    of: Called | None = None,
) -> Decision:
    """Do the work of :func:`record` inside a transaction."""
    batch, fact, learned = _learned(connection, attempt_id, fact, of=of)
    # What was stored before has been applied in its own transaction, and people may have acted on
    # it since. Of a call that a person took for not sent, only an acceptance is news.
    news = learned.new and (not learned.denied or fact.outcome in SAID_ACCEPTED)
    decision = _move_by_history(connection, batch, tuning, at=learned.at, news=news)
    if news:
        accepted = decision.verdict is Verdict.ACCEPT and fact.outcome in SAID_ACCEPTED
        if accepted and batch.lane_waits_until is not None:
            lane_rows.clear_wait_after_acceptance(connection, batch.account, by=attempt_id)
            lane_rows.refresh_due(connection, batch.account)
        note_conflict(connection, batch, decision, outcome=fact.outcome, denied=learned.denied)
    return decision


@dataclass(frozen=True, slots=True)
class _Learned:
    """Result of storing a fact: whether it was new, and whether its call had been denied."""

    at: datetime
    new: bool
    denied: bool


@frozen
class Called:
    """Batch and account of an attempt."""

    batch_id: int
    account: str


def _learned(
    connection: Connection, attempt_id: int, fact: CallResult, *, of: Called | None = None
) -> tuple[LockedBatch, CallResult, _Learned]:
    """Store a fact on its attempt; return the batch, locked, and the fact as it was stored."""
    called = of or one_row(connection, _CALLED, Called, {"attempt_id": attempt_id})
    batch = lock(connection, called.batch_id, called.account)
    denied = batch.any_denied and connection.scalar(_DENIED, {"attempt_id": attempt_id})
    fact, at = storable(fact), batch.now
    stored = connection.execute(_learn(fact), {"attempt_id": attempt_id, "at": at, **asdict(fact)})
    if stored.rowcount == 1 and fact.outcome not in BEGINS_NOTHING:
        connection.execute(_RECORDED, {"b_account": batch.account, "recorded_at": at})
    return batch, fact, _Learned(at=at, new=stored.rowcount == 1, denied=bool(denied))


# Statements of the way of a call are built once: building one costs as much as running it. The
# columns of an update are those of the parameters that it is run with.
_OF = AttemptRow.id == bindparam("attempt_id")
_CALLED = selected(Called, AttemptRow).where(_OF)
_DENIED = select(AttemptRow.denied).where(_OF)
_AT = bindparam("at", type_=Moment())
_LEARN = (
    update(AttemptRow)
    .filter_by(id=bindparam("attempt_id"))
    .values(
        # The call ended once, whatever is recorded of it later.
        ended_at=func.coalesce(AttemptRow.ended_at, _AT),
        # Nothing is recorded of a call before it ended, though the database's clock may go back.
        outcome_recorded_at=case((AttemptRow.ended_at > _AT, AttemptRow.ended_at), else_=_AT),
    )
)
_NOTHING_YET = AttemptRow.outcome.is_(None)
_LEARN_FIRST = _LEARN.where(_NOTHING_YET)
# A reply that can be trusted replaces an operator's verdict on that call.
_LEARN_BETTER = _LEARN.where(_NOTHING_YET | (AttemptRow.outcome == Outcome.UNKNOWN)).values(
    denied=null()
)


_RECORDED = update(Lane).filter_by(account=bindparam("b_account"))


def _learn(fact: CallResult) -> Update:
    """Return the update of an attempt that may learn *fact*: a trusted reply also ends a doubt."""
    doubtful = fact.outcome in MAYBE_SENT or fact.outcome is Outcome.NOT_CALLED
    return _LEARN_FIRST if doubtful else _LEARN_BETTER


def lock(connection: Connection, batch_id: int, account: str | None = None) -> LockedBatch:
    """Lock the lane of a batch, in the order in which claims lock, and read the batch."""
    if account is None:
        account = row_of(connection, batch_id, Batch.account).account
    lane_rows.lock(connection, account)
    return locked_rows.locked_batch(connection, batch_id)


def _move_by_history(
    connection: Connection,
    batch: LockedBatch,
    tuning: Tuning,
    *,
    at: datetime,
    news: bool,
    asked: bool = False,
) -> Decision:
    """Decide about a batch that is locked, and move it if that is news."""
    history = call_history.attempts_of(connection, batch.id)
    concluded = conclude(history, _standing(batch), now=at, tuning=tuning, asked=asked)
    if news and concluded.moves and _is_understood(batch, history):
        apply_decision.apply(connection, batch, concluded.decision, tuning=tuning, at=at)
    return concluded.decision


def _is_understood(batch: LockedBatch, history: Sequence[Attempt]) -> bool:
    """Return whether this release knows a batch's interface, state and all that its calls ended as.

    What a newer release wrote is for that release to decide; the reply itself is stored here.
    """
    outcomes = [attempt.outcome for attempt in history if attempt.outcome is not None]
    return all(is_recognised(word) for word in (batch.path, batch.state, *outcomes))


def has_stranger(connection: Connection, batch: LockedBatch) -> bool:
    """Return whether only a newer release knows a batch's interface, state or a call's outcome."""
    return not _is_understood(batch, call_history.attempts_of(connection, batch.id))


def _standing(batch: LockedBatch) -> Standing:
    return alike(Standing, batch, endpoint=recognised(Endpoint, batch.path.value))


def accept_by_replies(connection: Connection, batch_id: int, *, tuning: Tuning) -> None:
    """Accept a batch in doubt if its replies lead there, now that they alone are about its job."""
    batch = lock(connection, batch_id)
    history = call_history.attempts_of(connection, batch.id)
    at = now(connection)
    concluded = conclude(history, _standing(batch), now=at, tuning=tuning)
    if concluded.decision.verdict is Verdict.ACCEPT and concluded.moves:
        apply_decision.apply(connection, batch, concluded.decision, tuning=tuning, at=at)


def expire(engine: Engine, batch_id: int, *, tuning: Tuning = DEFAULT_TUNING) -> bool:
    """Put an unknown batch in doubt if WeChat's window is over; return whether it is.

    A pause, a halt or a day without calls can outlast the window, and a repeat after it would be
    a second send. The lane of one that may still wait is left alone.
    """
    with read(engine) as connection:
        if not _is_over(connection, locked_rows.locked_batch(connection, batch_id), tuning):
            return False
    return write(engine, lambda c: expire_locked(c, lock(c, batch_id), tuning=tuning))


def expire_locked(connection: Connection, batch: LockedBatch, *, tuning: Tuning) -> bool:
    """Do the work of :func:`expire` inside a transaction that has locked the lane."""
    if not _is_over(connection, batch, tuning):
        return False
    decision = Decision(verdict=Verdict.DOUBT, reason=Reason.WINDOW_CLOSED)
    apply_decision.apply(connection, batch, decision, tuning=tuning, at=batch.now)
    return True


def _is_over(connection: Connection, batch: LockedBatch, tuning: Tuning) -> bool:
    """Return whether nobody may repeat an unknown batch any more, as far as this release knows."""
    if batch.state is not BatchState.UNKNOWN:
        return False
    history = call_history.attempts_of(connection, batch.id)
    return batch.now >= window_end(history, tuning.waits) and _is_understood(batch, history)


def note_conflict(
    connection: Connection,
    batch: LockedBatch,
    decision: Decision,
    *,
    outcome: Outcome,
    denied: bool,
) -> None:
    """Write it down if a reply says otherwise than the person who settled the batch.

    *batch* as it stood when the reply came, *outcome* what the reply was, *denied* whether a person
    had said that WeChat had not taken this very call.
    """
    word = _conflicting_verdict(connection, batch, decision, outcome=outcome, denied=denied)
    if word is not None:
        note(
            connection,
            EventKind.CONFLICT,
            who=WORKER,
            broadcast_id=batch.broadcast_id,
            batch_id=batch.id,
            word=word,
            said=batch.msg_id,
            outcome=outcome,
            msg_id=decision.msg_id,
        )


def _conflicting_verdict(
    connection: Connection,
    batch: LockedBatch,
    decision: Decision,
    *,
    outcome: Outcome,
    denied: bool,
) -> Reason | None:
    """Return the verdict that no longer holds, if there is one."""
    if outcome is Outcome.ACCEPTED and denied:
        return Reason.SAID_NOT_SENT
    # "Already accepted" is the job of an earlier call: of one that a person took for not sent?
    already = outcome is Outcome.ALREADY_ACCEPTED and decision.verdict is Verdict.ACCEPT
    agrees = batch.reason is Reason.SAID_SENT
    if already and not agrees and (denied or _any_denied(connection, batch.id)):
        return Reason.SAID_NOT_SENT
    if batch.reason is Reason.SAID_SENT and _contradicts_verdict(batch, decision):
        return Reason.SAID_SENT
    # WeChat's review refused the job that a person had named, and that was another one.
    reviewed = batch.reason in STOPPED_JOB and decision.verdict is Verdict.ACCEPT
    return Reason.SAID_SENT if reviewed and _contradicts_verdict(batch, decision) else None


def _contradicts_verdict(batch: LockedBatch, decision: Decision) -> bool:
    """Return whether WeChat has the job under another msg_id, or no call can have been taken.

    A msg_id does not contradict an operator who said that it was sent, and not as which job.
    """
    if decision.verdict is Verdict.ACCEPT:
        return None not in {decision.msg_id, batch.msg_id} and decision.msg_id != batch.msg_id
    return decision.verdict in {Verdict.REPEAT, Verdict.REFUSE, Verdict.SPLIT}


def _any_denied(connection: Connection, batch_id: int) -> bool:
    denied = exists().where(AttemptRow.batch_id == batch_id, DENIED)
    return is_so(connection, denied)
