"""Passes over WeChat's list of followers: begin or go on with one, store its pages, end it.

A pass is a row that names the next page. Storing a page is one transaction that also moves it on,
and fails unless it is still where the page was asked from. So a pass that was killed goes on with
the page that it waited for, and of two at once the second one stops, whenever they meet.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timedelta

from sqlalchemy import (
    Connection,
    Engine,
    exists,
    or_,
    select,
    update,
)

from broadcast.errors import BroadcastError
from broadcast.frozen import frozen
from broadcast.rules.accounts import Account
from models.accounts import AccountRow
from models.base import change, insert_row, is_so
from models.engine import now
from models.followers import FollowerChange, FollowerChunk, FollowerPage, FollowerSync
from models.ledger.rows import known_accounts
from models.ledger.rows.transaction import (
    every_row,
    first,
    read,
    reading,
    remove,
    selected,
    write,
    writing,
)

#: A pass that nobody went on with for so long begins anew: its first pages show another time.
STALE_AFTER = timedelta(days=7)
#: Rows with OpenIDs that one transaction stores or removes.
ROWS_AT_ONCE = 10
CHANGES_AT_ONCE = 1_000
#: OpenIDs at the end of a page that are kept: where to go on if the last ones left meanwhile.
TAIL = 16


class SyncTakenOverError(BroadcastError):
    """Another process goes on with the same pass."""


class SyncLoopError(BroadcastError):
    """WeChat named a page as the next one that was asked for before."""


@frozen
class Sync:
    """A pass as it is stored."""

    id: int
    account: str
    started_at: datetime
    started_by: str
    #: When the first and the last page were asked for, by WeChat's clock.
    first_page_at: datetime | None
    paged_at: datetime | None
    #: Where the next page begins; None: there is none.
    next_openid: str | None
    tail: str
    pages: int
    listed: int
    total: int | None
    least_total: int | None
    most_total: int | None
    finished_at: datetime | None
    ended: str | None
    run: str | None
    size: int | None
    followers: int | None
    joined: int | None
    left: int | None


@frozen
class StoredPage:
    """A page that came: sorted and packed, and what WeChat said with it."""

    openids: bytes
    size: int
    #: The last OpenIDs in WeChat's order.
    tail: str
    next_openid: str
    total: int
    #: WeChat's clock when it was asked; None where it named no time.
    asked_at: datetime | None
    elapsed_ms: int


@frozen
class Ended:
    """Result of a finished pass."""

    ended: str
    run: str
    size: int
    followers: int
    joined: int
    left: int


@writing
def begin(
    connection: Connection, account: Account, *, who: str, anew: bool = False
) -> tuple[Sync, bool]:
    """Return the pass that is under way, or a new one; and whether it is under way.

    *anew*: give up what is under way. Raises SettingsError as every first use of an account does.
    """
    known_accounts.register_account(connection, account)
    mine = AccountRow.name == account.name
    connection.execute(select(AccountRow.name).where(mine).with_for_update())
    moment = now(connection)
    there = first(connection, _UNFINISHED.filter_by(account=account.name), Sync)
    if there is not None and not anew and there.started_at > moment - STALE_AFTER:
        return there, True
    if there is not None:
        _give_up(connection, there.id, moment)
    insert_row(
        connection,
        FollowerSync,
        account=account.name,
        started_by=who,
        started_at=moment,
        next_openid="",
        tail="",
        pages=0,
        listed=0,
    )
    new = first(connection, _UNFINISHED.filter_by(account=account.name), Sync)
    if new is None:
        raise RuntimeError("a pass that was stored is not there")
    return new, False


_UNFINISHED = (
    selected(Sync, FollowerSync)
    .filter_by(finished_at=None)
    .order_by(FollowerSync.id.desc())
    .limit(1)
)


def store_page(engine: Engine, sync: Sync, page: StoredPage) -> Sync:
    """Store the page that *sync* waited for; return the pass behind it.

    Raises SyncTakenOverError where another process stored one, and SyncLoopError, with which the
    pass is given up: it would never end.
    """

    def work(connection: Connection) -> Sync | None:
        moment = now(connection)
        asked_at = page.asked_at or moment - timedelta(milliseconds=page.elapsed_ms)
        totals = [one for one in (sync.least_total, sync.most_total) if one is not None]
        after = replace(
            sync,
            next_openid=page.next_openid if page.next_openid and page.size else None,
            tail=page.tail or sync.tail,
            pages=sync.pages + 1,
            listed=sync.listed + page.size,
            total=page.total,
            least_total=min([*totals, page.total]),
            most_total=max([*totals, page.total]),
            first_page_at=sync.first_page_at or asked_at,
            paged_at=asked_at,
        )
        moved = connection.execute(
            update(FollowerSync)
            .filter_by(id=sync.id, finished_at=None, pages=sync.pages)
            .values({name: getattr(after, name) for name in _MOVED})
        )
        if moved.rowcount != 1:
            raise SyncTakenOverError("error.followers.taken_over", account=sync.account)
        if page.size:
            insert_row(
                connection,
                FollowerPage,
                sync_id=sync.id,
                n=sync.pages,
                asked_from=sync.next_openid,
                seen_at=asked_at,
                size=page.size,
                openids=page.openids,
            )
        if after.next_openid is not None and _was_asked(connection, sync.id, after.next_openid):
            _give_up(connection, sync.id, moment)
            return None
        return after

    taken = write(engine, work)
    if taken is None:
        raise SyncLoopError("error.followers.loop", account=sync.account, page=sync.pages + 1)
    return taken


_MOVED = (
    "next_openid",
    "tail",
    "pages",
    "listed",
    "total",
    "least_total",
    "most_total",
    "first_page_at",
    "paged_at",
)


def _was_asked(connection: Connection, sync_id: int, openid: str) -> bool:
    asked = exists().where(FollowerPage.sync_id == sync_id, FollowerPage.asked_from == openid)
    return is_so(connection, asked)


def _give_up(connection: Connection, sync_id: int, moment: datetime) -> None:
    change(connection, FollowerSync, sync_id, ended="given_up", finished_at=moment)


def go_back(engine: Engine, sync: Sync) -> Sync | None:
    """Go on from the OpenID before the one that WeChat does not know; None where there is none.

    Who is listed twice for it is counted once in the end.
    """
    # The tail ends with what was tried last.
    tail = sync.tail[:-_OPENID]
    if not tail:
        return None

    def work(connection: Connection) -> None:
        moved = connection.execute(
            update(FollowerSync)
            .filter_by(id=sync.id, finished_at=None, pages=sync.pages, tail=sync.tail)
            .values(next_openid=tail[-_OPENID:], tail=tail)
        )
        if moved.rowcount != 1:
            raise SyncTakenOverError("error.followers.taken_over", account=sync.account)

    write(engine, work)
    return replace(sync, next_openid=tail[-_OPENID:], tail=tail)


_OPENID = 28


@writing
def finish(connection: Connection, sync: Sync, ended: Ended) -> Sync:
    """Publish the list of a pass, unless another process was first; return what is stored."""
    stored = connection.execute(
        select(FollowerChunk.size).filter_by(sync_id=sync.id, run=ended.run)
    ).scalars()
    if sum(stored) == ended.size:
        connection.execute(
            update(FollowerSync)
            .filter_by(id=sync.id, finished_at=None, pages=sync.pages)
            .values(**asdict(ended), finished_at=now(connection))
        )
    return _finished(connection, sync)


@reading
def finished(connection: Connection, sync: Sync) -> Sync:
    """Return a pass that another process finished. Raises SyncTakenOverError if nobody did."""
    return _finished(connection, sync)


def _finished(connection: Connection, sync: Sync) -> Sync:
    query = selected(Sync, FollowerSync).filter_by(id=sync.id)
    found = first(connection, query, Sync)
    if found is None or found.run is None:
        raise SyncTakenOverError("error.followers.taken_over", account=sync.account)
    return found


@reading
def under_way(connection: Connection, account: str) -> Sync | None:
    """Return the pass of an account that is not finished."""
    return first(connection, _UNFINISHED.filter_by(account=account), Sync)


def clear(engine: Engine, account: str, *, keep: int) -> None:
    """Remove the pages of finished passes, and all lists but the newest *keep*, bit by bit."""
    stored = or_(
        exists().where(FollowerPage.sync_id == FollowerSync.id),
        exists().where(FollowerChunk.sync_id == FollowerSync.id),
    )
    ended = (
        selected(Sync, FollowerSync)
        .where(FollowerSync.account == account, FollowerSync.finished_at.is_not(None), stored)
        .order_by(FollowerSync.id.desc())
    )
    with read(engine) as connection:
        finished = every_row(connection, ended, Sync)
    counted = [one.id for one in finished if one.run is not None][:keep]
    for one in finished:
        remove(engine, FollowerPage.id, FollowerPage.sync_id == one.id, most=ROWS_AT_ONCE)
        chunks = [FollowerChunk.sync_id == one.id]
        if one.id in counted:
            chunks.append(FollowerChunk.run != one.run)
        remove(engine, FollowerChunk.id, *chunks, most=ROWS_AT_ONCE)


def forget_changes(engine: Engine, account: str, *, before: datetime) -> None:
    """Remove what pushes said before a moment, which a list holds by now."""
    old = (FollowerChange.account == account, FollowerChange.changed_at < before)
    remove(engine, FollowerChange.openid, *old, most=CHANGES_AT_ONCE)
