"""Effects of a verdict about one batch: on it, its broadcast, its path and its lane."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, exists, func, select

from broadcast import openid
from broadcast.frozen import frozen
from broadcast.rules.calls.clientmsgid import clientmsgid_of
from broadcast.rules.calls.decide import Decision, Verdict
from broadcast.rules.calls.outcomes import SAID_ACCEPTED, Scope
from broadcast.rules.calls.waits import CircuitBreaker, Tuning
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.plan import cut as cut_module
from broadcast.rules.states import BATCH_AT_REST, BatchState, Reason
from models.accounts import AccountRow, Lane
from models.base import insert_row, is_so
from models.batch_tables import AttemptRow, Batch
from models.broadcast_tables import BroadcastRow
from models.ledger.campaigns import unconfirmed_runs
from models.ledger.gates import gate_changes, quotas
from models.ledger.gates.gate_changes import Closing
from models.ledger.lane import administrator_waits, transitions
from models.ledger.lists import recipients
from models.ledger.rows import lane_rows
from models.ledger.rows.transaction import WORKER, LockedBatch, every_row, selected

#: First question to mass/get after an acceptance; a small job has ended by then.
FIRST_POLL = timedelta(minutes=2)


def apply(
    connection: Connection,
    batch: LockedBatch,
    decision: Decision,
    *,
    tuning: Tuning,
    at: datetime,
) -> None:
    """Write down where *decision*, made *at* this moment, leads a batch whose lane is locked."""
    _HANDLERS[decision.verdict](connection, batch, decision, tuning=tuning, at=at)
    if decision.scope is not Scope.BATCH:
        _spread(connection, batch, decision, tuning=tuning)
    watch_breaker(connection, batch, decision, breaker=tuning.breaker)
    if decision.verdict in _GOES_ON:
        transitions.after_cancel(connection, batch)
    elif _was_to_be_called(batch):
        quotas.use_reserved_call(connection, batch.broadcast_id, batch.path, moment=at)
    usual = decision.verdict is Verdict.ACCEPT and batch.others_open
    transitions.end_if_at_rest(connection, batch.broadcast_id, stays_open=usual)
    if _changes_due(batch, decision, at):
        lane_rows.refresh_due(connection, batch.account)


def _was_to_be_called(batch: LockedBatch) -> bool:
    """Return whether a batch that ends had a call for its repeat; a batch to verify has none."""
    repeats = batch.state is BatchState.UNKNOWN and batch.reason is not Reason.UNPROVED_ACCEPTANCE
    return repeats or batch.state is BatchState.PLANNED


def _changes_due(batch: LockedBatch, decision: Decision, at: datetime) -> bool:
    """Return whether from when there is something to do may have changed for anybody on the lane.

    After a usual acceptance it has not: what was due stays due, or the broadcast has just ended.
    """
    usual = batch.state is BatchState.CALLING and decision.verdict not in _GOES_ON
    is_due = batch.due_at is not None and batch.due_at <= at
    return not (usual and is_due)


def _accept(
    connection: Connection, batch: LockedBatch, decision: Decision, *, tuning: Tuning, at: datetime
) -> None:
    target = BatchState.FINISHED if batch.state is BatchState.FINISHED else BatchState.ACCEPTED
    # An acceptance without a msg_id (45065 can lack it) says nothing against one that is there.
    msg_id = batch.msg_id if decision.msg_id is None else decision.msg_id
    # What mass/get said of the job that an operator had named is not said of this one.
    renamed = batch.msg_id not in {None, msg_id}
    # And without any mass/get has nothing to be asked about.
    asks = msg_id is not None and target is BatchState.ACCEPTED
    poll_at = at + tuning.waits.scaled(FIRST_POLL) if asks else None
    named_by_person = decision.msg_id is None and batch.reason is Reason.SAID_SENT
    transitions.move_batch(
        connection,
        batch,
        target,
        msg_id=msg_id,
        msg_data_id=decision.msg_data_id,
        reason=Reason.SAID_SENT if named_by_person else None,
        errcode=None,
        errmsg=None,
        not_before=None,
        poll_at=poll_at,
        msg_status=None if renamed else batch.msg_status,
    )
    if asks and batch.msg_id != msg_id:
        administrator_waits.begin(connection, batch, tuning=tuning, at=at)
    # Its event may have come before the reply.
    if (asks or renamed) and transitions.apply_finish_event(connection, batch.id):
        unconfirmed_runs.follow(connection, batch.id, path=batch.path)


def _repeat(
    connection: Connection, batch: LockedBatch, decision: Decision, *, tuning: Tuning, at: datetime
) -> None:
    del tuning, at
    doubtful = decision.verdict in {Verdict.REPEAT_UNKNOWN, Verdict.VERIFY}
    verifies = decision.verdict is Verdict.VERIFY
    transitions.move_batch(
        connection,
        batch,
        BatchState.UNKNOWN if doubtful else BatchState.PLANNED,
        not_before=decision.not_before,
        errcode=decision.errcode,
        errmsg=_errmsg(connection, batch),
        reason=Reason.UNPROVED_ACCEPTANCE if verifies else decision.reason,
    )
    if batch.state is BatchState.CALLING and not verifies:
        # Its call was taken from what is reserved, and there is one more to come.
        quotas.give_back(connection, batch, calls=1)


def _end(
    connection: Connection, batch: LockedBatch, decision: Decision, *, tuning: Tuning, at: datetime
) -> None:
    del tuning, at
    state = BatchState.IN_DOUBT if decision.verdict is Verdict.DOUBT else BatchState.REFUSED
    transitions.move_batch(
        connection,
        batch,
        state,
        reason=decision.reason,
        errcode=decision.errcode,
        errmsg=_errmsg(connection, batch),
        not_before=None,
        poll_at=None,
    )


def _split(
    connection: Connection, batch: LockedBatch, decision: Decision, *, tuning: Tuning, at: datetime
) -> None:
    del tuning, at
    halve(connection, batch)
    transitions.move_batch(
        connection, batch, BatchState.SPLIT, reason=decision.reason, errcode=decision.errcode
    )
    # Two calls are to come; one that had been unknown has one of them already.
    quotas.give_back(connection, batch, calls=2 if batch.state is BatchState.CALLING else 1)


def halve(connection: Connection, batch: LockedBatch) -> None:
    """Add two batches with the halves of *batch*'s range, each with a clientmsgid of its own."""
    if batch.list is None or batch.size is None:
        raise ValueError(f"batch {batch.id} has no recipients to be halved")
    row = connection.execute(
        select(BroadcastRow.key, BroadcastRow.content, AccountRow.appid)
        .join(AccountRow, AccountRow.name == BroadcastRow.account)
        .filter_by(id=batch.broadcast_id)
    ).one()
    packed = recipients.packed(
        connection, batch.broadcast_id, batch.list, start=batch.start, size=batch.size
    )
    n = connection.execute(
        select(func.max(Batch.n)).filter_by(broadcast_id=batch.broadcast_id)
    ).scalar_one()
    left, right = cut_module.halves(batch.size)
    cut = left * openid.PACKED_LENGTH
    for step, (start, size, half) in enumerate(
        ((batch.start, left, packed[:cut]), (batch.start + left, right, packed[cut:])), start=1
    ):
        insert_row(
            connection,
            Batch,
            broadcast_id=batch.broadcast_id,
            account=batch.account,
            path=batch.path,
            n=n + step,
            list=batch.list,
            start=start,
            size=size,
            parent_id=batch.id,
            depth=batch.depth + 1,
            state=BatchState.PLANNED,
            moved_counter=batch.gate_counter,
            clientmsgid=clientmsgid_of(
                appid=row.appid, key=row.key, content=row.content, packed=half
            ),
        )


#: After these a batch would be called again, unless its broadcast was cancelled meanwhile.
_GOES_ON = frozenset(
    {
        Verdict.REPEAT,
        Verdict.REPEAT_UNKNOWN,
        Verdict.VERIFY,
        Verdict.SPLIT,
    }
)

_HANDLERS = {
    Verdict.ACCEPT: _accept,
    Verdict.REPEAT_UNKNOWN: _repeat,
    Verdict.REPEAT: _repeat,
    Verdict.VERIFY: _repeat,
    Verdict.REFUSE: _end,
    Verdict.DOUBT: _end,
    Verdict.SPLIT: _split,
}


def _spread(
    connection: Connection, batch: LockedBatch, decision: Decision, *, tuning: Tuning
) -> None:
    """Close the gate, or begin the wait, of whatever the reply concerns beside the batch."""
    reason = decision.lane_reason or decision.reason
    # Where both interfaces share the day's calls, neither has any left.
    whole = decision.scope is Scope.ACCOUNT or (
        reason is Reason.QUOTA_TODAY and decision.scope is Scope.PATH and tuning.shared_quota
    )
    if reason is Reason.QUOTA_TODAY and decision.not_before is not None:
        path = None if whole else batch.path
        quotas.carry_over(connection, batch.account, until=decision.not_before, path=path)
    if whole and decision.not_before is not None:
        lane_rows.wait(connection, batch.account, until=decision.not_before, reason=reason)
        return
    closing = Closing(
        kind=GateKind.STOP,
        who=WORKER,
        reason=decision.reason,
        errcode=decision.errcode,
        errmsg=_errmsg(connection, batch),
        path=batch.path if decision.scope is Scope.PATH else None,
    )
    if decision.scope is Scope.BROADCAST:
        closing = replace(closing, kind=GateKind.BREAKER, broadcast_id=batch.broadcast_id)
    elif decision.not_before is not None:
        closing = replace(closing, kind=GateKind.QUOTA, reason=reason, until=decision.not_before)
    nothing_to_pause = batch.cancelled or not _has_more(connection, batch)
    if decision.scope is not Scope.BROADCAST or not nothing_to_pause:
        gate_changes.close(connection, batch.account, closing)


def _has_more(connection: Connection, batch: LockedBatch) -> bool:
    """Return whether a batch of the broadcast is still to be called."""
    there = transitions.counts(connection, batch.broadcast_id)
    return any(count for state, count in there.items() if state not in BATCH_AT_REST)


def _errmsg(connection: Connection, batch: LockedBatch) -> str | None:
    """Return WeChat's words of the last attempt that has some."""
    return connection.scalar(
        select(AttemptRow.errmsg)
        .where(AttemptRow.batch_id == batch.id, AttemptRow.errmsg.is_not(None))
        .order_by(AttemptRow.number.desc())
        .limit(1)
    )


def watch_breaker(
    connection: Connection, batch: LockedBatch, decision: Decision, *, breaker: CircuitBreaker
) -> None:
    """Trip the circuit breaker where *decision*, just applied to *batch*, is one too many."""
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
        gate_changes.close(
            connection,
            account,
            Closing(
                kind=GateKind.BREAKER,
                who=WORKER,
                reason=Reason.TOO_MANY_DOUBTS,
                count=len(ids),
                broadcasts=sorted(set(ids)),
            ),
        )


def _doubts(connection: Connection, account: str) -> list[str]:
    """Return of each batch that ended in doubt since the account's last unhalt its broadcast.

    A cancel and a silent administrator leave doubts as well; those are no sign that replies cannot
    be trusted.
    """
    since = select(Lane.breaker_since).filter_by(account=account).scalar_subquery()
    return list(
        connection.scalars(
            select(Batch.broadcast_id)
            .filter_by(account=account, state=BatchState.IN_DOUBT)
            .where(Batch.reason.not_in(_TRUSTED), Batch.moved_counter >= since)
        )
    )


_TRUSTED = (Reason.STOPPED_WHILE_UNKNOWN, Reason.ADMINISTRATOR_UNKNOWN)


def _after_refusal(
    connection: Connection, batch: LockedBatch, errcode: int, *, breaker: CircuitBreaker
) -> None:
    if not breaker.refusals or batch.cancelled:
        return
    refused = _refused_alike(connection, batch.broadcast_id, errcode)
    if breaker.pauses(refused=refused, waiting=_any_open(connection, batch.broadcast_id)):
        gate_changes.close(
            connection,
            batch.account,
            Closing(
                kind=GateKind.BREAKER,
                who=WORKER,
                broadcast_id=batch.broadcast_id,
                reason=Reason.TOO_MANY_REFUSALS,
                errcode=errcode,
                count=refused,
                broadcasts=[batch.broadcast_id],
            ),
        )


def _any_open(connection: Connection, broadcast_id: str) -> bool:
    query = exists().where(
        Batch.broadcast_id == broadcast_id, Batch.state.not_in(list(BATCH_AT_REST))
    )
    return is_so(connection, query)


@frozen
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
    since = select(BroadcastRow.breaker_since).filter_by(id=broadcast_id).scalar_subquery()
    alike = (
        selected(_Node, Batch)
        .filter_by(broadcast_id=broadcast_id, errcode=errcode)
        .where(Batch.reason == Reason.RECIPIENTS_REFUSED, Batch.moved_counter >= since)
    )
    called = exists().where(
        AttemptRow.batch_id == Batch.id, AttemptRow.id > _last_taken(connection, broadcast_id)
    )
    refused = every_row(connection, alike.filter_by(state=BatchState.REFUSED), _Node)
    halved = every_row(connection, alike.where(Batch.state == BatchState.SPLIT, called), _Node)
    return len(_roots(connection, [*refused, *halved]))


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
    nodes: Sequence[_Node] = list(batches)
    while nodes:
        found |= {node.id for node in nodes if node.parent_id is None}
        parents = {node.parent_id for node in nodes} - {None}
        query = selected(_Node, Batch).where(Batch.id.in_(parents))
        nodes = every_row(connection, query, _Node) if parents else ()
    return found
