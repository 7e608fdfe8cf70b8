"""The audit: the delivery promise as questions to the ledger, all of them in one list.

Everything is recounted from packed OpenIDs and attempts; stored totals are only compared. Each
broadcast is read in one snapshot, so that workers may go on, and one after the other, so that
memory holds one of them. The number of statements does not grow with its batches.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Engine, and_, func, or_, select
from sqlalchemy.orm import aliased

from broadcast.enums import recognised
from broadcast.frozen import frozen
from broadcast.names import EventKind
from broadcast.rules.calls.outcomes import SAID_ACCEPTED
from broadcast.rules.calls.waits import Waits
from broadcast.rules.finish_events import Counts, job_end_of
from broadcast.rules.gates.lateness import STUCK
from broadcast.rules.plan.audience import OpenIDs
from broadcast.rules.plan.cut import ASKED
from broadcast.rules.states import SENT, BatchState, Phase
from models.accounts import AccountRow, Lane
from models.batch_tables import OF_ACCOUNT, STANDS, AttemptRow, Batch, GateRow
from models.box_tables import Finish
from models.broadcast_tables import BroadcastRow, Reservation
from models.engine import now
from models.event import Event
from models.ledger.audit import audited_calls, audited_lanes, audited_lists, sets
from models.ledger.audit.case import (
    AuditedBatch,
    AuditedBroadcast,
    AuditedGate,
    AuditedLane,
    Call,
    Case,
    Check,
    Finding,
    Found,
    Lists,
    Moved,
)
from models.ledger.lane import call_history, next_work
from models.ledger.lists.uploads import GIVEN_UP_AFTER
from models.ledger.rows import locked_rows
from models.ledger.rows.transaction import (
    at_one_moment,
    every_row,
    first,
    one_row,
    read,
    selected,
    snapshot,
)
from models.ledger.submit import awaited_lists
from models.recipients import Skipped

#: Rows that are kept of each check; the rest is counted. A ruined database must not fill memory.
MOST_KEPT = 1_000
#: Where each check is, in the order of asking. Overlaps are asked of a lane, not of each broadcast;
#: so is what of calls, gates, stuck and clock is the lane's own. Who stands twice has shown while
#: the broadcast was read, and so has all else that comes with it.
_CHECKS: Mapping[Check, Callable[..., Iterator[Finding]]] = {
    Check.ONCE: audited_lists.seen_while_read,
    Check.SETS: sets.check_sets,
    Check.HALVES: sets.halves,
    Check.MSG_IDS: audited_calls.msg_ids,
    Check.FINISHES: audited_calls.check_finishes,
    Check.CALLS: audited_calls.check_calls,
    Check.KEYS: sets.keys,
    Check.STOPS: sets.check_stops,
    Check.GATES: sets.gates,
    Check.MOVES: sets.moves,
    Check.STUCK: audited_lanes.check_stuck,
    Check.CLOCK: sets.clock,
    Check.OVERLAPS: audited_lanes.check_lanes,
}


#: They compare batches with their calls, which a pruned broadcast has none of.
_BY_CALLS = frozenset({Check.CALLS, Check.MSG_IDS})


@dataclass(slots=True, kw_only=True)
class Audit:
    """Result of an audit."""

    broadcasts: int = 0
    openids: int = 0
    batches: int = 0
    calls: int = 0
    #: Entries of lists whose people were erased: their places are audited.
    erased: int = 0
    #: Broadcasts of which nothing is left but figures, batches and keys.
    pruned: int = 0
    findings: list[Finding] = field(default_factory=list)
    #: All that was found, kept or not.
    counts: Counter[Check] = field(default_factory=Counter)

    def add(self, finding: Finding) -> None:
        """Count a finding, and keep it while there are not too many of its check."""
        check = finding.found.check
        self.counts[check] += 1
        if self.counts[check] <= MOST_KEPT:
            self.findings.append(finding)

    def figures(self) -> dict[str, Any]:
        """Return how much was audited, and each check with its count, for programs."""
        audited = {
            "broadcasts": self.broadcasts,
            "openids": self.openids,
            "batches": self.batches,
            "calls": self.calls,
            "erased": self.erased,
            "pruned": self.pruned,
        }
        checks = {check.value: self.counts[check] for check in Check}
        return {"ok": not self.counts, "audited": audited, "checks": checks}


def audit(engine: Engine, broadcast_id: str, *, waits: Waits) -> Audit:
    """Audit one broadcast, and its account's lane around its calls.

    Raises UnknownIdError, naming near ids, ConflictError where its list is still to come, and
    DatabaseAwayError.
    """
    with read(engine) as connection:
        account = connection.scalar(_PUBLISHED.filter_by(id=broadcast_id))
        if account is None:
            raise locked_rows.not_stored(connection, broadcast_id)
    done = Audit()
    _broadcast(engine, broadcast_id, waits, into=done)
    _lane(engine, account, broadcast_id, into=done)
    return done


_PUBLISHED = select(BroadcastRow.account).where(BroadcastRow.phase != Phase.UPLOADING)


def audit_all(engine: Engine, *, waits: Waits) -> Audit:
    """Audit every published broadcast, every lane, and what uploads left behind."""
    done = Audit()
    with read(engine) as connection:
        published = select(BroadcastRow.id).where(BroadcastRow.phase != Phase.UPLOADING)
        ids = connection.scalars(published.order_by(BroadcastRow.id)).all()
        accounts = connection.scalars(select(AccountRow.name).order_by(AccountRow.name)).all()
    for broadcast_id in ids:
        _broadcast(engine, broadcast_id, waits, into=done)
    for account in accounts:
        _lane(engine, account, None, into=done)
    for finding in _uploads(engine):
        done.add(finding)
    return done


def _broadcast(engine: Engine, broadcast_id: str, waits: Waits, *, into: Audit) -> None:
    with snapshot(engine) as connection:
        case = load_case(connection, broadcast_id, waits)
    if case is None:
        # Pruned since its id was read.
        return
    into.broadcasts += 1
    into.batches += len(case.batches)
    into.erased += case.lists.erased
    row = case.row
    if row.pruned_at is None:
        into.openids += case.lists.size(ASKED)
        into.calls += sum(len(batch.calls) for batch in case.batches)
    else:
        into.pruned += 1
        given = row.audience_kind == OpenIDs.kind
        into.openids += row.read - row.malformed - row.duplicate if given else 0
        into.calls += sum(batch.attempts for batch in case.batches)
    for check, ask in _CHECKS.items():
        if check is not Check.OVERLAPS and not (row.pruned_at and check in _BY_CALLS):
            for finding in ask(case):
                into.add(finding)


@at_one_moment
def _lane(connection: Connection, account: str, broadcast_id: str | None, *, into: Audit) -> None:
    for finding in _CHECKS[Check.OVERLAPS](connection, account, broadcast_id):
        into.add(finding)


def _uploads(engine: Engine) -> Iterator[Finding]:
    """Yield uploads that died long ago: a sweep takes one of them away at a time.

    One that was given up is cleared at once, and when that was is written nowhere: it is found when
    it began long ago. What is left of a list is found when its broadcast was cancelled long ago.
    """
    with read(engine) as connection:
        late = now(connection) - GIVEN_UP_AFTER - 10 * STUCK
        since = func.coalesce(
            BroadcastRow.uploading_at, BroadcastRow.finished_at, BroadcastRow.created_at
        ).label("since")
        rows = connection.execute(
            select(BroadcastRow.id, BroadcastRow.account, BroadcastRow.uploading_at, since)
            .where(or_(BroadcastRow.phase == Phase.UPLOADING, awaited_lists.HAS_A_REST))
            .where(since < late)
        ).all()
    for row in rows:
        yield Finding(
            found=Found.GIVEN_UP if row.uploading_at is None else Found.UPLOAD,
            account=row.account,
            broadcast_id=row.id,
            facts={"since": row.since},
        )


_NO_LISTS = Lists(sizes={}, marks={}, ranges={}, resolved=ASKED, digest="")


def load_case(connection: Connection, broadcast_id: str, waits: Waits) -> Case | None:
    """Return everything about a published broadcast; None where it is not there any more."""
    query = (
        selected(AuditedBroadcast, BroadcastRow, appid=AccountRow.appid)
        .join(AccountRow, AccountRow.name == BroadcastRow.account)
        .where(BroadcastRow.id == broadcast_id, BroadcastRow.phase != Phase.UPLOADING)
    )
    row = first(connection, query, AuditedBroadcast)
    if row is None:
        return None
    lane = selected(AuditedLane, Lane).filter_by(account=row.account)
    moves = _moves(connection, broadcast_id)
    batches = _batches(connection, broadcast_id, moves)
    case = Case(
        row=row,
        now=now(connection),
        waits=waits,
        lane=one_row(connection, lane, AuditedLane),
        signs=next_work.signs_of_life(connection, row.account),
        gates=_gates(connection, row, batches),
        batches=batches,
        moves=moves[None],
        lists=_NO_LISTS,
        skipped=_skipped(connection, broadcast_id),
        findings=(),
    )
    found = [*_reserved(connection, case), *_shared(connection, case)]
    return audited_lists.read_lists(connection, replace(case, findings=found))


@frozen
class _Line:
    """One line of the history."""

    id: int
    batch_id: int | None
    detail: str


def _moves(connection: Connection, broadcast_id: str) -> dict[int | None, list[Moved]]:
    """Return the moves of each batch, and (None) those of several at once, oldest first."""
    query = (
        selected(_Line, Event)
        .filter_by(broadcast_id=broadcast_id, kind=EventKind.BATCH_MOVE)
        .order_by(Event.id)
    )
    found: dict[int | None, list[Moved]] = defaultdict(list)
    for line in every_row(connection, query, _Line):
        detail = json.loads(line.detail)
        old, new = (recognised(BatchState, detail[end]) for end in ("old", "new"))
        found[line.batch_id].append(Moved(id=line.id, batch_id=line.batch_id, old=old, new=new))
    return found


def _batches(
    connection: Connection, broadcast_id: str, moves: dict[int | None, list[Moved]]
) -> list[AuditedBatch]:
    calls: dict[int, list[Call]] = defaultdict(list)
    made = (
        selected(Call, AttemptRow)
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .filter_by(broadcast_id=broadcast_id)
        .order_by(AttemptRow.batch_id, AttemptRow.number)
    )
    for call in every_row(connection, made, Call):
        calls[call.batch_id].append(call)
    query = selected(AuditedBatch, Batch).filter_by(broadcast_id=broadcast_id).order_by(Batch.n)
    events = _events(connection, broadcast_id)
    return [
        replace(
            batch,
            calls=calls.get(batch.id, ()),
            moves=moves.get(batch.id, ()),
            **events.get(batch.id, {}),
        )
        for batch in every_row(connection, query, AuditedBatch)
    ]


def _events(connection: Connection, broadcast_id: str) -> dict[int, dict[str, Any]]:
    """Return what the finish event of each batch's job says, by the batch's id."""
    rows = connection.execute(
        select(Batch.id, Finish.status, Finish.sent)
        .join(Finish, and_(Finish.account == Batch.account, Finish.msg_id == Batch.msg_id))
        .filter_by(broadcast_id=broadcast_id)
    )
    return {
        batch_id: {"event_status": status, "ended": job_end_of(status, Counts(sent=sent))}
        for batch_id, status, sent in rows
    }


def _gates(
    connection: Connection, row: AuditedBroadcast, batches: Sequence[AuditedBatch]
) -> Sequence[AuditedGate]:
    """Return its own gates, and its account's that stand or stood while its calls were made."""
    counters = [call.gate_counter for batch in batches for call in batch.calls] or [0]
    stood = and_(
        OF_ACCOUNT,
        or_(
            STANDS,
            and_(
                GateRow.closed_counter <= max(counters),
                GateRow.opened_counter > min(counters),
            ),
        ),
    )
    query = (
        selected(AuditedGate, GateRow)
        # An index finds both: the account's gates are few, those of its broadcasts many.
        .where(GateRow.account == row.account, GateRow.broadcast_id.in_(["", row.id]))
        .where(or_(GateRow.broadcast_id == row.id, stood))
        .order_by(GateRow.id)
    )
    return every_row(connection, query, AuditedGate)


def _skipped(connection: Connection, broadcast_id: str) -> dict[str, int]:
    rows = connection.execute(
        select(Skipped.reason, Skipped.count).filter_by(broadcast_id=broadcast_id)
    )
    return {reason: count for reason, count in rows}  # noqa: C416 - rows are not pairs to mypy


def _reserved(connection: Connection, case: Case) -> Iterator[Finding]:
    """Yield negative reservations, and any that outlived their broadcast."""
    wrong = Reservation.calls != 0 if case.row.phase is Phase.ENDED else Reservation.calls < 0
    query = select(Reservation.calls, Reservation.day).where(wrong)
    for row in connection.execute(query.filter_by(broadcast_id=case.row.id)).mappings():
        yield case.finding(Found.RESERVED, **row)


def _shared(connection: Connection, case: Case) -> Iterator[Finding]:
    """Yield the msg_ids of accepted batches that another batch of the account owns as well."""
    other = aliased(Batch)
    named = select(
        Batch.n, other.msg_id, other.broadcast_id.label("owner"), other.n.label("other")
    ).where(Batch.broadcast_id == case.row.id)
    by_batch = named.join(
        other,
        and_(other.account == Batch.account, other.msg_id == Batch.msg_id, other.id != Batch.id),
    )
    by_reply = (
        named.join(AttemptRow, AttemptRow.batch_id == Batch.id)
        .join(
            other,
            and_(
                other.account == AttemptRow.account,
                other.msg_id == AttemptRow.msg_id,
                other.id != Batch.id,
            ),
        )
        .where(Batch.state.in_(SENT))
        .where(AttemptRow.outcome.in_(SAID_ACCEPTED), call_history.UNDENIED)
    )
    for row in connection.execute(by_batch.union(by_reply)).mappings():
        facts = dict(row)
        yield case.finding(Found.SHARED_MSG_ID, facts.pop("n"), **facts)
