"""The audit: the delivery promise as questions to the ledger, all of them in one list.

Everything is counted anew from packed OpenIDs and attempts; stored totals are only compared. Each
broadcast is read in one snapshot, so that workers may go on, and one after the other, so that
memory holds one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sqlalchemy import Engine, func, select

from broadcast.call.waits import Waits
from broadcast.gates import liveness
from broadcast.states import BroadcastState
from models.account import AccountRow
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger.audit import (
    calls,
    clock,
    followers,
    history,
    keys,
    loader,
    overlaps,
    replies,
    sets,
    stops,
    stuck,
)
from models.ledger.audit.findings import Audit, Check, Finding, Found
from models.ledger.audit.snapshot import Case
from models.ledger.reading import reports
from models.ledger.sweeps import UPLOAD_FORGOTTEN
from models.ledger.transaction import read, snapshots

#: What is asked of each broadcast; :attr:`Check.OVERLAPS` is asked of each account.
CHECKS: Mapping[Check, Callable[[Case], Iterator[Finding]]] = {
    Check.SETS: sets.check,
    Check.ONCE: followers.once,
    Check.HALVES: followers.halves,
    Check.MSG_IDS: replies.check,
    Check.CALLS: calls.check,
    Check.KEYS: keys.check,
    Check.STOPS: stops.check,
    Check.MOVES: history.check,
    Check.STUCK: stuck.check,
    Check.CLOCK: clock.check,
}


def audit(engine: Engine, broadcast_id: str, *, waits: Waits) -> Audit:
    """Audit one broadcast, and its account's lane in its time.

    Raises UnknownIdError, naming near ids, and DatabaseAwayError.
    """
    account = reports.report(engine, broadcast_id, whole=False).account
    done = Audit()
    reader = snapshots(engine)
    _broadcast(reader, broadcast_id, waits, into=done)
    _lane(reader, account, broadcast_id, into=done)
    return done


def audit_all(engine: Engine, *, waits: Waits) -> Audit:
    """Audit every published broadcast, every lane, and what uploads left behind."""
    done = Audit()
    reader = snapshots(engine)
    with read(reader) as connection:
        published = BroadcastRow.state != BroadcastState.UPLOADING
        ids = connection.scalars(
            select(BroadcastRow.id).where(published).order_by(BroadcastRow.id)
        ).all()
        accounts = connection.scalars(select(AccountRow.name).order_by(AccountRow.name)).all()
    for broadcast_id in ids:
        _broadcast(reader, broadcast_id, waits, into=done)
    for account in accounts:
        _lane(reader, account, None, into=done)
    for finding in _uploads(reader):
        done.add(finding)
    return done


def _broadcast(engine: Engine, broadcast_id: str, waits: Waits, *, into: Audit) -> None:
    with read(engine) as connection:
        case = loader.read_case(connection, broadcast_id, waits)
    into.broadcasts += 1
    into.openids += sum(pack.count for pack in case.packs) - _in_children(case)
    into.batches += len(case.batches)
    into.calls += sum(len(batch.calls) for batch in case.batches)
    for check in CHECKS.values():
        for finding in check(case):
            into.add(finding)


def _in_children(case: Case) -> int:
    children = {batch.pack_id for batch in case.batches if batch.parent_id is not None}
    return sum(pack.count for pack in case.packs if pack.id in children)


def _lane(engine: Engine, account: str, broadcast_id: str | None, *, into: Audit) -> None:
    with read(engine) as connection:
        for finding in overlaps.check(loader.lane_calls(connection, account, broadcast_id)):
            into.add(finding)


def _uploads(engine: Engine) -> Iterator[Finding]:
    """Yield uploads that died long ago: a sweep takes one of them away at a time.

    One that was given up is cleared at once, and when that was is written nowhere: it is told when
    it began long ago.
    """
    with read(engine) as connection:
        late = now(connection) - UPLOAD_FORGOTTEN - 10 * liveness.STUCK
        since = func.coalesce(BroadcastRow.uploading_at, BroadcastRow.created_at)
        rows = connection.execute(
            select(
                BroadcastRow.id,
                BroadcastRow.account,
                BroadcastRow.uploading_at,
                since.label("since"),
            )
            .where(BroadcastRow.state == BroadcastState.UPLOADING)
            .where(since < late)
        ).all()
    for row in rows:
        yield Finding(
            found=Found.GIVEN_UP if row.uploading_at is None else Found.UPLOAD,
            account=row.account, broadcast_id=row.id, facts={"since": row.since},
        )  # fmt: skip
