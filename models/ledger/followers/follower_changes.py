"""Followers who come and go by WeChat's pushes, which may be doubled, late and out of order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, Engine, insert, select

from broadcast.day import last_of
from broadcast.errors import BroadcastError
from broadcast.frozen import frozen
from broadcast.openid import is_openid
from broadcast.rules.followers import dated, undated
from broadcast.sorted_openids import IDs
from models.base import change, delete_where
from models.engine import now
from models.followers import FollowerChange, FollowerChunk
from models.ledger.followers.followers import FollowerList, facts_of
from models.ledger.rows import locked_rows
from models.ledger.rows.transaction import every_row, read, selected, write_new, writing
from models.suppressions import ListName


@frozen
class Move:
    """Subscription or departure at a moment of WeChat's clock."""

    openid: str
    at: datetime
    left: bool


@frozen
class _LastMoments:
    """The last moments of one person; each only grows, so the order of pushes is nothing."""

    openid: str
    followed_at: datetime | None = None
    left_at: datetime | None = None
    left_change: int = 0


def moved(engine: Engine, account: str, moves: Sequence[Move]) -> None:
    """Record who came and went, in one transaction.

    Who subscribed again after they left follows; that never undoes a suppression. Raises
    ValueError where one of them is no OpenID.
    """
    said = dict[str, _LastMoments]()
    for move in moves:
        if not is_openid(move.openid.encode()):
            raise ValueError(f"{move.openid[:40]!r} is no OpenID")
        said[move.openid] = _with(said.get(move.openid), move)

    def work(connection: Connection) -> None:
        change = 1 + locked_rows.lock_list_changes(connection, account, ListName.LEFT)
        mine = (FollowerChange.account == account, FollowerChange.openid.in_(said))
        query = selected(_LastMoments, FollowerChange).where(*mine)
        there = {one.openid: one for one in every_row(connection, query, _LastMoments)}
        newer = _newer(there, said)
        if not newer:
            return
        gone = [one for one in newer if _left_at(there.get(one.openid)) != one.left_at]
        if gone:
            locked_rows.count_list_change(connection, account, ListName.LEFT, change=change)
        moment, new = now(connection), {one.openid for one in gone}
        # All at once: an update of each would cost a statement a person.
        delete_where(
            connection,
            FollowerChange,
            FollowerChange.account == account,
            FollowerChange.openid.in_([one.openid for one in newer]),
        )
        connection.execute(
            insert(FollowerChange),
            [
                {
                    "account": account,
                    "openid": one.openid,
                    "followed_at": one.followed_at,
                    "left_at": one.left_at,
                    "changed_at": moment,
                    "left_change": change if one.openid in new else one.left_change,
                }
                for one in newer
            ],
        )

    if said:
        write_new(engine, work)


def _with(known: _LastMoments | None, move: Move) -> _LastMoments:
    said = _LastMoments(
        openid=move.openid,
        followed_at=None if move.left else move.at,
        left_at=move.at if move.left else None,
    )
    return said if known is None else _later(known, said)


def _later(one: _LastMoments, other: _LastMoments) -> _LastMoments:
    return _LastMoments(
        openid=one.openid,
        followed_at=last_of(one.followed_at, other.followed_at),
        left_at=last_of(one.left_at, other.left_at),
        left_change=one.left_change,
    )


def _left_at(known: _LastMoments | None) -> datetime | None:
    return None if known is None else known.left_at


def _newer(
    there: Mapping[str, _LastMoments], said: Mapping[str, _LastMoments]
) -> list[_LastMoments]:
    """Return what is known now of those of whom something new was said."""
    both = (_later(there.get(openid, one), one) for openid, one in sorted(said.items()))
    return [one for one in both if one != there.get(one.openid)]


class ListReplacedError(BroadcastError):
    """Another pass made a new list meanwhile, and removed the one that was asked about."""


@frozen
class Undated:
    """Some people of one chunk who follow, and nobody said since when."""

    chunk_id: int
    ids: IDs = field(repr=False)


def everybody_without_details(engine: Engine, of: FollowerList) -> Iterator[Undated]:
    """Yield the undated of a list, chunk by chunk; chunks without any are left out.

    Raises ListReplacedError.
    """
    query = select(
        FollowerChunk.id, FollowerChunk.size, FollowerChunk.openids, FollowerChunk.facts
    ).filter_by(sync_id=of.sync_id, run=of.run)
    start = 0
    while start < of.size:
        with read(engine) as connection:
            row = connection.execute(query.filter_by(start=start)).first()
        if row is None:
            raise ListReplacedError("error.followers.replaced")
        known = facts_of(row)
        asked = undated(known)
        if asked.any():
            yield Undated(chunk_id=row.id, ids=known.ids[asked])
        start += row.size


@writing
def store_details(connection: Connection, chunk_id: int, since: Mapping[str, datetime]) -> None:
    """Store since when people of a chunk follow. Raises ListReplacedError: nothing is stored."""
    seconds = {one.encode(): int(moment.timestamp()) for one, moment in since.items()}
    # Locked: two runs may store parts of one chunk.
    row = connection.execute(
        select(FollowerChunk.openids, FollowerChunk.facts).filter_by(id=chunk_id).with_for_update()
    ).first()
    if row is None:
        raise ListReplacedError("error.followers.replaced")
    known = facts_of(row)
    said = np.array([seconds.get(one, 0) for one in known.ids.tolist()], np.uint32)
    change(connection, FollowerChunk, chunk_id, facts=dated(known, said).tobytes())
