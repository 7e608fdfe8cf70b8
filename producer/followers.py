"""One pass over WeChat's list of followers, as far as today's calls go.

It changes nothing at WeChat and takes no lane, so it runs beside a broadcast. Every page is stored
before the next one is asked for: whatever ends it, the next run goes on behind the last page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from enum import Enum, auto
from typing import Protocol

import numpy as np
from sqlalchemy import Engine

from broadcast.errors import BroadcastError
from broadcast.frozen import frozen
from broadcast.rules.accounts import Account
from broadcast.sorted_openids import IDs, sorted_page
from broadcast.wechat.api.users import (
    MOST_ASKED,
    MOST_OF_A_PAGE,
    NO_SUCH_OPENID,
    Page,
    UserGet,
    UserInfo,
    UserInfos,
)
from broadcast.wechat.call_errors import APIError
from broadcast.wechat_account.account_client import AccountClient
from broadcast.wechat_account.followers import NO_CALLS_LEFT, Calls
from models.ledger.followers import follower_changes, follower_lists, follower_syncs, followers
from models.ledger.followers.follower_changes import Undated
from models.ledger.followers.follower_syncs import TAIL, StoredPage, Sync
from models.ledger.followers.followers import FollowerList


@frozen
class Outlook:
    """Forecast before the next call: the progress of the pass and of today's calls."""

    sync: Sync
    resumed: bool
    #: How many follow, by WeChat or by our list before; None: nobody knows yet.
    total: int | None
    #: Calls of user/get that WeChat counts as left today; None where it does not say.
    calls_left: int | None
    #: Calls that the rest of the list takes.
    calls_needed: int | None

    @property
    def fits(self) -> bool | None:
        """True if it can end today; None where nobody knows."""
        if self.calls_left is None or self.calls_needed is None:
            return None
        return self.calls_needed <= self.calls_left


class Watcher(Protocol):
    """Listener of a pass while it runs."""

    def begins(self, outlook: Outlook) -> None:
        """Called before the first call, and again with WeChat's count of followers."""

    def has(self, sync: Sync) -> None:
        """Called after each page is stored."""

    def makes_list(self, sync: Sync) -> None:
        """Called when the last page is stored, and the list is being made."""


@frozen
class Synced:
    """The end of a pass."""

    sync: Sync
    #: There are none left today; else the list is made.
    out_of_calls: bool


def sync(
    engine: Engine,
    account: Account,
    client: AccountClient,
    *,
    who: str,
    watcher: Watcher,
    anew: bool = False,
    details: bool = False,
) -> Synced:
    """Copy WeChat's list of followers, from where an earlier run ended.

    *details*: whoever is on no page is looked up before they count as having left. Raises what
    :meth:`AccountClient.ask` does, SyncTakenOverError and SyncLoopError; what was stored stays.
    """
    begun, resumed = follower_syncs.begin(engine, account, who=who, anew=anew)
    if not resumed:
        follower_syncs.clear(engine, account.name, keep=1)
    run = _Run(engine, Calls(client), watcher)
    before = followers.newest(engine, account.name)
    guess = begun.total if before is None or begun.total is not None else before.followers
    if begun.next_openid is not None:
        run.outlook(begun, resumed=resumed, total=guess)
    reached = run.pages(begun, resumed=resumed)
    if reached.next_openid is not None and not _lists_all(reached):
        return Synced(sync=reached, out_of_calls=True)
    watcher.makes_list(reached)
    ask = run.still_follow if details else follower_lists.are_missing_unsubscribed
    made = follower_lists.make(engine, reached, ask=ask)
    return Synced(sync=made, out_of_calls=False)


def _lists_all(sync: Sync) -> bool:
    """Return whether the pages list as many as WeChat counts: the next one would be empty."""
    return sync.total is not None and 0 < sync.total <= sync.listed


def calls_needed(sync: Sync, total: int) -> int:
    """Return the number of calls for the rest of a list; one more shows that it has ended."""
    if sync.next_openid is None:
        return 0
    size = math.ceil(sync.listed / sync.pages) if sync.listed else MOST_OF_A_PAGE
    return math.ceil(max(0, total - sync.listed) / size)


class _Run:
    """The calls of one run."""

    def __init__(self, engine: Engine, calls: Calls, watcher: Watcher) -> None:
        self._engine, self._calls, self._watcher = engine, calls, watcher

    def outlook(self, sync: Sync, *, resumed: bool, total: int | None) -> None:
        """Report the progress of the pass, and the reach of today's calls."""
        needed = None if total is None else calls_needed(sync, total)
        self._watcher.begins(
            Outlook(
                sync=sync,
                resumed=resumed,
                total=total,
                calls_needed=needed,
                calls_left=self._calls.left_today(UserGet.path),
            )
        )

    def pages(self, sync: Sync, *, resumed: bool) -> Sync:
        """Store page after page, to the last one or until no calls are left."""
        while sync.next_openid is not None:
            page = self._page(sync.next_openid)
            if page is _Refused.NO_CALLS_LEFT:
                break
            if page is _Refused.NO_SUCH_OPENID:
                # Who was last on the page has left: what comes behind the one before is asked for.
                back = follower_syncs.go_back(self._engine, sync)
                if back is None:
                    raise BroadcastError("error.followers.no_way_on", account=sync.account)
                sync = back
                continue
            sync = follower_syncs.store_page(self._engine, sync, _stored(page))
            if sync.pages == 1 and not resumed:
                self.outlook(sync, resumed=False, total=sync.total)
            self._watcher.has(sync)
        return sync

    def still_follow(self, ids: IDs) -> IDs:
        """Return those who follow all the same; one whom WeChat does not know follows no more."""
        found = self._calls.infos([one.decode() for one in ids.tolist()])
        return np.array([one for one, info in found.items() if info.follows], ids.dtype)

    def _page(self, next_openid: str) -> Page | _Refused:
        try:
            return self._calls.ask(UserGet(next_openid=next_openid))
        except APIError as error:
            if error.errcode == NO_CALLS_LEFT:
                return _Refused.NO_CALLS_LEFT
            if error.errcode == NO_SUCH_OPENID and next_openid:
                return _Refused.NO_SUCH_OPENID
            raise


class _Refused(Enum):
    NO_CALLS_LEFT = auto()
    NO_SUCH_OPENID = auto()


def _stored(page: Page) -> StoredPage:
    last = [*page.openids[-TAIL:]]
    if page.next_openid and last[-1:] != [page.next_openid]:
        last.append(page.next_openid)
    return StoredPage(
        openids=sorted_page(page.openids),
        size=len(page.openids),
        tail="".join(last),
        next_openid=page.next_openid,
        total=page.total or 0,
        asked_at=page.asked_at,
        elapsed_ms=page.elapsed_ms,
    )


#: OpenIDs whose answers are stored at once: what a kill costs is ten calls.
STORED_AT_ONCE = 10 * MOST_ASKED


@frozen
class DetailsOutlook:
    """Forecast before the first call."""

    #: Followers of whom nobody said since when, and the calls that asking takes.
    people: int
    calls_needed: int
    #: Calls that WeChat counts as left today; None where it does not say.
    calls_left: int | None

    @property
    def fits(self) -> bool | None:
        """True if all can be asked about today; None where nobody knows."""
        return None if self.calls_left is None else self.calls_needed <= self.calls_left


class DetailsWatcher(Protocol):
    """Listener of a run while it asks."""

    def asks(self, outlook: DetailsOutlook) -> None:
        """Called before the first call."""

    def asked(self, people: int) -> None:
        """Note the number of people, in all, whose answers are stored."""


@frozen
class Coverage:
    """Counts of a run."""

    #: Followers who were asked about; those of whom WeChat said since when.
    people: int
    dated: int
    #: Followers who were not asked about: no calls were left today.
    left: int


def ask_details(
    engine: Engine, client: AccountClient, of: FollowerList, *, watcher: DetailsWatcher
) -> Coverage:
    """Ask about every follower of a list whose subscribe time is unknown.

    Raises ListReplacedError, and what :meth:`AccountClient.ask` does; what was stored stays.
    """
    calls = Calls(client)
    sizes = [len(part.ids) for part in _parts(engine, of)]
    people = sum(sizes)
    if not people:
        return Coverage(people=0, dated=0, left=0)
    needed = sum(math.ceil(size / MOST_ASKED) for size in sizes)
    left_today = calls.left_today(UserInfos.path)
    watcher.asks(DetailsOutlook(people=people, calls_needed=needed, calls_left=left_today))
    asked = dated = 0
    for part in _parts(engine, of):
        infos, answered = _infos(calls, part.ids)
        since = {who: info.since for who, info in infos.items() if info.since is not None}
        follower_changes.store_details(engine, part.chunk_id, since)
        asked, dated = asked + answered, dated + len(since)
        watcher.asked(asked)
        if answered < len(part.ids):
            return Coverage(people=asked, dated=dated, left=people - asked)
    return Coverage(people=asked, dated=dated, left=0)


def _parts(engine: Engine, of: FollowerList) -> Iterator[Undated]:
    for one in follower_changes.everybody_without_details(engine, of):
        for start in range(0, len(one.ids), STORED_AT_ONCE):
            yield replace(one, ids=one.ids[start : start + STORED_AT_ONCE])


def _infos(calls: Calls, ids: IDs) -> tuple[dict[str, UserInfo], int]:
    """Return WeChat's facts of people, and how many it answered while calls were left."""
    openids = [one.decode() for one in ids.tolist()]
    found: dict[str, UserInfo] = {}
    for start in range(0, len(openids), MOST_ASKED):
        try:
            found |= calls.infos(openids[start : start + MOST_ASKED])
        except APIError as error:
            if error.errcode != NO_CALLS_LEFT:
                raise
            return found, start
    return found, len(openids)
