"""Records: what came back from a call, and what follows from the batch's whole history.

A fact is always stored on its own attempt's row, however late and whoever holds the lane by now;
then :func:`broadcast.decide.decide` looks at all attempts of the batch, and its decision is applied
in the same transaction. Storing the same fact twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, exists, func, select, update

from broadcast.attempts import Attempt, Reason, Scope
from broadcast.decide import Decision, Move, Policy, decide
from broadcast.outcomes import Outcome
from broadcast.states import BATCH_AT_REST, BatchState
from broadcast.waits import Waits
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger import lanes, moves, splits
from models.ledger.transaction import write

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

    waits: Waits = Waits()
    split_depth: int = 4


DEFAULT_RULES = Rules()


def record(engine: Engine, attempt_id: int, fact: Fact, rules: Rules = DEFAULT_RULES) -> Decision:
    """Store what *attempt_id* ended as and apply what follows; idempotent."""
    return write(engine, lambda connection: store(connection, attempt_id, fact, rules))


def give_back(engine: Engine, claim: str, rules: Rules = DEFAULT_RULES) -> bool:
    """Record that a claimed call was not made; return whether there was such a claim.

    Only for the claimer itself, before it has called: nobody else can know it.
    """

    def work(connection: Connection) -> bool:
        attempt_id = connection.scalar(
            select(AttemptRow.id).where(AttemptRow.claim == claim, AttemptRow.outcome.is_(None))
        )
        if attempt_id is not None:
            store(connection, attempt_id, Fact(outcome=Outcome.NOT_CALLED), rules)
        return attempt_id is not None

    return write(engine, work)


def confirm(
    engine: Engine, batch_id: int, msg_id: int, *, known: bool, rules: Rules = DEFAULT_RULES
) -> Decision:
    """Store what mass/get said about the msg_id of a 45065, and decide anew."""

    def work(connection: Connection) -> Decision:
        batch = _lock(connection, batch_id)
        connection.execute(
            update(AttemptRow)
            .where(AttemptRow.batch_id == batch_id, AttemptRow.msg_id == msg_id)
            .values(confirmed=known)
        )
        return _settle(connection, batch, rules)

    return write(engine, work)


def store(
    connection: Connection, attempt_id: int, fact: Fact, rules: Rules = DEFAULT_RULES
) -> Decision:
    """Do the work of :func:`record` inside a transaction."""
    batch_id = connection.execute(
        select(AttemptRow.batch_id).where(AttemptRow.id == attempt_id)
    ).scalar_one()
    batch = _lock(connection, batch_id)
    values = asdict(fact)
    values["errmsg"] = values["errmsg"] and values["errmsg"][:512]
    connection.execute(
        update(AttemptRow)
        .where(AttemptRow.id == attempt_id, AttemptRow.outcome.is_(None))
        .values(ended_at=now(connection), **values)
    )
    return _settle(connection, batch, rules)


def _lock(connection: Connection, batch_id: int) -> Row[Any]:
    """Read a batch and hold it, after its lane, in the order in which claims lock."""
    account = connection.execute(select(Batch.account).where(Batch.id == batch_id)).scalar_one()
    connection.execute(
        select(lanes.Lane.fence).where(lanes.Lane.account == account).with_for_update()
    )
    return connection.execute(
        select(
            Batch.id, Batch.broadcast_id, Batch.account, Batch.state, Batch.size, Batch.depth,
            Batch.pack_id,
        )
        .where(Batch.id == batch_id)
        .with_for_update()
    ).one()  # fmt: skip


def history_of(connection: Connection, batch: Row[Any]) -> list[Attempt]:
    """Return all attempts of a batch, oldest first, as the decision needs them."""
    other = (
        exists()
        .where(Batch.account == batch.account, Batch.msg_id == AttemptRow.msg_id)
        .where(Batch.id != batch.id)
    )
    rows = connection.execute(
        select(
            AttemptRow.number, AttemptRow.outcome, AttemptRow.started_at, AttemptRow.ended_at,
            AttemptRow.errcode, AttemptRow.msg_id, AttemptRow.confirmed,
            other.label("owned_elsewhere"),
        )
        .where(AttemptRow.batch_id == batch.id)
        .order_by(AttemptRow.number)
    )  # fmt: skip
    return [Attempt(**(dict(row) | {"owned_elsewhere": bool(row["owned_elsewhere"])}))
            for row in rows.mappings()]  # fmt: skip


def _settle(connection: Connection, batch: Row[Any], rules: Rules) -> Decision:
    history = history_of(connection, batch)
    policy = Policy(
        waits=rules.waits, splits_left=rules.split_depth - batch.depth, size=batch.size
    )
    decision = decide(history, now=now(connection), policy=policy)
    if _applies(batch.state, decision, history):
        _apply(connection, batch, decision, rules)
    return decision


def _applies(state: BatchState, decision: Decision, history: Sequence[Attempt]) -> bool:
    """Tell whether the decision changes anything now.

    While a newer attempt is in flight, only an acceptance or a contradiction is news: the newer
    attempt's own reply decides about the rest. A batch at rest is moved only by such news as well.
    """
    news = decision.move in {Move.ACCEPT, Move.DOUBT}
    in_flight = history[-1].outcome is None
    if state in BATCH_AT_REST:
        return news and state is not BatchState.SPLIT
    return news and decision.reason is not Reason.WINDOW_CLOSED if in_flight else True


def _apply(connection: Connection, batch: Row[Any], decision: Decision, rules: Rules) -> None:
    handler = _HANDLERS[decision.move]
    handler(connection, batch, decision, rules)
    _spread(connection, batch, decision)
    _after_cancel(connection, batch)
    moves.rest(connection, batch.broadcast_id)


def _accept(connection: Connection, batch: Row[Any], decision: Decision, rules: Rules) -> None:
    target = BatchState.FINISHED if batch.state is BatchState.FINISHED else BatchState.ACCEPTED
    data_id = connection.scalar(
        select(func.max(AttemptRow.msg_data_id)).where(AttemptRow.batch_id == batch.id)
    )
    first = rules.waits.scaled(FIRST_POLL)
    # Without a msg_id (45065 can lack it) mass/get has nothing to be asked about.
    poll_at = now(connection) + first if decision.msg_id is not None else None
    moves.move_batch(
        connection, batch, target, msg_id=decision.msg_id, msg_data_id=data_id, reason=None,
        errcode=None, errmsg=None, not_before=None, poll_at=poll_at,
    )  # fmt: skip
    lanes.flow(connection, batch.account)


def _repeat(connection: Connection, batch: Row[Any], decision: Decision, rules: Rules) -> None:
    del rules
    doubtful = decision.move in {Move.REPEAT_UNKNOWN, Move.VERIFY}
    moves.move_batch(
        connection, batch, BatchState.UNKNOWN if doubtful else BatchState.PLANNED,
        not_before=decision.not_before, errcode=decision.errcode, errmsg=_words(connection, batch),
        reason=Reason.UNPROVED_ACCEPTANCE if decision.move is Move.VERIFY else decision.reason,
    )  # fmt: skip


def _end(connection: Connection, batch: Row[Any], decision: Decision, rules: Rules) -> None:
    del rules
    state = BatchState.IN_DOUBT if decision.move is Move.DOUBT else BatchState.REFUSED
    moves.move_batch(
        connection, batch, state, reason=decision.reason, errcode=decision.errcode,
        errmsg=_words(connection, batch), not_before=None,
    )  # fmt: skip


def _split(connection: Connection, batch: Row[Any], decision: Decision, rules: Rules) -> None:
    del rules
    splits.split(connection, batch)
    moves.move_batch(
        connection, batch, BatchState.SPLIT, reason=decision.reason, errcode=decision.errcode
    )


_HANDLERS = {
    Move.ACCEPT: _accept,
    Move.REPEAT_UNKNOWN: _repeat,
    Move.REPEAT: _repeat,
    Move.VERIFY: _repeat,
    Move.REFUSE: _end,
    Move.DOUBT: _end,
    Move.SPLIT: _split,
}


def _spread(connection: Connection, batch: Row[Any], decision: Decision) -> None:
    """Let a reply that concerns more than its batch stop or slow what it concerns."""
    words = _words(connection, batch)
    if decision.scope is Scope.BROADCAST:
        moves.pause(
            connection, batch.broadcast_id, reason=decision.reason, errcode=decision.errcode,
            errmsg=words,
        )  # fmt: skip
    if decision.scope is Scope.ACCOUNT and decision.not_before is not None:
        lanes.wait(
            connection, batch.account, until=decision.not_before, reason=decision.reason
        )
    elif decision.scope is Scope.ACCOUNT:
        lanes.stop(
            connection, batch.account, reason=decision.reason, errcode=decision.errcode,
            errmsg=words,
        )  # fmt: skip


def _after_cancel(connection: Connection, batch: Row[Any]) -> None:
    """Carry a cancel through for a batch that was in flight when it was said.

    Without an unknown attempt it was never sent: cancelled. With one nobody knows: in doubt.
    """
    row = connection.execute(
        select(BroadcastRow.cancelled_at, Batch.id, Batch.broadcast_id, Batch.state)
        .join(Batch, Batch.broadcast_id == BroadcastRow.id)
        .where(Batch.id == batch.id)
    ).one()
    if row.cancelled_at is None:
        return
    if row.state is BatchState.PLANNED:
        moves.move_batch(connection, row, BatchState.CANCELLED, not_before=None)
    elif row.state is BatchState.UNKNOWN:
        moves.move_batch(
            connection, row, BatchState.IN_DOUBT, reason=Reason.STOPPED_WHILE_UNKNOWN,
            not_before=None,
        )  # fmt: skip


def _words(connection: Connection, batch: Row[Any]) -> str | None:
    """Return WeChat's words of the last attempt that has some."""
    return connection.scalar(
        select(AttemptRow.errmsg)
        .where(AttemptRow.batch_id == batch.id, AttemptRow.errmsg.is_not(None))
        .order_by(AttemptRow.number.desc())
        .limit(1)
    )
