"""The list that a pass makes: its pages, the list before it and what pushes said, range by range.

Memory is bounded by the length of a range, transactions by a few chunks. Nobody sees the list
before one commit lets it count, so a process that is killed here begins this step again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
from sqlalchemy import Connection, Engine, insert, select

from broadcast.rules.followers import (
    Changes,
    FollowerFacts,
    Merged,
    Pass,
    Seconds,
    Seen,
    merged,
    nobody,
    nothing_known,
)
from broadcast.rules.plan.cut import CHUNK
from broadcast.sorted_openids import SAMPLED, IDs, Range, ranges
from models.followers import FollowerChunk, FollowerPage
from models.ledger.followers import follower_syncs, followers
from models.ledger.followers.follower_syncs import ROWS_AT_ONCE, Ended, Sync
from models.ledger.rows import erased_people
from models.ledger.rows.transaction import present, read, write

#: Given those whom no page lists, returns those of them who follow all the same.
Ask = Callable[[IDs], IDs]
PAGES_AT_ONCE = 20
#: What pushes said is removed once a list holds it and no transaction can still be storing it.
_SETTLED = timedelta(minutes=1)
#: Of WeChat's total, so much may be missing on the pages: it lags.
_LAG = 1_000


def are_missing_unsubscribed(_ids: IDs) -> IDs:
    """Treat everybody missing from the pages as unsubscribed."""
    return nobody()


def make(engine: Engine, sync: Sync, *, ask: Ask = are_missing_unsubscribed) -> Sync:
    """Make the list of a pass whose last page came, let it count, and tidy up.

    A pass that lists clearly fewer than WeChat counts shows nobody as left: it is ``short``. So
    does one that lists less than half of who followed, unless WeChat was asked about each: it is
    ``shrunk``, since an empty answer looks like that as well.

    Raises SyncTakenOverError, and whatever *ask* does.
    """
    began = present(engine)
    try:
        ended = _Building(engine, sync, ask=ask).built()
    except _PagesGoneError:
        done = follower_syncs.finished(engine, sync)
        # What this process had stored of the list by then.
        follower_syncs.clear(engine, sync.account, keep=2)
        return done
    done = follower_syncs.finish(engine, sync, ended)
    if done.run == ended.run:
        # The list of another process may be older than this one's beginning.
        follower_syncs.forget_changes(engine, sync.account, before=began - _SETTLED)
    # A reader of the list before may not be done with it.
    follower_syncs.clear(engine, sync.account, keep=2)
    return done


class _PagesGoneError(Exception):
    """Another process made the list of the pass, and removed its pages."""


class _Building:
    """One run."""

    def __init__(self, engine: Engine, sync: Sync, *, ask: Ask) -> None:
        self._engine, self._sync, self._ask = engine, sync, ask
        self._before = followers.newest(engine, sync.account)
        self._seen_at = self._moments()
        self._erased = erased_people.erased_among(engine, sync.account)

    def built(self) -> Ended:
        """Store the list, of all that are known and not only of those who follow."""
        began, ended = self._sync.first_page_at, self._sync.paged_at
        if began is None or ended is None:
            raise ValueError("a pass without pages")
        whole = Pass(began=int(began.timestamp()), ended=int(ended.timestamp()))
        listed, concluded, made = self._merge(whole, ended="complete")
        if self._is_short(listed):
            return self._merge(None, ended="short")[-1]
        if self._is_shrunk(concluded, made):
            return self._merge(None, ended="shrunk")[-1]
        return made

    def _is_short(self, listed: int) -> bool:
        """Return whether more are missing than can have come and gone meanwhile."""
        total, least, most = self._sync.total, self._sync.least_total, self._sync.most_total
        if total is None or least is None or most is None:
            return True
        return total - listed > most - least + max(10, total // _LAG)

    def _is_shrunk(self, concluded: int, made: Ended) -> bool:
        """Return whether more than half left by the pages' word alone."""
        followed = made.followers - made.joined + made.left
        return self._ask is are_missing_unsubscribed and concluded * 2 > followed

    def _merge(self, whole: Pass | None, *, ended: str) -> tuple[int, int, Ended]:
        """Store a list; return how many pages list, how many they show as left, and the list."""
        store = _Store(self._engine, self._sync)
        known = _Old(self._engine, self._before)
        counts = np.zeros(5, np.int64)
        after = ""
        for one in ranges(self._pages, beside=self._sampled()):
            upto = None if one.upto is None else one.upto.decode()
            before = known.upto(one.upto)
            changes = self._changes(after=after, upto=upto)
            listed_here = self._without_erased(one)
            found = self._merged(before, changes, listed_here, whole=whole)
            counts += (
                found.listed + len(one.ids) - len(listed_here.ids),
                len(found.concluded),
                found.follow.sum(),
                found.joined,
                found.lost,
            )
            store.add(found)
            after = upto or ""
        listed, concluded, followers, joined, lost = (int(one) for one in counts)
        made = Ended(
            ended=ended,
            run=store.run,
            size=store.close(),
            followers=followers,
            joined=joined,
            left=lost,
        )
        return listed, concluded, made

    def _without_erased(self, one: Range) -> Range:
        """Return a range without the people who were erased: they stand in no list of ours."""
        if self._erased is None or not (found := self._erased(one.ids.tolist())):
            return one
        there = ~np.isin(one.ids, np.array(list(found), one.ids.dtype))
        return replace(one, ids=one.ids[there], pages=one.pages[there])

    def _merged(
        self, before: FollowerFacts, changes: Changes, listed: Range, *, whole: Pass | None
    ) -> Merged:
        seen = Seen(ids=listed.ids, at=self._seen_at[listed.pages])
        found = merged(before, changes, seen=seen, whole=whole)
        if whole is None or not len(found.concluded):
            return found
        follow = self._ask(found.concluded)
        if not len(follow):
            return found
        at = np.full(len(follow), whole.ended, np.uint32)
        more = Seen(ids=np.concatenate([seen.ids, follow]), at=np.concatenate([seen.at, at]))
        return merged(before, changes, seen=more, whole=whole)

    def _moments(self) -> Seconds:
        query = (
            select(FollowerPage.seen_at, FollowerPage.size)
            .filter_by(sync_id=self._sync.id)
            .order_by(FollowerPage.n)
        )
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        if sum(row.size for row in rows) != self._sync.listed:
            raise _PagesGoneError
        return np.array([int(row.seen_at.timestamp()) for row in rows], np.uint32)

    def _pages(self) -> Iterator[bytes]:
        """Yield every page anew. Raises _PagesGoneError rather than to leave one out."""
        after, found = -1, 0
        query = (
            select(FollowerPage.n, FollowerPage.openids)
            .filter_by(sync_id=self._sync.id)
            .order_by(FollowerPage.n)
            .limit(PAGES_AT_ONCE)
        )
        while True:
            with read(self._engine) as connection:
                rows = connection.execute(query.where(FollowerPage.n > after)).all()
            for row in rows:
                yield row.openids
            found += len(rows)
            if len(rows) < PAGES_AT_ONCE:
                break
            after = rows[-1].n
        if found != len(self._seen_at):
            raise _PagesGoneError

    def _sampled(self) -> IDs:
        """Return one of each 100 OpenIDs of the list before: the last one of its chunk for all."""
        if self._before is None:
            return nobody()
        query = select(FollowerChunk.last_openid, FollowerChunk.size).filter_by(
            sync_id=self._before.sync_id, run=self._before.run
        )
        with read(self._engine) as connection:
            rows = connection.execute(query).all()
        lasts = np.array([row.last_openid for row in rows], nobody().dtype)
        return np.repeat(lasts, [row.size // SAMPLED for row in rows])

    def _changes(self, *, after: str, upto: str | None) -> Changes:
        parts = []
        last: str | None = after
        while last is not None:
            part, last = followers.changes_between(
                self._engine, self._sync.account, after=last, upto=upto
            )
            parts.append(part)
        return Changes(
            ids=np.concatenate([one.ids for one in parts]),
            followed=np.concatenate([one.followed for one in parts]),
            left=np.concatenate([one.left for one in parts]),
        )


class _Old:
    """The list before, read on as the ranges come."""

    def __init__(self, engine: Engine, before: followers.FollowerList | None) -> None:
        self._chunks = iter(()) if before is None else followers.chunks(engine, before)
        self._held = nothing_known()

    def upto(self, last: bytes | None) -> FollowerFacts:
        """Return what is known of the next people, up to an OpenID or all that are left."""
        parts = []
        while True:
            until = len(self._held.ids)
            if last is not None:
                until = int(np.searchsorted(self._held.ids, np.bytes_(last), "right"))
            parts.append(self._held.part(slice(until)))
            self._held = self._held.part(slice(until, None))
            if len(self._held.ids):
                break
            more = next(self._chunks, None)
            if more is None:
                break
            self._held = more
        return _joined(parts)


def _joined(parts: list[FollowerFacts]) -> FollowerFacts:
    return FollowerFacts(
        ids=np.concatenate([one.ids for one in parts]),
        facts=np.concatenate([one.facts for one in parts]),
    )


class _Store:
    """Stores the list of one run in chunks."""

    def __init__(self, engine: Engine, sync: Sync) -> None:
        self.run = secrets.token_hex(4)
        self._engine, self._sync = engine, sync
        self._held = nothing_known()
        self._rows: list[dict[str, object]] = []
        self._start = 0

    def add(self, more: FollowerFacts) -> None:
        """Add the next people of the list."""
        self._held = _joined([self._held, more])
        while len(self._held.ids) >= CHUNK:
            self._add_row(self._held.part(slice(CHUNK)))
            self._held = self._held.part(slice(CHUNK, None))

    def close(self) -> int:
        """Store the rest; return how many people the list holds."""
        if len(self._held.ids):
            self._add_row(self._held)
        self._write()
        return self._start

    def _add_row(self, some: FollowerFacts) -> None:
        self._rows.append(
            {
                "sync_id": self._sync.id,
                "run": self.run,
                "start": self._start,
                **followers.columns_of(some),
            }
        )
        self._start += len(some.ids)
        if len(self._rows) >= ROWS_AT_ONCE:
            self._write()

    def _write(self) -> None:
        rows, self._rows = self._rows, []
        if rows:

            def work(connection: Connection) -> None:
                connection.execute(insert(FollowerChunk), rows)

            write(self._engine, work)
