"""Records: what came back from a call, and what follows from the batch's whole history.

A fact is always stored on its own attempt's row, however late and whoever holds the lane by now;
then :func:`broadcast.decide.decide` looks at all attempts of the batch, and its decision is applied
in the same transaction. Storing the same fact twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta

from sqlalchemy import (
    Connection,
    Engine,
    bindparam,
    exists,
    func,
    null,
    select,
    update,
)
from sqlalchemy.sql.dml import Update

from broadcast.attempts import Attempt, Reason, Scope
from broadcast.crashpoints import Point, passing
from broadcast.decide import Decision, Move, Policy, decide, window_end
from broadcast.guards import Guards
from broadcast.outcomes import MAYBE_SENT, SAID_ACCEPTED, Outcome
from broadcast.states import BATCH_AT_REST, BatchState
from broadcast.waits import VERIFY_PAUSE, Waits
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import database_now, now
from models.ledger import contradictions, guards, lanes, moves, splits, stops
from models.ledger.transaction import AnyRow, write

#: First question to mass/get after an acceptance; a small job has ended by then.
FIRST_POLL = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What one call ended as."""

    outcome: Outcome
    errcode: int | None = None
    errmsg: str | None = None
    rid: str | None = None
    msg_id: int | None = None
    msg_data_id: int | None = None
    http_status: int | None = None
    transport: str | None = None
    elapsed_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The settings that decisions depend on."""

    waits: Waits = field(default_factory=Waits)
    split_depth: int = 4
    guards: Guards = field(default_factory=Guards)


DEFAULT_RULES = Rules()


def record(
    engine: Engine, attempt_id: int, fact: Fact, *, rules: Rules = DEFAULT_RULES
) -> Decision:
    """Store what *attempt_id* ended as and apply what follows; idempotent."""

    def work(connection: Connection) -> Decision:
        decision = store(connection, attempt_id, fact, rules=rules)
        passing(Point.RECORD_WRITTEN)
        return decision

    decision = write(engine, work)
    passing(Point.RECORD_COMMITTED)
    return decision


def give_back(engine: Engine, claim: str, *, rules: Rules = DEFAULT_RULES) -> bool:
    """Record that a claimed call was not made; return whether there was such a claim.

    Only for the claimer itself, before it has called: nobody else can know it.
    """

    def work(connection: Connection) -> bool:
        attempt_id = connection.scalar(
            select(AttemptRow.id).where(AttemptRow.claim == claim, AttemptRow.outcome.is_(None))
        )
        if attempt_id is not None:
            store(connection, attempt_id, Fact(outcome=Outcome.NOT_CALLED), rules=rules)
        return attempt_id is not None

    return write(engine, work)


def confirm(
    engine: Engine, batch_id: int, msg_id: int, *, known: bool, rules: Rules = DEFAULT_RULES
) -> Decision:
    """Store what mass/get said about the msg_id of a 45065, and decide anew."""

    def work(connection: Connection) -> Decision:
        batch = lock(connection, batch_id)
        connection.execute(
            update(AttemptRow)
            .where(AttemptRow.batch_id == batch_id, AttemptRow.msg_id == msg_id)
            .values(confirmed=known)
        )
        # One that is to be called, or is being called, waits for no such word any more: a person
        # has settled it since mass/get was asked.
        return _settle(connection, batch, rules, news=batch.state not in _TO_CALL, asked=True)

    return write(engine, work)


_TO_CALL = frozenset({BatchState.PLANNED, BatchState.CALLING})


def store(
    connection: Connection, attempt_id: int, fact: Fact, *, rules: Rules = DEFAULT_RULES
) -> Decision:
    """Do the work of :func:`record` inside a transaction."""
    called = connection.execute(_CALLED, {"attempt_id": attempt_id}).one()
    batch = lock(connection, called.batch_id, called.account)
    fact = storable(fact)
    stored = connection.execute(_learn(fact), {"attempt_id": attempt_id, **asdict(fact)})
    # What was stored before has been applied in its own transaction, and people may have acted on
    # it since. Of a call that a person took for not sent, only an acceptance is news.
    news = stored.rowcount == 1 and (not called.denied or fact.outcome in SAID_ACCEPTED)
    decision = _settle(connection, batch, rules, news=news)
    if news:
        accepted = decision.move is Move.ACCEPT and fact.outcome in SAID_ACCEPTED
        if accepted and batch.lane_waits_until is not None:
            lanes.flow(connection, batch.account, by=attempt_id)
        contradictions.tell(
            connection, batch, decision, outcome=fact.outcome, denied=bool(called.denied)
        )
    return decision


#: Widest values of the attempts' columns. WeChat's msg_id has 32 bits and a few.
_INT32, LARGEST_MSG_ID = 2**31 - 1, 2**63 - 1


def storable(fact: Fact) -> Fact:
    """Return *fact* as every database takes it.

    A reply that could not be stored would leave its attempt unknown and be asked for again and
    again. Figures that no column holds are no answer that can be trusted.
    """
    wild = abs(fact.errcode or 0) > _INT32 or not 0 <= (fact.msg_id or 0) <= LARGEST_MSG_ID
    if wild:
        fact = replace(fact, outcome=Outcome.UNKNOWN, errcode=None, msg_id=None)
    data_id = fact.msg_data_id if 0 <= (fact.msg_data_id or 0) <= LARGEST_MSG_ID else None
    return replace(
        fact, errmsg=_plain(fact.errmsg, 512), rid=_plain(fact.rid, 64), msg_data_id=data_id
    )


def _plain(text: str | None, longest: int) -> str | None:
    """Return *text* without what PostgreSQL or UTF-8 refuses, cut to *longest* characters."""
    if text is None:
        return None
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")[:longest]


# Statements of the way of a call are built once: building one costs as much as running it. The
# columns of an update are those of the parameters that it is run with.
_CALLED = select(AttemptRow.batch_id, AttemptRow.account, AttemptRow.denied).where(
    AttemptRow.id == bindparam("attempt_id")
)
_LEARN = (
    update(AttemptRow)
    .where(AttemptRow.id == bindparam("attempt_id"))
    .values(ended_at=database_now())
)
_NOTHING_YET = AttemptRow.outcome.is_(None)
_LEARN_FIRST = _LEARN.where(_NOTHING_YET)
# A reply that can be trusted takes the place of a person's word on that call.
_LEARN_BETTER = _LEARN.where(_NOTHING_YET | (AttemptRow.outcome == Outcome.UNKNOWN)).values(
    denied=null()
)


def _learn(fact: Fact) -> Update:
    """Return the update of an attempt that may learn *fact*: a trusted reply also ends a doubt."""
    doubtful = fact.outcome in MAYBE_SENT or fact.outcome is Outcome.NOT_CALLED
    return _LEARN_FIRST if doubtful else _LEARN_BETTER


_LANE_HELD = select(Lane.fence).where(Lane.account == bindparam("account")).with_for_update()
_BATCH_HELD = (
    select(
        Batch.id, Batch.broadcast_id, Batch.account, Batch.state, Batch.size, Batch.depth,
        Batch.pack_id, Batch.reason, Batch.msg_id, Lane.not_before.label("lane_waits_until"),
    )
    .join(Lane, Lane.account == Batch.account)
    .where(Batch.id == bindparam("batch_id"))
    .with_for_update()
)  # fmt: skip


def lock(connection: Connection, batch_id: int, account: str | None = None) -> AnyRow:
    """Read a batch and hold it, after its lane, in the order in which claims lock."""
    if account is None:
        account = connection.execute(select(Batch.account).where(Batch.id == batch_id)).scalar_one()
    connection.execute(_LANE_HELD, {"account": account})
    return connection.execute(_BATCH_HELD, {"batch_id": batch_id}).one()


_HISTORY = (
    select(
        AttemptRow.number, AttemptRow.outcome, AttemptRow.started_at, AttemptRow.ended_at,
        AttemptRow.errcode, AttemptRow.msg_id, AttemptRow.confirmed, AttemptRow.denied,
        exists()
        .where(Batch.account == AttemptRow.account, Batch.msg_id == AttemptRow.msg_id)
        .where(Batch.id != AttemptRow.batch_id)
        .label("owned_elsewhere"),
    )
    .where(AttemptRow.batch_id == bindparam("batch_id"))
    .order_by(AttemptRow.number)
)  # fmt: skip


def history_of(connection: Connection, batch: AnyRow) -> list[Attempt]:
    """Return all attempts of a batch, oldest first, as the decision needs them."""
    rows = connection.execute(_HISTORY, {"batch_id": batch.id})
    return [
        Attempt(**(dict(row) | {name: bool(row[name]) for name in ("owned_elsewhere", "denied")}))
        for row in rows.mappings()
    ]


def _settle(
    connection: Connection, batch: AnyRow, rules: Rules, *, news: bool, asked: bool = False
) -> Decision:
    history, moment = history_of(connection, batch), now(connection)
    decision = decide(history, now=moment, policy=_policy(batch, rules))
    if asked and decision.move is Move.VERIFY:
        # Whatever was asked about: no answer of mass/get is followed by the next question at once.
        pause = rules.waits.scaled(VERIFY_PAUSE)
        decision = replace(decision, not_before=moment + pause)
    if decision.move is Move.SPLIT and _cancelled(connection, batch):
        # Its halves would never be called.
        decision = replace(decision, move=Move.REFUSE)
    if news and _applies(batch, decision, history):
        _apply(connection, batch, decision, rules=rules)
    return decision


def _cancelled(connection: Connection, batch: AnyRow) -> bool:
    cancelled_at = select(BroadcastRow.cancelled_at).where(BroadcastRow.id == batch.broadcast_id)
    return connection.scalar(cancelled_at) is not None


def _policy(batch: AnyRow, rules: Rules) -> Policy:
    return Policy(waits=rules.waits, splits_left=rules.split_depth - batch.depth, size=batch.size)


def _applies(batch: AnyRow, decision: Decision, history: Sequence[Attempt]) -> bool:
    """Tell whether the decision changes anything now.

    While a newer attempt is in flight, only an acceptance or a contradiction is news: the newer
    attempt's own reply decides about the rest. A batch at rest is moved only by such news as well;
    it may rest there by a human's word, and WeChat's review comes after its acceptance.
    """
    contradiction = decision.reason in {Reason.TWO_MSG_IDS, Reason.FOREIGN_MSG_ID}
    news = decision.move is Move.ACCEPT or contradiction
    if batch.state is BatchState.SPLIT or batch.reason is Reason.REVIEW_REFUSED:
        return False
    in_flight = history[-1].outcome is None
    return news if in_flight or batch.state in BATCH_AT_REST else True


def expire(engine: Engine, batch_id: int, *, rules: Rules = DEFAULT_RULES) -> bool:
    """Hold an unknown batch for a human if WeChat's window is over; return whether it is held.

    A pause, a halt or a day without calls can outlast the window, and a repeat after it would be
    a second send.
    """

    def work(connection: Connection) -> bool:
        return expire_held(connection, lock(connection, batch_id), rules=rules)

    return write(engine, work)


def expire_held(connection: Connection, batch: AnyRow, *, rules: Rules) -> bool:
    """Do the work of :func:`expire` inside a transaction that holds the lane."""
    if batch.state is not BatchState.UNKNOWN:
        return False
    history = history_of(connection, batch)
    if now(connection) < window_end(history, rules.waits):
        return False
    decision = Decision(move=Move.DOUBT, reason=Reason.WINDOW_CLOSED)
    _apply(connection, batch, decision, rules=rules)
    return True


def _apply(connection: Connection, batch: AnyRow, decision: Decision, *, rules: Rules) -> None:
    handler = _HANDLERS[decision.move]
    handler(connection, batch, decision, rules=rules)
    if decision.scope is not Scope.BATCH:
        _spread(connection, batch, decision)
    guards.watch(connection, batch, decision, guards=rules.guards)
    if decision.move in _GOES_ON:
        moves.after_cancel(connection, batch.id)
    moves.rest(connection, batch.broadcast_id)


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
    moves.move_batch(
        connection, batch, target, msg_id=msg_id, msg_data_id=data_id,
        reason=Reason.SAID_SENT if named_by_person else None,
        errcode=None, errmsg=None, not_before=None, poll_at=poll_at,
    )  # fmt: skip


def _repeat(connection: Connection, batch: AnyRow, decision: Decision, *, rules: Rules) -> None:
    del rules
    doubtful = decision.move in {Move.REPEAT_UNKNOWN, Move.VERIFY}
    moves.move_batch(
        connection, batch, BatchState.UNKNOWN if doubtful else BatchState.PLANNED,
        not_before=decision.not_before, errcode=decision.errcode, errmsg=_words(connection, batch),
        reason=Reason.UNPROVED_ACCEPTANCE if decision.move is Move.VERIFY else decision.reason,
    )  # fmt: skip


def _end(connection: Connection, batch: AnyRow, decision: Decision, *, rules: Rules) -> None:
    del rules
    state = BatchState.IN_DOUBT if decision.move is Move.DOUBT else BatchState.REFUSED
    moves.move_batch(
        connection, batch, state, reason=decision.reason, errcode=decision.errcode,
        errmsg=_words(connection, batch), not_before=None, poll_at=None,
    )  # fmt: skip


def _split(connection: Connection, batch: AnyRow, decision: Decision, *, rules: Rules) -> None:
    del rules
    splits.split(connection, batch)
    moves.move_batch(
        connection, batch, BatchState.SPLIT, reason=decision.reason, errcode=decision.errcode
    )


#: After these a batch would be called again, unless its broadcast was cancelled meanwhile.
_GOES_ON = frozenset({Move.REPEAT, Move.REPEAT_UNKNOWN, Move.VERIFY, Move.SPLIT})

_HANDLERS = {
    Move.ACCEPT: _accept,
    Move.REPEAT_UNKNOWN: _repeat,
    Move.REPEAT: _repeat,
    Move.VERIFY: _repeat,
    Move.REFUSE: _end,
    Move.DOUBT: _end,
    Move.SPLIT: _split,
}


def _spread(connection: Connection, batch: AnyRow, decision: Decision) -> None:
    """Let a reply that concerns more than its batch stop or slow what it concerns."""
    words = _words(connection, batch)
    if decision.scope is Scope.BROADCAST:
        moves.pause(
            connection, batch.broadcast_id, reason=decision.reason, errcode=decision.errcode,
            errmsg=words,
        )  # fmt: skip
    if decision.scope is Scope.ACCOUNT and decision.not_before is not None:
        lanes.wait(connection, batch.account, until=decision.not_before, reason=decision.reason)
    elif decision.scope is Scope.ACCOUNT:
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
