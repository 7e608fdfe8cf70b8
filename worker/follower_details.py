"""Since when each follower follows: asked of WeChat, 100 a call, as far as today's calls go.

It changes nothing at WeChat and takes no lane, so it runs beside a broadcast. Answers are stored
every ten calls: whatever ends a run, the next one asks about whoever is not dated yet.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from sqlalchemy import Engine

from broadcast.frozen import frozen
from broadcast.sorted_openids import IDs
from models.ledger import follower_details
from models.ledger.follower_details import Undated
from models.ledger.reading.followers import FollowerList
from wechat.api.users import MOST_ASKED, UserInfo, UserInfos
from wechat.errors import APIError
from worker.account_client import AccountClient
from worker.follower_calls import NO_CALLS_LEFT, Calls

#: OpenIDs whose answers are stored at once: what a kill costs is ten calls.
STORED_AT_ONCE = 10 * MOST_ASKED


@frozen
class Outlook:
    """What is known before the first call."""

    #: Followers of whom nobody said since when, and the calls that asking takes.
    people: int
    calls_needed: int
    #: Calls that WeChat counts as left today; None where it does not say.
    calls_left: int | None

    @property
    def fits(self) -> bool | None:
        """Whether all can be asked about today; None where nobody knows."""
        return None if self.calls_left is None else self.calls_needed <= self.calls_left


class Watcher(Protocol):
    """Who hears of a run while it asks."""

    def asks(self, outlook: Outlook) -> None:
        """Hear of it before the first call."""

    def asked(self, people: int) -> None:
        """Hear that the answers about so many people, in all, are stored."""


@frozen
class Coverage:
    """How far a run came."""

    #: Followers who were asked about; those of whom WeChat said since when.
    people: int
    dated: int
    #: Followers who were not asked about: no calls were left today.
    left: int


def ask(engine: Engine, client: AccountClient, of: FollowerList, *, watcher: Watcher) -> Coverage:
    """Ask about every follower of a list of whom nobody said since when.

    Raises ListReplacedError, and what :meth:`AccountClient.ask` does; what was stored stays.
    """
    calls = Calls(client)
    sizes = [len(part.ids) for part in _parts(engine, of)]
    people = sum(sizes)
    if not people:
        return Coverage(people=0, dated=0, left=0)
    needed = sum(math.ceil(size / MOST_ASKED) for size in sizes)
    left_today = calls.left_today(UserInfos.path)
    watcher.asks(Outlook(people=people, calls_needed=needed, calls_left=left_today))
    asked = dated = 0
    for part in _parts(engine, of):
        infos, answered = _infos(calls, part.ids)
        since = {who: info.since for who, info in infos.items() if info.since is not None}
        follower_details.take(engine, part.chunk_id, since)
        asked, dated = asked + answered, dated + len(since)
        watcher.asked(asked)
        if answered < len(part.ids):
            return Coverage(people=asked, dated=dated, left=people - asked)
    return Coverage(people=asked, dated=dated, left=0)


def _parts(engine: Engine, of: FollowerList) -> Iterator[Undated]:
    for one in follower_details.everybody(engine, of):
        for start in range(0, len(one.ids), STORED_AT_ONCE):
            yield replace(one, ids=one.ids[start : start + STORED_AT_ONCE])


def _infos(calls: Calls, ids: IDs) -> tuple[dict[str, UserInfo], int]:
    """Return what WeChat says of people, and about how many it answered while calls were left."""
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
