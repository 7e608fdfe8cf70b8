"""Plans: what was asked for becomes calls, each with its clientmsgid, before any of them is made.

Resolve, subtract, cut, prove. The work is done in short transactions that no lane sees and can be
begun again at any point: a batch that is there already has the same recipients and therefore the
same clientmsgid. One commit under the lane's lock then lets all of them be called.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, func, insert, select

from broadcast.crashpoints import Point, failpoint
from broadcast.frozen import frozen
from broadcast.names import EventKind
from broadcast.rules.accounts import Account
from broadcast.rules.calls.clientmsgid import clientmsgid_of
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.calls.waits import Waits, just_turned
from broadcast.rules.gates.gate import GateKind, plan_due_at
from broadcast.rules.plan import audience as audiences
from broadcast.rules.plan import cut as cut_module
from broadcast.rules.plan import proof as proof_module
from broadcast.rules.plan.audience import Audience, Everyone, Followers, OpenIDs, Tag
from broadcast.rules.plan.cut import ASKED, LEFT, name_of
from broadcast.rules.states import BatchState, Phase, Reason
from models.base import change, row_of, value_of
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.ledger.gates import gate_changes, quotas
from models.ledger.gates.gate_changes import Closing
from models.ledger.gates.quotas import ReservationRequest
from models.ledger.lane.next_work import IS_UNDERSTOOD
from models.ledger.lists import recipients
from models.ledger.rows import closed_gates, lane_rows
from models.ledger.rows.transaction import WORKER, first, note, read, reading, selected, writing

BATCHES_AT_ONCE = 50
_AS_WECHAT = Waits()


@frozen
class ToPlan:
    """A published broadcast that waits for its plan."""

    id: str
    account: str
    key: str
    content: str
    audience_kind: str
    audience_spec: str
    path: SendPath
    selection: str | None
    planned: int | None
    batch_size: int
    spread_days: bool
    created_at: datetime

    @property
    def audience(self) -> Audience:
        """Audience, as it was asked for."""
        return audiences.parse(self.audience_kind, self.audience_spec)


@frozen
class Cut:
    """One call of a plan, before it is stored."""

    n: int
    list: str | None
    start: int
    size: int | None


@reading
def to_plan(connection: Connection, broadcast_id: str) -> ToPlan | None:
    """Return a broadcast that may be planned now, or None.

    Planning makes no calls: it runs under every gate but a cancel and a time that is to come.
    """
    query = (
        selected(ToPlan, BroadcastRow)
        .filter_by(id=broadcast_id, phase=Phase.PLANNING)
        .where(IS_UNDERSTOOD)
    )
    found = first(connection, query, ToPlan)
    if found is None or not _is_due(connection, found):
        return None
    return found


@reading
def due_at(connection: Connection, broadcast_id: str) -> datetime | None:
    """Return from when a broadcast may be planned.

    None: not before a person lets it, or its list comes, or never.
    """
    if value_of(connection, broadcast_id, BroadcastRow.phase) is Phase.UPLOADING:
        return None
    return plan_due_at(closed_gates.of_broadcasts(connection, [broadcast_id]), None)


def _is_due(connection: Connection, broadcast: ToPlan) -> bool:
    gates = closed_gates.gates_of(connection, broadcast.account, broadcast.id)
    at = plan_due_at(gates, None)
    return at is not None and at <= now(connection)


def cuts_of(engine: Engine, broadcast: ToPlan) -> list[Cut]:
    """Return the calls of a plan, whose list is stored. Raises LookupError for another kind."""
    match broadcast.audience:
        case OpenIDs() | Followers():
            return list(_of_list(engine, broadcast))
        case Tag() | Everyone():
            return [Cut(n=1, list=None, start=0, size=None)]


def _of_list(engine: Engine, broadcast: ToPlan) -> Iterator[Cut]:
    with read(engine) as connection:
        name, size = recipients.resolved(connection, broadcast.id)
    start = 0
    for n, count in enumerate(cut_module.cut(size, broadcast.batch_size), start=1):
        yield Cut(n=n, list=name, start=start, size=count)
        start += count


def add_batches(
    engine: Engine, broadcast: ToPlan, account: Account, *, cuts: Sequence[Cut]
) -> bool:
    """Store the calls that are missing; return False where the broadcast is planned no more."""
    for at in range(0, len(cuts), BATCHES_AT_ONCE):
        some = cuts[at : at + BATCHES_AT_ONCE]
        keys = [_key(engine, broadcast, account, cut=cut) for cut in some]
        if not _add(engine, broadcast, list(zip(some, keys, strict=True))):
            return False
    return True


def _key(engine: Engine, broadcast: ToPlan, account: Account, *, cut: Cut) -> str:
    """Return the clientmsgid of a call; one without recipients is keyed by its canonical filter."""
    if cut.list is None or cut.size is None:
        packed = audiences.canonical_filter(broadcast.audience).encode()
    else:
        with read(engine) as connection:
            packed = recipients.packed(
                connection, broadcast.id, cut.list, start=cut.start, size=cut.size
            )
    return clientmsgid_of(
        appid=account.appid, key=broadcast.key, content=broadcast.content, packed=packed
    )


@writing
def _add(connection: Connection, broadcast: ToPlan, some: Sequence[tuple[Cut, str]]) -> bool:
    lane_rows.lock(connection, broadcast.account)
    if not _is_of_now(connection, broadcast.id, [cut for cut, _ in some]):
        return False
    there = set(
        connection.scalars(
            select(Batch.n).where(
                Batch.broadcast_id == broadcast.id, Batch.n.in_([cut.n for cut, _ in some])
            )
        )
    )
    rows = [_row(broadcast, cut, key) for cut, key in some if cut.n not in there]
    if rows:
        connection.execute(insert(Batch), rows)
    failpoint(Point.PLAN_WRITTEN)
    return True


def _is_of_now(connection: Connection, broadcast_id: str, cuts: Sequence[Cut]) -> bool:
    """Return whether *cuts* are of the list that counts; another planner may have cut another."""
    row = row_of(connection, broadcast_id, BroadcastRow.phase, BroadcastRow.subtraction)
    name = ASKED if row.subtraction is None else name_of(LEFT, row.subtraction)
    return row.phase is Phase.PLANNING and {cut.list for cut in cuts} <= {None, name}


def _row(broadcast: ToPlan, cut: Cut, key: str) -> dict[str, object]:
    return {
        "broadcast_id": broadcast.id,
        "account": broadcast.account,
        "path": broadcast.path,
        "n": cut.n,
        "list": cut.list,
        "start": cut.start,
        "size": cut.size,
        "state": BatchState.PLANNED,
        "clientmsgid": key,
    }


@writing
def open_for_calls(
    connection: Connection,
    broadcast: ToPlan,
    account: Account,
    *,
    cuts: Sequence[Cut],
    quota: proof_module.Quota | None,
    waits: Waits = _AS_WECHAT,
    only_if_fits: bool = False,
) -> proof_module.Proof | None:
    """Open all calls of a plan, unless it does not fit: then a gate holds it.

    What does not fit just after the turn of the day, but would fit a new one, or has to be spread,
    is neither: WeChat may still have reported yesterday. Its lane waits, and the sweep has it
    planned again. With *only_if_fits* nothing is done about what does not fit.

    Returns None if the broadcast is planned no more, or batches are missing: it was planned by
    another release in between, and the sweep has it planned again.
    """
    sizes = [cut.size for cut in cuts]
    planned = None if None in sizes else sum(size for size in sizes if size is not None)
    lane_rows.lock(connection, broadcast.account)
    if value_of(connection, broadcast.id, BroadcastRow.phase) is not Phase.PLANNING:
        return None
    if not _is_whole(connection, broadcast.id, calls=len(cuts), planned=planned):
        return None
    wanted = ReservationRequest(
        account=broadcast.account,
        path=broadcast.path,
        calls=len(cuts),
        at=None,
        broadcast_id=broadcast.id,
        spread=broadcast.spread_days,
        shared=account.shared_quota,
    )
    proof = quotas.prove(connection, wanted, quota=quota)
    if only_if_fits and proof.fit is not proof_module.Fit.FITS:
        return proof
    if _of_yesterday(connection, proof, quota):
        until = waits.next_day(now(connection))
        lane_rows.wait(connection, broadcast.account, until=until, reason=Reason.QUOTA_TODAY)
        lane_rows.refresh_due(connection, broadcast.account)
    else:
        _open(connection, broadcast, wanted, proof, planned=planned, quota=quota)
        lane_rows.refresh_due_of(connection, broadcast.account, [broadcast.id])
    failpoint(Point.PLAN_OPENING)
    return proof


def _open(  # noqa: PLR0917 - what was proved, and what it leads to
    connection: Connection,
    broadcast: ToPlan,
    wanted: ReservationRequest,
    proof: proof_module.Proof,
    *,
    planned: int | None,
    quota: proof_module.Quota | None,
) -> None:
    moment = now(connection)
    change(
        connection,
        BroadcastRow,
        broadcast.id,
        phase=Phase.SENDING,
        planned=planned,
        calls_planned=wanted.calls,
        moved_at=moment,
        version=BroadcastRow.version + 1,
    )
    note(
        connection,
        EventKind.PLANNED,
        who=WORKER,
        broadcast_id=broadcast.id,
        calls=wanted.calls,
        planned=planned,
        fit=proof.fit,
    )
    if proof.fit is proof_module.Fit.TOO_MANY:
        held = Closing(
            kind=GateKind.HOLD,
            who=WORKER,
            broadcast_id=broadcast.id,
            reason=Reason.PLAN_DOES_NOT_FIT,
        )
        gate_changes.close(connection, broadcast.account, held)
        # What does not fit holds nothing: two that did not would keep each other from going on.
        quotas.free(connection, broadcast.id)
    else:
        quotas.reserve(connection, wanted, proof, quota=quota)


def _of_yesterday(
    connection: Connection, proof: proof_module.Proof, quota: proof_module.Quota | None
) -> bool:
    """Return whether *quota* may be the answer of a day that is over here and not yet at WeChat."""
    if quota is None or proof.free is None or proof.fit is proof_module.Fit.FITS:
        return False
    reserved = max(0, quota.remain - proof.free)
    # What goes out over several days would lose its share of the first.
    another = proof.fit is proof_module.Fit.SPREADS or proof.calls + reserved <= quota.daily_limit
    return another and quota.used > 0 and just_turned(now(connection))


def _is_whole(
    connection: Connection, broadcast_id: str, *, calls: int, planned: int | None
) -> bool:
    """Return whether the batches are those of the plan, and hold everybody in it."""
    count, size = connection.execute(
        select(func.count(), func.sum(Batch.size)).filter_by(
            broadcast_id=broadcast_id, parent_id=None
        )
    ).one()
    return count == calls and (planned is None or int(size or 0) == planned)


def account_of(engine: Engine, broadcast_id: str) -> str | None:
    """Return the account of a broadcast that may be planned now."""
    found = to_plan(engine, broadcast_id)
    return found.account if found else None
