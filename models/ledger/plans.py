"""Plans: a published audience becomes batches, each with its clientmsgid, before any call.

The work is cut into short transactions and can be begun again at any point: a batch that is there
already has the same OpenIDs and therefore the same clientmsgid.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, func, insert, select

from broadcast import plan
from broadcast.accounts import Account
from broadcast.call import clientmsgid
from broadcast.call.attempts import Reason
from broadcast.call.waits import Waits, just_turned
from broadcast.crashpoints import Point, passing
from broadcast.states import BatchState, BroadcastState
from models.batch import Batch, Pack
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger import lanes, quotas, transitions
from models.ledger.transaction import AnyRow, read, write

BATCHES_AT_ONCE = 50
_AS_WECHAT = Waits()


def to_plan(engine: Engine, broadcast_id: str) -> AnyRow | None:
    """Return a broadcast that waits for its plan, or None if it does not (any more)."""
    with read(engine) as connection:
        return connection.execute(
            select(
                BroadcastRow.id, BroadcastRow.account, BroadcastRow.key, BroadcastRow.content,
                BroadcastRow.planned, BroadcastRow.calls_planned, BroadcastRow.spread_days,
                BroadcastRow.scheduled_at,
            ).where(
                BroadcastRow.id == broadcast_id, BroadcastRow.state == BroadcastState.PLANNING
            )
        ).first()  # fmt: skip


def add_batches(engine: Engine, broadcast: AnyRow, account: Account) -> int:
    """Make the batches that are missing; return how many there are.

    Stops where the broadcast leaves the planning state (paused, cancelled); a resumed one comes
    here again.
    """
    after = 0
    while True:
        with read(engine) as connection:
            packs = connection.execute(
                select(Pack.id, Pack.n, Pack.size, Pack.openids)
                .where(Pack.broadcast_id == broadcast.id, Pack.n > after)
                .order_by(Pack.n)
                .limit(BATCHES_AT_ONCE)
            ).all()
        if not packs or not _add(engine, broadcast, account, packs=packs):
            return after
        after = packs[-1].n


def _add(engine: Engine, broadcast: AnyRow, account: Account, *, packs: Sequence[AnyRow]) -> bool:
    def work(connection: Connection) -> bool:
        planning = transitions.hold(connection, broadcast.id) is BroadcastState.PLANNING
        if planning:
            _add_missing(connection, broadcast, account, packs=packs)
        return planning

    return write(engine, work)


def _add_missing(
    connection: Connection, broadcast: AnyRow, account: Account, *, packs: Sequence[AnyRow]
) -> None:
    there = set(
        connection.scalars(
            select(Batch.n).where(
                Batch.broadcast_id == broadcast.id, Batch.n.in_([pack.n for pack in packs])
            )
        )
    )
    rows = [
        {
            "broadcast_id": broadcast.id, "account": broadcast.account, "n": pack.n,
            "size": pack.size, "pack_id": pack.id, "depth": 0, "attempts": 0, "polls": 0,
            "state": BatchState.PLANNED,
            "clientmsgid": clientmsgid.derive(
                appid=account.appid, key=broadcast.key, content=broadcast.content,
                packed=pack.openids,
            ),
        }
        for pack in packs
        if pack.n not in there
    ]  # fmt: skip
    if rows:
        connection.execute(insert(Batch), rows)
    passing(Point.PLAN_WRITTEN)


def open_for_calls(
    engine: Engine,
    broadcast: AnyRow,
    account: Account,
    *,
    quota: plan.Quota | None,
    waits: Waits = _AS_WECHAT,
) -> plan.Proof | None:
    """Prove the plan once more and let the lane begin, or hold the broadcast with the reason.

    What does not fit just after the turn of the day, but would fit a new one, is neither: WeChat
    may still have told of yesterday. Its lane waits, and the sweep rings for its planning again.

    Returns None if the broadcast left the planning state meanwhile (paused, cancelled), or left it
    and came back, so that batches are missing: the sweep rings for its planning again.
    """

    def work(connection: Connection) -> plan.Proof | None:
        lanes.hold(connection, account.name)
        if transitions.hold(connection, broadcast.id) is not BroadcastState.PLANNING:
            return None
        if _cut(connection, broadcast.id) != broadcast.planned:
            return None
        taken = quotas.reserved(connection, account.name, but=broadcast.id)
        proof = plan.prove(
            calls=broadcast.calls_planned, quota=quota, reserved=taken,
            spread=broadcast.spread_days,
        )  # fmt: skip
        if proof.fit is not plan.Fit.TOO_MANY:
            transitions.move_broadcast(
                connection, broadcast.id, BroadcastState.WAITING, reason=None
            )
        elif _of_yesterday(connection, proof, quota=quota, taken=taken):
            until = waits.next_day(now(connection))
            lanes.wait(connection, account.name, until=until, reason=Reason.QUOTA_TODAY)
        else:
            transitions.move_broadcast(
                connection, broadcast.id, BroadcastState.HELD, reason=Reason.PLAN_DOES_NOT_FIT
            )
        passing(Point.PLAN_OPENING)
        return proof

    return write(engine, work)


def _of_yesterday(
    connection: Connection, proof: plan.Proof, *, quota: plan.Quota | None, taken: int
) -> bool:
    """Tell whether *quota* may be the answer of a day that is over here and not yet at WeChat."""
    fits_a_new_day = quota is not None and proof.calls + taken <= quota.daily_limit
    return fits_a_new_day and just_turned(now(connection))


def _cut(connection: Connection, broadcast_id: str) -> int:
    """Return how many OpenIDs the batches hold."""
    size = connection.scalar(
        select(func.sum(Batch.size)).where(
            Batch.broadcast_id == broadcast_id, Batch.parent_id.is_(None)
        )
    )
    return int(size or 0)
