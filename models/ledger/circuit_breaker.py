"""The circuit breaker: what repeats itself pauses a broadcast, or stops an account, at once.

It counts what ended since an operator last resumed, by the account's gate counter. So a resume,
a retry or an unhalt is not undone by what was there before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, exists, func, select

from broadcast.call.circuit_breaker import CircuitBreaker
from broadcast.call.decide import Decision, Verdict
from broadcast.call.outcomes import SAID_ACCEPTED
from broadcast.gates.kinds import GateKind
from broadcast.reasons import Reason
from broadcast.states import BATCH_AT_REST, BatchState
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.ledger import gates
from models.ledger.gates import Closing
from models.ledger.rows import HeldBatch
from models.ledger.transaction import WORKER


def watch(
    connection: Connection, batch: HeldBatch, decision: Decision, *, breaker: CircuitBreaker
) -> None:
    """Look whether *decision*, which has just been applied to *batch*, is one too many."""
    if decision.verdict in {Verdict.REFUSE, Verdict.SPLIT} and decision.errcode is not None:
        _after_refusal(connection, batch, decision.errcode, breaker=breaker)
    elif decision.verdict is Verdict.DOUBT:
        after_doubt(connection, batch.account, breaker)


def after_doubt(connection: Connection, account: str, breaker: CircuitBreaker) -> None:
    """Stop an account of which one more batch has ended in doubt, if it is one too many."""
    if not breaker.doubts:
        return
    ids = _doubts(connection, account)
    if breaker.stops(doubts=len(ids)):
        gates.close(
            connection, account,
            Closing(
                kind=GateKind.BREAKER, who=WORKER, reason=Reason.TOO_MANY_DOUBTS, count=len(ids),
                broadcasts=sorted(set(ids)),
            ),
        )  # fmt: skip


def _doubts(connection: Connection, account: str) -> list[str]:
    """Return of each batch that ended in doubt since the account's last unhalt its broadcast.

    A cancel leaves doubts as well; those are no sign that replies cannot be trusted.
    """
    since = select(Lane.breaker_since).where(Lane.account == account).scalar_subquery()
    return list(
        connection.scalars(
            select(Batch.broadcast_id)
            .where(Batch.account == account, Batch.state == BatchState.IN_DOUBT)
            .where(Batch.reason != Reason.STOPPED_WHILE_UNKNOWN, Batch.moved_counter >= since)
        )
    )


def _after_refusal(
    connection: Connection, batch: HeldBatch, errcode: int, *, breaker: CircuitBreaker
) -> None:
    if not breaker.refusals or batch.cancelled:
        return
    refused = _refused_alike(connection, batch.broadcast_id, errcode)
    if breaker.pauses(refused=refused, waiting=_any_open(connection, batch.broadcast_id)):
        gates.close(
            connection, batch.account,
            Closing(
                kind=GateKind.BREAKER, who=WORKER, broadcast_id=batch.broadcast_id,
                reason=Reason.TOO_MANY_REFUSALS, errcode=errcode, count=refused,
                broadcasts=[batch.broadcast_id],
            ),
        )  # fmt: skip


def _any_open(connection: Connection, broadcast_id: str) -> bool:
    query = exists().where(
        Batch.broadcast_id == broadcast_id, Batch.state.not_in(list(BATCH_AT_REST))
    )
    return bool(connection.scalar(select(query)))


@dataclass(frozen=True, slots=True)
class _Node:
    """A batch and the one that it was cut from."""

    id: int
    parent_id: int | None


def _refused_alike(connection: Connection, broadcast_id: str, errcode: int) -> int:
    """Count the batches that were refused with *errcode* since an operator last resumed.

    Halves count as the batch that they were cut from. One that was halved is refused as well, but
    its halves may be taken: it counts as long as WeChat has taken nothing of the broadcast since,
    for then the list is wrong and not a few OpenIDs in it.
    """
    since = (
        select(BroadcastRow.breaker_since).where(BroadcastRow.id == broadcast_id).scalar_subquery()
    )
    alike = (
        select(Batch.id, Batch.parent_id)
        .where(Batch.broadcast_id == broadcast_id, Batch.errcode == errcode)
        .where(Batch.reason == Reason.RECIPIENTS_REFUSED, Batch.moved_counter >= since)
    )
    called = exists().where(
        AttemptRow.batch_id == Batch.id, AttemptRow.id > _last_taken(connection, broadcast_id)
    )
    refused = connection.execute(alike.where(Batch.state == BatchState.REFUSED)).all()
    halved = connection.execute(alike.where(Batch.state == BatchState.SPLIT, called)).all()
    return len(_roots(connection, [_Node(*row) for row in (*refused, *halved)]))


def _last_taken(connection: Connection, broadcast_id: str) -> int:
    """Return the last call of the broadcast that WeChat took. A lane's calls are in order."""
    query = (
        select(func.max(AttemptRow.id))
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .where(Batch.broadcast_id == broadcast_id, AttemptRow.outcome.in_(SAID_ACCEPTED))
    )
    return connection.scalar(query) or 0


def _roots(connection: Connection, batches: Iterable[_Node]) -> set[int]:
    """Return the batches that were planned and never halves, of which *batches* are."""
    found: set[int] = set()
    nodes = list(batches)
    while nodes:
        found |= {node.id for node in nodes if node.parent_id is None}
        parents = {node.parent_id for node in nodes} - {None}
        query = select(Batch.id, Batch.parent_id).where(Batch.id.in_(parents))
        nodes = [_Node(*row) for row in connection.execute(query)] if parents else []
    return found
