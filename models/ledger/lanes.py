"""Leases of lanes: one driver an account, and what the lane waits for.

The lease is short and lives in the database, so that a driver who died is replaced in seconds. The
fence guards claims: it grows with each change of driver, and a claim that names an old one fails.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    bindparam,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from broadcast.accounts import Account
from broadcast.call.attempts import Reason
from broadcast.call.outcomes import SAME_KEY_RUNNING
from broadcast.call.waits import UNKNOWN_TRIES
from broadcast.gates.circuit_breaker import CircuitBreaker
from broadcast.states import BatchState
from models.account import AccountRow, Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.engine import now, skips_locked
from models.ledger import circuit_breaker as watching
from models.ledger import transitions
from models.ledger.reading import possibly_sent
from models.ledger.transaction import AnyRow, write

LEASE = timedelta(seconds=6)
#: Before each look at the lanes whose rows others hold. A claim holds its own for milliseconds.
_PAUSES_S = (0.0, 0.02, 0.08, 0.2)
#: How long renewing waits for rows at most: much less than a heartbeat, of which a lease has four.
WAIT_FOR_ROW_S = sum(_PAUSES_S)
_GUARDS = CircuitBreaker()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease: whose lane, and the fence that its claims name."""

    account: str
    owner: str
    fence: int


def know(connection: Connection, account: Account) -> bool:
    """Make sure that the account and its lane have a row; return whether they are new."""
    seen = select(AccountRow.name).where(AccountRow.name == account.name)
    if connection.scalar(seen) is not None:
        return False
    if connection.dialect.name == "postgresql":
        # Nobody adds another account until the commit: one might have this appid, unseen.
        connection.execute(_HOLD_ACCOUNTS)
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
        return True
    return False


_HOLD_ACCOUNTS = text(f"LOCK TABLE {AccountRow.__tablename__} IN SHARE ROW EXCLUSIVE MODE")


# Built once: building a statement costs as much as running it, and each call runs this one twice.
_LANE_HELD = (
    select(Lane.fence, Lane.leased_until, Lane.halted_at, Lane.stopped_at, Lane.not_before)
    .where(Lane.account == bindparam("account"))
    .with_for_update()
)


def hold(connection: Connection, account: str) -> AnyRow:
    """Hold a lane until the commit, and return it as it stands.

    Whoever holds a broadcast or a batch of it as well takes the lane before, as claims do: in one
    order nobody waits for somebody who waits for him.
    """
    return connection.execute(_LANE_HELD, {"account": account}).one()


def is_free(moment: datetime) -> ColumnElement[bool]:
    """Return the condition that nobody drives the lane at *moment*.

    A lease that ends later than any can was given before the database's clock was set back. If its
    driver lives, his next heartbeat makes it one of now, mostly before anybody looks; if he died,
    nobody else would have the lane until the clock is there again.
    """
    return or_(
        Lane.leased_until.is_(None),
        Lane.leased_until <= moment,
        Lane.leased_until > moment + 2 * LEASE,
    )


def acquire(
    engine: Engine, account: str, owner: str, *, guards: CircuitBreaker = _GUARDS
) -> Lease | None:
    """Lease the lane, or return None while another driver's lease lives.

    Batches that the former driver left without a recorded outcome become *unknown*: they may have
    been sent, and the new driver repeats them before anything else.
    """

    def work(connection: Connection) -> Lease | None:
        moment = now(connection)
        fence = connection.scalar(
            select(Lane.fence)
            .where(Lane.account == account)
            .where(is_free(moment))
            .with_for_update()
        )
        if fence is None:
            return None
        taken = connection.execute(
            update(Lane)
            .where(Lane.account == account, Lane.fence == fence)
            .where(is_free(moment))
            .values(fence=fence + 1, owner=owner, leased_until=moment + LEASE)
        )
        if taken.rowcount != 1:
            return None
        _adopt_orphans(connection, account, moment, guards=guards)
        return Lease(account=account, owner=owner, fence=fence + 1)

    return write(engine, work)


def _adopt_orphans(
    connection: Connection, account: str, moment: datetime, *, guards: CircuitBreaker
) -> None:
    orphans = connection.execute(
        select(Batch.id, Batch.broadcast_id, Batch.state).where(
            Batch.account == account, Batch.state == BatchState.CALLING
        )
    ).all()
    for batch in orphans:
        # Whatever kills each driver of this batch must not be fed with calls of the day for ever.
        doubt = _tries(connection, batch.id) > UNKNOWN_TRIES
        transitions.move_batch(
            connection, batch, BatchState.IN_DOUBT if doubt else BatchState.UNKNOWN,
            reason=Reason.TOO_OFTEN_UNKNOWN if doubt else Reason.REPEAT_UNKNOWN,
            not_before=None if doubt else moment,
        )  # fmt: skip
        if doubt:
            watching.after_doubt(connection, account, guards)
        # Cancelled while it was in flight: nobody will repeat it.
        transitions.after_cancel(connection, batch.id)
        transitions.rest(connection, batch.broadcast_id)


def _tries(connection: Connection, batch_id: int) -> int:
    """Count the attempts of a batch that nothing answered, as the decision counts them.

    45066 says that a send with this very key is running: it may be told for as long as that runs.
    """
    return (
        connection.scalar(
            select(func.count())
            .select_from(AttemptRow)
            .where(
                AttemptRow.batch_id == batch_id, possibly_sent.UNANSWERED, possibly_sent.UNDENIED
            )
            .where(AttemptRow.errcode.is_distinct_from(SAME_KEY_RUNNING))
        )
        or 0
    )


def renew(engine: Engine, held: Iterable[Lease]) -> set[str]:
    """Renew leases; return the accounts whose lane is no longer ours.

    A lease that ran out is not renewed even if nobody took the lane: what its driver knows is old.
    A lane whose row somebody holds is waited for for ``WAIT_FOR_ROW_S`` at most, after the others:
    a client that was stopped in mid-transaction must cost its own lane alone the lease.
    """
    left, lost = list(held), set[str]()
    for pause_s in _PAUSES_S:
        if not left:
            break
        time.sleep(pause_s)
        left, gone = write(engine, functools.partial(_renew, held=left))
        lost |= gone
    return lost


def _renew(connection: Connection, *, held: Sequence[Lease]) -> tuple[list[Lease], set[str]]:
    """Renew what can be had at once; return what somebody else holds, and what is lost."""
    free = {
        row.account: row
        for row in connection.execute(
            select(Lane.account, Lane.fence, Lane.leased_until)
            .where(Lane.account.in_({lane.account for lane in held}))
            .order_by(Lane.account)
            .with_for_update(skip_locked=skips_locked(connection))
        )
    }
    moment = now(connection)
    there = [lane for lane in held if lane.account in free]
    ours = {lane for lane in there if _lives(free[lane.account], lane, moment)}
    if ours:
        connection.execute(
            update(Lane)
            .where(Lane.account.in_({lane.account for lane in ours}))
            .values(leased_until=moment + LEASE)
        )
    lost = {lane.account for lane in there if lane not in ours}
    return [lane for lane in held if lane.account not in free], lost


def _lives(row: AnyRow, lane: Lease, moment: datetime) -> bool:
    return bool(row.fence == lane.fence and row.leased_until and row.leased_until > moment)


def release(engine: Engine, held: Lease) -> None:
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


def flow(connection: Connection, account: str, *, by: int) -> None:
    """Forget the lane's wait: WeChat took a batch in attempt *by*.

    An acceptance that was heard of late says nothing about what a newer call was refused for.
    """
    newer = exists().where(AttemptRow.account == account, AttemptRow.id > by)
    connection.execute(
        update(Lane)
        .where(Lane.account == account, Lane.not_before.is_not(None), ~newer)
        .values(not_before=None, wait_reason=None)
    )
