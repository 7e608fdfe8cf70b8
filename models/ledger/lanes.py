"""Leases of lanes: one driver an account, and what the lane waits for.

The lease is short and lives in the database, so that a driver who died is replaced in seconds. The
fence guards claims: it grows with each change of driver, and a claim that names an old one fails.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, func, insert, or_, select, true, update
from sqlalchemy.exc import IntegrityError

from broadcast.accounts import Account
from broadcast.attempts import Reason
from broadcast.guards import Guards
from broadcast.outcomes import MAYBE_SENT
from broadcast.states import BatchState
from broadcast.waits import UNKNOWN_TRIES
from models.account import AccountRow, Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.engine import now
from models.ledger import guards as watching
from models.ledger import moves
from models.ledger.transaction import write

LEASE = timedelta(seconds=6)
_GUARDS = Guards()


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A lease: whose lane, and the fence that its claims name."""

    account: str
    owner: str
    fence: int


def know(connection: Connection, account: Account) -> None:
    """Make sure that the account and its lane have a row."""
    seen = select(AccountRow.name).where(AccountRow.name == account.name)
    if connection.scalar(seen) is not None:
        return
    # Two processes may meet a new account at once; the second finds the row of the first.
    with contextlib.suppress(IntegrityError), connection.begin_nested():
        connection.execute(
            insert(AccountRow).values(
                name=account.name,
                appid=account.appid,
                kind=account.account_kind,
                created_at=now(connection),
            )
        )
        connection.execute(insert(Lane).values(account=account.name, fence=0))


def acquire(engine: Engine, account: str, owner: str, *, guards: Guards = _GUARDS) -> Held | None:
    """Lease the lane, or return None while another driver's lease lives.

    Batches that the former driver left without a recorded outcome become *unknown*: they may have
    been sent, and the new driver repeats them before anything else.
    """

    def work(connection: Connection) -> Held | None:
        moment = now(connection)
        fence = connection.scalar(
            select(Lane.fence)
            .where(Lane.account == account)
            .where(or_(Lane.leased_until.is_(None), Lane.leased_until <= moment))
            .with_for_update()
        )
        if fence is None:
            return None
        taken = connection.execute(
            update(Lane)
            .where(Lane.account == account, Lane.fence == fence)
            .where(or_(Lane.leased_until.is_(None), Lane.leased_until <= moment))
            .values(fence=fence + 1, owner=owner, leased_until=moment + LEASE)
        )
        if taken.rowcount != 1:
            return None
        _adopt_orphans(connection, account, moment, guards=guards)
        return Held(account=account, owner=owner, fence=fence + 1)

    return write(engine, work)


def _adopt_orphans(
    connection: Connection, account: str, moment: datetime, *, guards: Guards
) -> None:
    orphans = connection.execute(
        select(Batch.id, Batch.broadcast_id, Batch.state).where(
            Batch.account == account, Batch.state == BatchState.CALLING
        )
    ).all()
    for batch in orphans:
        # Whatever kills each driver of this batch must not be fed with calls of the day for ever.
        doubt = _maybe_sent(connection, batch.id) > UNKNOWN_TRIES
        moves.move_batch(
            connection, batch, BatchState.IN_DOUBT if doubt else BatchState.UNKNOWN,
            reason=Reason.TOO_OFTEN_UNKNOWN if doubt else Reason.REPEAT_UNKNOWN,
            not_before=None if doubt else moment,
        )  # fmt: skip
        if doubt:
            watching.after_doubt(connection, account, guards)
        # Cancelled while it was in flight: nobody will repeat it.
        moves.after_cancel(connection, batch.id)
        moves.rest(connection, batch.broadcast_id)


def _maybe_sent(connection: Connection, batch_id: int) -> int:
    """Count the attempts of a batch that WeChat may have taken, for all that people know."""
    return (
        connection.scalar(
            select(func.count())
            .select_from(AttemptRow)
            .where(AttemptRow.batch_id == batch_id)
            .where(AttemptRow.outcome.is_(None) | AttemptRow.outcome.in_(MAYBE_SENT))
            .where(AttemptRow.denied.is_not(true()))
        )
        or 0
    )


def renew(engine: Engine, held: Iterable[Held]) -> set[str]:
    """Renew leases in one transaction; return the accounts whose lane is no longer ours.

    A lease that ran out is not renewed even if nobody took the lane: what its driver knows is old.
    """
    lanes = sorted(held, key=lambda lane: lane.account)

    def work(connection: Connection) -> set[str]:
        moment = now(connection)
        lost = set()
        for lane in lanes:
            renewed = connection.execute(
                update(Lane)
                .where(Lane.account == lane.account, Lane.fence == lane.fence)
                .where(Lane.leased_until > moment)
                .values(leased_until=moment + LEASE)
            )
            if renewed.rowcount != 1:
                lost.add(lane.account)
        return lost

    return write(engine, work) if lanes else set()


def release(engine: Engine, held: Held) -> None:
    """Give the lane back, unless it is somebody else's by now."""

    def work(connection: Connection) -> None:
        connection.execute(
            update(Lane)
            .where(Lane.account == held.account, Lane.fence == held.fence)
            .values(leased_until=None, owner=None)
        )

    write(engine, work)


def wait(connection: Connection, account: str, *, until: datetime, reason: Reason) -> None:
    """Let the lane wait; never shorten a wait that is already there."""
    connection.execute(
        update(Lane)
        .where(Lane.account == account)
        .where(or_(Lane.not_before.is_(None), Lane.not_before < until))
        .values(not_before=until, wait_reason=reason)
    )


def flow(connection: Connection, account: str) -> None:
    """Forget the lane's wait: WeChat took a batch."""
    connection.execute(
        update(Lane)
        .where(Lane.account == account, Lane.not_before.is_not(None))
        .values(not_before=None, wait_reason=None)
    )


def rung(engine: Engine, account: str) -> None:
    """Remember that a driver was rung for."""

    def work(connection: Connection) -> None:
        connection.execute(
            update(Lane).where(Lane.account == account).values(rung_at=now(connection))
        )

    write(engine, work)
