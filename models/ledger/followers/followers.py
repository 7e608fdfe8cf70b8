"""Followers of an account: the newest list of a pass, and the pushes since.

A list is read chunk by chunk, so memory does not grow with it. It stays readable until the pass
after the next one begins; a reader that is slower than that goes on in the newest one, from where
it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, Row, exists, func, select

from broadcast.frozen import frozen
from broadcast.rules.followers import (
    FACTS,
    FOLLOWS,
    LEFT_SAID,
    SINCE_SAID,
    Changes,
    FollowerFacts,
    Seconds,
    merged,
    nobody,
    nobody_seen,
    nothing_known,
)
from broadcast.sorted_openids import are_in, packed, unpacked
from models.base import is_so, row_of, value_of
from models.followers import FollowerChange, FollowerChunk, FollowerSync
from models.ledger.rows.transaction import first, read, reading, selected

#: Pushes that are read at once: more people came or went between two OpenIDs of the list.
CHANGES_AT_ONCE = 10_000
_LAST_SECOND = 2**32 - 1


class ListGoneError(LookupError):
    """A part of a list is missing: it was replaced and removed while somebody read it."""


@frozen
class FollowerList:
    """The list that the newest finished pass made."""

    sync_id: int
    run: str
    #: People in it, those who left too.
    size: int
    followers: int
    #: When the pass began and ended.
    started_at: datetime
    finished_at: datetime
    #: ``complete``, or ``short``: it showed nobody as left.
    ended: str


@frozen
class Follower:
    """Stored facts of one person."""

    openid: str
    follows: bool
    #: Since when they follow, or followed last; None: nobody knows.
    since: datetime | None
    #: Whether WeChat said so, or they were first listed then.
    since_said: bool
    left_at: datetime | None
    #: Whether WeChat said so, or a pass did not find them any more.
    left_said: bool


@reading
def newest(connection: Connection, account: str) -> FollowerList | None:
    """Return the list of the newest finished pass; None where there never was one."""
    return newest_list_in(connection, account)


def newest_list_in(connection: Connection, account: str) -> FollowerList | None:
    """Return the list of the newest finished pass."""
    query = (
        selected(FollowerList, FollowerSync, sync_id=FollowerSync.id)
        .where(FollowerSync.account == account, FollowerSync.run.is_not(None))
        .order_by(FollowerSync.id.desc())
        .limit(1)
    )
    return first(connection, query, FollowerList)


def count(engine: Engine, account: str) -> int:
    """Return how many follow now."""
    there = newest(engine, account)
    changed = select(exists().where(FollowerChange.account == account))
    with read(engine) as connection:
        if there is not None and not connection.scalar(changed):
            return there.followers
    return sum(int(np.count_nonzero(piece.follow)) for piece in everybody(engine, account))


def current(engine: Engine, account: str) -> Iterator[bytes]:
    """Yield the packed OpenIDs of all who follow now, sorted, in pieces."""
    for piece in everybody(engine, account):
        if piece.follow.any():
            yield packed(piece.ids[piece.follow])


def left(engine: Engine, account: str, *, since: datetime | None = None) -> Iterator[bytes]:
    """Yield the packed OpenIDs of all who are known to have left, sorted, in pieces.

    *since*: those alone who left at that moment or later, by WeChat's clock.
    """
    earliest = 0 if since is None else int(since.timestamp())
    for piece in everybody(engine, account):
        gone = ~piece.follow & (piece.facts["as_of"] >= earliest)
        if gone.any():
            yield packed(piece.ids[gone])


@reading
def any_left(connection: Connection, account: str, *, since: datetime) -> bool:
    """Return whether anybody may have left at a moment or later: a quick look."""
    by_push = exists().where(
        FollowerChange.account == account,
        FollowerChange.left_change > 0,
        FollowerChange.left_at >= since,
    )
    by_pass = exists().where(
        FollowerSync.account == account,
        FollowerSync.run.is_not(None),
        FollowerSync.finished_at >= since,
    )
    return is_so(connection, by_push | by_pass)


def everybody(engine: Engine, account: str) -> Iterator[FollowerFacts]:
    """Yield everybody of whom anything is known, sorted, in pieces."""
    after = ""
    for piece in _listed(engine, account):
        last = str(piece.ids[-1], "ascii")
        yield from _with_changes(engine, account, piece, after=after, upto=last)
        after = last
    yield from _with_changes(engine, account, nothing_known(), after=after, upto=None)


def _listed(engine: Engine, account: str) -> Iterator[FollowerFacts]:
    """Yield the newest list; where it is replaced and removed meanwhile, the rest of the new one.

    Raises ListGoneError where a part of the newest one is missing.
    """
    there, after = newest(engine, account), ""
    while there is not None:
        try:
            for piece in chunks(engine, there, after=after):
                yield piece
                after = str(piece.ids[-1], "ascii")
        except ListGoneError:
            gone, there = there, newest(engine, account)
            if there == gone:
                raise
        else:
            return


def chunks(engine: Engine, of: FollowerList, *, after: str = "") -> Iterator[FollowerFacts]:
    """Yield a list as its pass made it, of those behind an OpenID.

    Raises ListGoneError where it was replaced and removed.
    """
    start = _start_of(engine, of, after=after) if after else 0
    query = select(FollowerChunk.size, FollowerChunk.openids, FollowerChunk.facts).filter_by(
        sync_id=of.sync_id, run=of.run
    )
    while start < of.size:
        with read(engine) as connection:
            row = connection.execute(query.filter_by(start=start)).first()
        if row is None:
            raise ListGoneError(f"follower list {of.sync_id} ends at {start} of {of.size}")
        found = facts_of(row)
        behind = int(np.searchsorted(found.ids, after.encode(), "right"))
        yield found.part(slice(behind, None))
        start += row.size


@reading
def _start_of(connection: Connection, of: FollowerList, *, after: str) -> int:
    """Return where the chunk starts that holds the first person behind an OpenID."""
    query = (
        select(func.min(FollowerChunk.start))
        .filter_by(sync_id=of.sync_id, run=of.run)
        .where(FollowerChunk.last_openid > after)
    )
    start = connection.scalar(query)
    return of.size if start is None else int(start)


def _with_changes(
    engine: Engine, account: str, piece: FollowerFacts, *, after: str, upto: str | None
) -> Iterator[FollowerFacts]:
    """Yield a piece of the list with what pushes said of people between two OpenIDs."""
    while True:
        changes, last = changes_between(engine, account, after=after, upto=upto)
        if last is None:
            if len(piece.ids) or len(changes.ids):
                yield merged(piece, changes, seen=nobody_seen())
            return
        until = int(np.searchsorted(piece.ids, last.encode(), "right"))
        here = piece.part(slice(until))
        yield merged(here, changes, seen=nobody_seen())
        piece, after = piece.part(slice(until, None)), last


@reading
def changes_between(
    connection: Connection, account: str, *, after: str, upto: str | None
) -> tuple[Changes, str | None]:
    """Return what pushes said of people behind *after* and up to *upto*, and where it was cut.

    None: it is all of it.
    """
    query = (
        select(FollowerChange.openid, FollowerChange.followed_at, FollowerChange.left_at)
        .where(FollowerChange.account == account, FollowerChange.openid > after)
        .order_by(FollowerChange.openid)
        .limit(CHANGES_AT_ONCE)
    )
    bounded = query if upto is None else query.where(FollowerChange.openid <= upto)
    rows = connection.execute(bounded).all()
    changes = Changes(
        ids=np.array([row.openid for row in rows], "S28"),
        followed=_seconds([row.followed_at for row in rows]),
        left=_seconds([row.left_at for row in rows]),
    )
    return changes, rows[-1].openid if len(rows) == CHANGES_AT_ONCE else None


def of_openid(engine: Engine, account: str, openid: str) -> Follower | None:
    """Return what is known of one person; None: nothing."""
    with read(engine) as connection:
        there = newest_list_in(connection, account)
        chunk = None if there is None else chunk_with(connection, there, openid)
    piece = chunk[1] if chunk else nothing_known()
    changes, _ = changes_between(engine, account, after=openid[:-1], upto=openid)
    mine = changes.ids == openid.encode()
    one = Changes(ids=changes.ids[mine], followed=changes.followed[mine], left=changes.left[mine])
    found = merged(piece, one, seen=nobody_seen())
    at = np.flatnonzero(found.ids == openid.encode())
    return None if not len(at) else _follower(openid, found.facts[at[0]])


def known_among(engine: Engine, account: str, openids: bytes) -> int | None:
    """Return how many of some sorted OpenIDs follow or left; None: no whole pass shows who does."""
    ids = np.frombuffer(openids, nobody().dtype)
    there = newest(engine, account)
    if there is None or there.ended != "complete":
        return None
    places = select(FollowerChunk.id, FollowerChunk.first_openid, FollowerChunk.last_openid)
    pushed = select(FollowerChange.openid).filter_by(account=account)
    drawn = [one.decode() for one in ids.tolist()]
    with read(engine) as connection:
        changed = sorted(connection.scalars(pushed.where(FollowerChange.openid.in_(drawn))))
        known = are_in(ids, np.array(changed, ids.dtype))
        mine = places.filter_by(sync_id=there.sync_id, run=there.run)
        for chunk, first, last in connection.execute(mine).all():
            start = np.searchsorted(ids, first.encode())
            end = np.searchsorted(ids, last.encode(), "right")
            if start < end:
                people = unpacked(value_of(connection, chunk, FollowerChunk.openids) or b"")
                known[start:end] |= are_in(ids[start:end], people)
    return int(np.count_nonzero(known))


def left_since_change(
    engine: Engine, account: str, known: int, *, most: int
) -> list[Follower] | None:
    """Return those of whom a push said after a change that they left, sorted; some came back.

    None: they are more than *most*.
    """
    query = (
        select(FollowerChange.openid)
        .where(FollowerChange.account == account, FollowerChange.left_change > known)
        .limit(most + 1)
    )
    with read(engine) as connection:
        found = sorted(connection.scalars(query))
    if len(found) > most:
        return None
    return [there for one in found if (there := of_openid(engine, account, one))]


def chunk_with(
    connection: Connection, of: FollowerList, openid: str
) -> tuple[int, FollowerFacts] | None:
    """Return the chunk that holds an OpenID if its list does, and its id."""
    query = (
        select(FollowerChunk.id)
        .filter_by(sync_id=of.sync_id, run=of.run)
        .where(FollowerChunk.first_openid <= openid, FollowerChunk.last_openid >= openid)
    )
    # Its id first: MariaDB reads the OpenIDs of each row that a statement passes.
    found = connection.scalar(query)
    if found is None:
        return None
    row = row_of(connection, found, FollowerChunk.openids, FollowerChunk.facts)
    return found, facts_of(row)


def facts_of(chunk: Row[*tuple[Any, ...]]) -> FollowerFacts:
    """Return who is in a stored chunk, and what is known of them."""
    return FollowerFacts(ids=unpacked(chunk.openids), facts=np.frombuffer(chunk.facts, FACTS))


def columns_of(some: FollowerFacts) -> dict[str, object]:
    """Return the columns of a chunk that holds some people."""
    return {
        "size": len(some.ids),
        "first_openid": some.ids[0].decode(),
        "last_openid": some.ids[-1].decode(),
        "openids": packed(some.ids),
        "facts": some.facts.tobytes(),
    }


def _follower(openid: str, facts: np.void) -> Follower:
    flags, as_of = int(facts["flags"]), _moment(int(facts["as_of"]))
    follows = bool(flags & FOLLOWS)
    return Follower(
        openid=openid,
        follows=follows,
        since=_moment(int(facts["since"])),
        since_said=bool(flags & SINCE_SAID),
        left_at=None if follows else as_of,
        left_said=bool(flags & LEFT_SAID),
    )


def _moment(seconds: int) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def _seconds(moments: Sequence[datetime | None]) -> Seconds:
    seconds = [0 if one is None else int(one.timestamp()) for one in moments]
    # Facts have 32 bits, and no moment is worth that nobody can be read any more.
    return np.clip(np.array(seconds, np.int64), 0, _LAST_SECOND).astype(np.uint32)
