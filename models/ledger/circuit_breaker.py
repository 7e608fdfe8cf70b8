"""The circuit breaker: what repeats itself pauses a broadcast, or stops an account, at once.

Counted is only what happened since a person let it go on last: the history knows. So a resume, or
an unhalt, is not undone by what was there before.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, Select, exists, func, select

from broadcast.call.attempts import Reason
from broadcast.call.decide import Decision, Verdict
from broadcast.call.outcomes import SAID_ACCEPTED
from broadcast.events import EventKind
from broadcast.gates.circuit_breaker import CircuitBreaker
from broadcast.states import BATCH_OPEN, BatchState
from models.attempt import AttemptRow
from models.batch import Batch
from models.event import Event
from models.ledger import stops, transitions
from models.ledger.transaction import WORKER, AnyRow, note


def watch(
    connection: Connection, batch: AnyRow, decision: Decision, *, guards: CircuitBreaker
) -> None:
    """Look whether *decision*, which has just been applied to *batch*, is one too many."""
    if decision.verdict in {Verdict.REFUSE, Verdict.SPLIT} and decision.errcode is not None:
        _after_refusal(connection, batch.broadcast_id, decision.errcode, guards=guards)
    elif decision.verdict is Verdict.DOUBT:
        after_doubt(connection, batch.account, guards)


def after_doubt(connection: Connection, account: str, guards: CircuitBreaker) -> None:
    """Stop an account of which one more batch has ended in doubt, if it is one too many."""
    if not guards.doubts:
        return
    there = connection.execute(_doubts(connection, account)).all()
    if guards.stops(doubts=len(there)) and stops.stop(
        connection, account, reason=Reason.TOO_MANY_DOUBTS, errcode=None, errmsg=None
    ):
        ids = sorted({row.broadcast_id for row in there})
        note(
            connection, EventKind.GUARD, who=WORKER, account=account, reason=Reason.TOO_MANY_DOUBTS,
            count=len(there), broadcasts=ids,
        )  # fmt: skip


def _after_refusal(
    connection: Connection, broadcast_id: str, errcode: int, *, guards: CircuitBreaker
) -> None:
    if not guards.refusals:
        return
    refused = _refused_alike(connection, broadcast_id, errcode)
    if guards.pauses(
        refused=refused, waiting=_any_open(connection, broadcast_id)
    ) and transitions.pause(
        connection, broadcast_id, reason=Reason.TOO_MANY_REFUSALS, errcode=errcode, errmsg=None
    ):
        note(
            connection, EventKind.GUARD, who=WORKER, broadcast_id=broadcast_id, errcode=errcode,
            reason=Reason.TOO_MANY_REFUSALS, count=refused, broadcasts=[broadcast_id],
        )  # fmt: skip


def _any_open(connection: Connection, broadcast_id: str) -> bool:
    query = exists().where(Batch.broadcast_id == broadcast_id, Batch.state.in_(BATCH_OPEN))
    return bool(connection.scalar(select(query)))


def _refused_alike(connection: Connection, broadcast_id: str, errcode: int) -> int:
    """Count the batches that were refused with *errcode* since a person let them go on.

    Halves count as the batch that they were cut from. One that was halved is refused as well, but
    its halves may be taken: it counts as long as WeChat has taken nothing of the broadcast since,
    for then the list is wrong and not a few OpenIDs in it.
    """
    moved = _moved_since(_last_word(connection, broadcast_id))
    alike = (
        select(Batch.id, Batch.parent_id)
        .where(Batch.broadcast_id == broadcast_id, Batch.errcode == errcode, moved)
        .where(Batch.reason == Reason.RECIPIENTS_REFUSED)
    )
    called = exists().where(
        AttemptRow.batch_id == Batch.id, AttemptRow.id > _last_taken(connection, broadcast_id)
    )
    refused = connection.execute(alike.where(Batch.state == BatchState.REFUSED)).all()
    halved = connection.execute(alike.where(Batch.state == BatchState.SPLIT, called)).all()
    return len(_roots(connection, [*refused, *halved]))


def _moved_since(event_id: int) -> ColumnElement[bool]:
    return exists().where(
        Event.broadcast_id == Batch.broadcast_id, Event.batch_id == Batch.id,
        Event.kind == EventKind.BATCH_MOVE, Event.id > event_id,
    )  # fmt: skip


def _last_word(connection: Connection, broadcast_id: str) -> int:
    """Return the line of history in which a person moved the broadcast last."""
    query = select(func.max(Event.id)).where(
        Event.broadcast_id == broadcast_id,
        Event.kind == EventKind.BROADCAST_MOVE,
        Event.who != WORKER,
    )
    return connection.scalar(query) or 0


def _last_taken(connection: Connection, broadcast_id: str) -> int:
    """Return the last call of the broadcast that WeChat took. A lane's calls are in order."""
    query = (
        select(func.max(AttemptRow.id))
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .where(Batch.broadcast_id == broadcast_id, AttemptRow.outcome.in_(SAID_ACCEPTED))
    )
    return connection.scalar(query) or 0


def _roots(connection: Connection, batches: Iterable[AnyRow]) -> set[int]:
    """Return the batches that were planned and never halves, of which *batches* are."""
    found: set[int] = set()
    rows = list(batches)
    while rows:
        found |= {row.id for row in rows if row.parent_id is None}
        parents = {row.parent_id for row in rows} - {None}
        query = select(Batch.id, Batch.parent_id).where(Batch.id.in_(parents))
        rows = list(connection.execute(query)) if parents else []
    return found


def _doubts(connection: Connection, account: str) -> Select[int, str]:
    """Select what ended in doubt since the account's last unhalt, and still is.

    A cancel leaves doubts as well; those are no sign that replies cannot be trusted.
    """
    unhalted = connection.scalar(
        select(func.max(Event.id)).where(
            Event.broadcast_id.is_(None),
            Event.account == account,
            Event.kind == EventKind.LANE_UNHALT,
        )
    )
    return (
        select(Batch.id, Batch.broadcast_id)
        .where(Batch.account == account, Batch.state == BatchState.IN_DOUBT)
        .where(Batch.reason != Reason.STOPPED_WHILE_UNKNOWN, _moved_since(unhalted or 0))
    )
