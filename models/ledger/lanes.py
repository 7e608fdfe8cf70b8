"""Lanes: the row of an account that everybody holds who moves something of it, and its waits."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, exists, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from broadcast.accounts import Account
from broadcast.reasons import Reason
from broadcast.states import Phase
from models.account import AccountRow, Lane
from models.attempt import AttemptRow
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger.rows import HeldLane, change, columns, one

#: How long a driver has a lane without renewing.
LEASE = timedelta(seconds=6)
#: A lease that has just run out may still be being renewed.
GRACE = timedelta(milliseconds=500)


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
        connection.execute(
            insert(Lane).values(
                account=account.name, fence=0, gate_counter=0, breaker_since=0, claims=0
            )
        )
        return True
    return False


_HOLD_ACCOUNTS = text(f"LOCK TABLE {AccountRow.__tablename__} IN SHARE ROW EXCLUSIVE MODE")

# Built once: building a statement costs as much as running it, and each call runs this one twice.
_HELD = (
    select(*columns(HeldLane, Lane)).where(Lane.account == bindparam("account")).with_for_update()
)


def hold(connection: Connection, account: str) -> HeldLane:
    """Hold a lane until the commit, and return it as it stands.

    What changes a broadcast, a batch of it or a gate locks the lane first, as claims do: in
    one order nobody waits for somebody who waits in turn.
    """
    return one(connection, _HELD, HeldLane, {"account": account})


def hold_unless_ended(connection: Connection, broadcast_id: str) -> str | None:
    """Hold the lane of a broadcast; return its account, None where the broadcast has ended."""
    query = select(BroadcastRow.account, BroadcastRow.phase).where(BroadcastRow.id == broadcast_id)
    account: str = connection.execute(query).one().account
    hold(connection, account)
    return account if connection.execute(query).one().phase is not Phase.ENDED else None


def wait(connection: Connection, account: str, *, until: datetime, reason: Reason) -> None:
    """Let the lane wait; never shorten a wait that is there. ``due.refresh`` is the caller's."""
    connection.execute(
        update(Lane)
        .where(Lane.account == account)
        .where(or_(Lane.not_before.is_(None), Lane.not_before < until))
        .values(not_before=until, wait_reason=reason)
    )
    if reason is Reason.QUOTA_TODAY:
        change(connection, Lane, account, day_wait_until=until)


def doubt_left(connection: Connection, account: str, at: datetime) -> None:
    """Note that a doubt, behind which everything of the account waited, does so no more."""
    connection.execute(
        update(Lane)
        .where(Lane.account == account)
        .where(or_(Lane.doubt_wait_until.is_(None), Lane.doubt_wait_until < at))
        .values(doubt_wait_until=at)
    )


def flow(connection: Connection, account: str, *, by: int) -> None:
    """Forget the lane's wait: WeChat took a batch in attempt *by*.

    An acceptance that was recorded late says nothing about what a newer call was refused for.
    """
    newer = exists().where(AttemptRow.account == account, AttemptRow.id > by)
    connection.execute(
        update(Lane)
        .where(Lane.account == account, Lane.not_before.is_not(None), ~newer)
        .values(not_before=None, wait_reason=None)
    )


def lift(connection: Connection, account: str) -> None:
    """Forget the lane's wait at an operator's command.

    A wait for another day ends now: from here on a late first call is late.
    """
    moment = now(connection)
    change(
        connection,
        Lane,
        account,
        not_before=None,
        wait_reason=None,
        woken_at=None,
        due_changed_at=moment,
    )
    connection.execute(
        update(Lane)
        .where(Lane.account == account, Lane.day_wait_until > moment)
        .values(day_wait_until=moment)
    )


def waits_for_quota(connection: Connection, account: str) -> bool:
    """Tell whether the lane waits for the calls of another day."""
    waits = Lane.not_before > now(connection), Lane.wait_reason == Reason.QUOTA_TODAY
    query = select(Lane.account).where(Lane.account == account, *waits)
    return connection.scalar(query) is not None


def wake(connection: Connection, account: str) -> None:
    """Let the next sweep wake the lane's driver, whenever it was woken last."""
    change(connection, Lane, account, woken_at=None)
