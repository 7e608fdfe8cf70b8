"""Retrying by hand: what WeChat definitely refused, or was never asked for, is called again.

A batch is put back only if every call of it was a definite refusal, or a person said that it was
not sent; it keeps its clientmsgid. One that a restored backup had may have been called since: a
person resumes it. What may have been sent is never touched here. Nor is a batch some of whose
followers were suppressed or erased since: its repeat must be the same request, so it would reach
them. They are looked for at the retry, and once more before the call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, Engine, select

from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import Outcome, content_stays_refused
from broadcast.rules.calls.retry import LEFT_OVER, RetryVerdict, retry_verdict
from broadcast.rules.calls.waits import Waits
from broadcast.rules.gates.gate import (
    RESUME_OPENS,
    RETRY_LEAVES,
    Gate,
    GateKind,
    traits_of,
)
from broadcast.rules.reports import Did, RetryGroup, total
from broadcast.rules.states import BatchState, Phase, Reason
from models.base import change, value_of
from models.batch_tables import AttemptRow, Batch
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.ledger.gates import gate_changes, quotas, restores
from models.ledger.gates.gate_changes import Closing
from models.ledger.lane import call_history, record_outcomes, transitions
from models.ledger.lane.next_work import Work
from models.ledger.lists import recipients, suppressions
from models.ledger.rows import erased_people, lane_rows, locked_rows
from models.ledger.rows.locked_rows import log_action, run
from models.ledger.rows.transaction import LockedBroadcast, every_row, read, selected, writing
from models.ledger.steer import operator

_AS_WECHAT = Waits()


class Goes(StrEnum):
    """Answer whether the broadcast itself goes on after the retry; each has its text."""

    ON = "on"  #: it had stood still, or had ended, and goes on now
    ALREADY = "already"  #: it was going on all the while
    PAUSED = "paused"  #: a person paused it, and only a resume lifts that
    HELD = "held"  #: what holds it only a resume opens, which asks or proves anew
    REFUSED = "refused"  #: its content is refused: the rest would be refused as well
    NOTHING = "nothing"  #: nothing of it waits for a call


@frozen
class Retried:
    """Result of a retry: what it did, what it left, and why."""

    placed: Sequence[RetryGroup]
    goes: Goes
    #: Of what is called again: batches whose key WeChat no longer knows, by number, each with how
    #: old its last call is that may have been taken. A wrong word sends them twice.
    forgotten: Mapping[int, timedelta]
    #: How many are suppressed by now in batches that are left alone for it, by number.
    suppressed: Mapping[int, int]

    def groups_of(self, place: RetryVerdict) -> list[RetryGroup]:
        """Return the groups of one verdict."""
        return [group for group in self.placed if group.verdict is place]


def retry(
    engine: Engine,
    broadcast_id: str,
    *,
    who: str,
    why: str | None = None,
    waits: Waits = _AS_WECHAT,
) -> Retried:
    """Requeue the batches that may be called again, with their clientmsgids; idempotent.

    Raises UnknownIdError, and InputError for a cancelled broadcast: a cancel is final.
    """
    with read(engine) as connection:
        found = retry_verdict_of(connection, broadcast_id)
    kept = suppressed_batches(engine, broadcast_id, found)

    def work(connection: Connection, broadcast: LockedBroadcast) -> Retried:
        locked_rows.refuse_pruned(connection, broadcast.id)
        if operator.is_cancelled(connection, broadcast):
            raise InputError("error.retry.cancelled", id=broadcast.id)
        left = without_suppressed(retry_verdict_of(connection, broadcast.id), kept)
        again = [batch.row.id for batch in left if batch.place is RetryVerdict.AGAIN]
        if again and restores.is_as_in_backup(connection, again):
            closing = Closing(kind=GateKind.RESTORED, who=who, broadcast_id=broadcast.id)
            gate_changes.close(connection, broadcast.account, closing)
        for batch_id in again:
            batch = locked_rows.locked_batch(connection, batch_id)
            transitions.move_batch(
                connection,
                batch,
                BatchState.PLANNED,
                who=who,
                why=why,
                reason=None,
                errcode=None,
                errmsg=None,
                not_before=None,
                begins_anew=True,
            )
            # Unproved, as a submit while WeChat is away; but no other plan counts on this call.
            quotas.give_back(connection, batch, calls=1)
        if again:
            transitions.raise_version(connection, broadcast.id)
        own = operator.own_gates(connection, broadcast)
        goes = _go_on(connection, broadcast, left, own=own, who=who, why=why)
        if again or goes is Goes.ON:
            log_action(connection, broadcast, Did.RETRY, who=who, why=why, batches=len(again))
        lane_rows.refresh_due(connection, broadcast.account)
        return Retried(
            placed=grouped(left),
            goes=goes,
            forgotten=call_history.forgotten(
                connection, broadcast.id, Batch.id.in_(again), waits=waits
            ),
            suppressed={
                one.row.n: kept[one.row.id] for one in left if one.place is RetryVerdict.SUPPRESSED
            },
        )

    return run(engine, broadcast_id, work)


@writing
def mark_refused_again(connection: Connection, work: Work) -> bool:
    """Refuse a batch again that waits for its call since a retry; return whether it still did.

    Somebody in it was suppressed meanwhile. Where only a person said that it was not sent, that
    stays the reason.
    """
    batch = record_outcomes.lock(connection, work.batch_id)
    if batch.state is not BatchState.PLANNED or batch.attempts != work.attempts:
        return False
    reason = Reason.SAID_NOT_SENT if batch.any_denied else Reason.SUPPRESSED_SINCE
    transitions.move_batch(
        connection,
        batch,
        BatchState.REFUSED,
        reason=reason,
        not_before=None,
        begins_anew=False,
    )
    quotas.release(connection, batch.broadcast_id, calls=1)
    transitions.end_if_at_rest(connection, batch.broadcast_id)
    lane_rows.refresh_due(connection, batch.account)
    return True


def _go_on(
    connection: Connection,
    broadcast: LockedBroadcast,
    left: Sequence[Left],
    *,
    own: Sequence[Gate],
    who: str,
    why: str | None,
) -> Goes:
    there = {batch.place for batch in left}
    ended = broadcast.phase is Phase.ENDED
    mine = [gate for gate in own if gate.kind in RESUME_OPENS]
    if not ended and not mine:
        if RetryVerdict.AGAIN in there:
            operator.reset_breaker(connection, broadcast)
        # Its lane may have been driven to its end already; the sweep looks at once.
        lane_rows.wake(connection, broadcast.account)
        return Goes.ALREADY
    goes_on = {RetryVerdict.AGAIN, RetryVerdict.NEVER_CALLED, RetryVerdict.WAITS}
    if broadcast.phase is not Phase.PLANNING and not there & goes_on:
        return Goes.NOTHING
    if ended:
        _reopen(connection, broadcast)
    left_closed = [traits_of(gate.kind) for gate in mine if gate.kind in RETRY_LEAVES]
    if left_closed:
        return Goes.PAUSED if any(one.by_person for one in left_closed) else Goes.HELD
    if any(content_stays_refused(gate.reason, gate.errcode) for gate in mine):
        return Goes.REFUSED
    gate_changes.open_(connection, broadcast.account, mine, who=who, why=why)
    operator.reset_breaker(connection, broadcast)
    return Goes.ON


def _reopen(connection: Connection, broadcast: LockedBroadcast) -> None:
    """Reopen the calls of a broadcast that had ended."""
    moment = now(connection)
    change(
        connection,
        BroadcastRow,
        broadcast.id,
        phase=Phase.SENDING,
        result=None,
        finished_at=None,
        moved_at=moment,
        version=BroadcastRow.version + 1,
    )


def retry_verdicts(engine: Engine, broadcast_id: str) -> list[RetryGroup]:
    """Return what a retry would find, were it not refused because the broadcast is cancelled."""
    with read(engine) as connection:
        left = retry_verdict_of(connection, broadcast_id)
    return grouped(without_suppressed(left, suppressed_batches(engine, broadcast_id, left)))


@frozen
class LeftBatch:
    """A batch that is left over."""

    id: int
    n: int
    size: int | None
    state: BatchState
    reason: Reason | None
    errcode: int | None
    attempts: int
    erased: int


@dataclass(frozen=True, slots=True)
class Left:
    """A batch that is left over, and what a retry does with it."""

    row: LeftBatch
    place: RetryVerdict


def retry_verdict_of(connection: Connection, broadcast_id: str) -> list[Left]:
    """Return the batches that are neither accepted nor split nor cancelled, with their verdicts.

    None of a broadcast that was pruned: nobody knows their calls any more.
    """
    rows = every_row(
        connection,
        selected(LeftBatch, Batch)
        .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
        .where(Batch.broadcast_id == broadcast_id, Batch.state.in_(LEFT_OVER))
        .filter_by(pruned_at=None)
        .order_by(Batch.n),
        LeftBatch,
    )
    sent = _refused_with(connection, broadcast_id, call_history.MAYBE, call_history.UNDENIED)
    took = _refused_with(connection, broadcast_id, AttemptRow.outcome == Outcome.ACCEPTED)
    return [
        Left(
            row,
            RetryVerdict.ERASED
            if row.erased
            else retry_verdict(
                row.state,
                row.reason,
                errcode=row.errcode,
                called=bool(row.attempts),
                maybe_sent=row.id in sent,
                was_taken=row.id in took,
            ),
        )
        for row in rows
    ]


@frozen
class _Range:
    id: int
    list: str
    start: int
    size: int


def suppressed_batches(
    engine: Engine, broadcast_id: str, left: Sequence[Left]
) -> Mapping[int, int]:
    """Return, by its id, how many are suppressed by now in each batch that could be called again.

    A look at many lists, which no transaction is to wait for.
    """
    again = [one.row.id for one in left if one.place is RetryVerdict.AGAIN]
    return suppressed_in(engine, broadcast_id, again)


def suppressed_in(
    engine: Engine, broadcast_id: str, batch_ids: Collection[int]
) -> Mapping[int, int]:
    """Return the same of these batches, and erased people of their lists that are not cut yet.

    Who is suppressed gets a broadcast that goes to them all the same; WeChat's own lists name none.
    """
    if not batch_ids:
        return {}
    with read(engine) as connection:
        account = value_of(connection, broadcast_id, BroadcastRow.account)
        heeded = recipients.heeded_in(connection, broadcast_id)
    assert account is not None
    erased = erased_people.erased_among(engine, account)
    if not (heeded or erased):
        return {}
    from broadcast.sorted_openids import Stream, unpacked  # noqa: PLC0415 - numpy

    ranges = selected(_Range, Batch).where(
        Batch.id.in_(batch_ids), Batch.list.is_not(None), Batch.size > 0
    )
    with read(engine) as connection:
        batches = every_row(connection, ranges.order_by(Batch.n), _Range)
    found = {}
    for batch in batches:
        with read(engine) as connection:
            packed = recipients.packed(
                connection, broadcast_id, batch.list, start=batch.start, size=batch.size
            )
        ids = unpacked(packed)
        people = set(erased(ids.tolist())) if erased else set()
        if heeded:
            within = (ids[0].decode(), ids[-1].decode())
            stream = Stream(suppressions.pieces(engine, account, between=within))
            people.update(ids[stream.hits(ids)].tolist())
        found[batch.id] = len(people)
    return {batch_id: count for batch_id, count in found.items() if count}


def without_suppressed(left: Sequence[Left], suppressed: Mapping[int, int]) -> list[Left]:
    """Return the batches, those left alone in which somebody is suppressed by now."""
    return [
        replace(one, place=RetryVerdict.SUPPRESSED)
        if one.place is RetryVerdict.AGAIN and one.row.id in suppressed
        else one
        for one in left
    ]


def _refused_with(
    connection: Connection, broadcast_id: str, *which: ColumnElement[bool]
) -> set[int]:
    """Return the refused batches that have such a call."""
    return set(
        connection.scalars(
            select(AttemptRow.batch_id)
            .join(Batch, Batch.id == AttemptRow.batch_id)
            .filter_by(broadcast_id=broadcast_id, state=BatchState.REFUSED)
            .where(*which)
        )
    )


_Cause = tuple[RetryVerdict, Reason | None, int | None]


def grouped(batches: Sequence[Left]) -> list[RetryGroup]:
    """Group batches of which the same is to be said."""
    groups: dict[_Cause, list[LeftBatch]] = defaultdict(list)
    for batch in batches:
        is_caused = batch.place not in {RetryVerdict.NEVER_CALLED, RetryVerdict.WAITS}
        cause = (batch.row.reason, batch.row.errcode) if is_caused else (None, None)
        groups[(batch.place, *cause)].append(batch.row)
    return [
        RetryGroup(
            verdict=place,
            numbers=[row.n for row in rows],
            followers=total(row.size for row in rows),
            reason=reason,
            errcode=errcode,
        )
        for (place, reason, errcode), rows in groups.items()
    ]
