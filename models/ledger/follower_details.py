"""Since when people follow: whom the newest list does not say it of, and what WeChat answers.

The list alone shows whom to ask about, so a run that was killed goes on with whoever is undated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, Engine, select

from broadcast.errors import BroadcastError
from broadcast.followers import FACTS, Known, dated, undated
from broadcast.frozen import frozen
from broadcast.sorted_openids import IDs, unpacked
from models.follower import FollowerChunk
from models.ledger.reading.followers import FollowerList
from models.ledger.rows import change
from models.ledger.transaction import read, write


class ListReplacedError(BroadcastError):
    """Another pass made a new list meanwhile, and removed the one that was asked about."""


@frozen
class Undated:
    """Some people of one chunk who follow, and nobody said since when."""

    chunk_id: int
    ids: IDs = field(repr=False)


def everybody(engine: Engine, of: FollowerList) -> Iterator[Undated]:
    """Yield the undated of a list, chunk by chunk; chunks without any are left out.

    Raises ListReplacedError.
    """
    query = select(
        FollowerChunk.id, FollowerChunk.size, FollowerChunk.openids, FollowerChunk.facts
    ).where(FollowerChunk.sync_id == of.sync_id, FollowerChunk.run == of.run)
    start = 0
    while start < of.size:
        with read(engine) as connection:
            row = connection.execute(query.where(FollowerChunk.start == start)).first()
        if row is None:
            raise ListReplacedError("error.followers.replaced")
        known = Known(ids=unpacked(row.openids), facts=np.frombuffer(row.facts, FACTS))
        asked = undated(known)
        if asked.any():
            yield Undated(chunk_id=row.id, ids=known.ids[asked])
        start += row.size


def take(engine: Engine, chunk_id: int, since: Mapping[str, datetime]) -> None:
    """Store since when people of a chunk follow. Raises ListReplacedError: nothing is stored."""
    seconds = {one.encode(): int(moment.timestamp()) for one, moment in since.items()}

    def work(connection: Connection) -> None:
        # Locked: two runs may store parts of one chunk.
        row = connection.execute(
            select(FollowerChunk.openids, FollowerChunk.facts)
            .where(FollowerChunk.id == chunk_id)
            .with_for_update()
        ).first()
        if row is None:
            raise ListReplacedError("error.followers.replaced")
        known = Known(ids=unpacked(row.openids), facts=np.frombuffer(row.facts, FACTS))
        said = np.array([seconds.get(one, 0) for one in known.ids.tolist()], np.uint32)
        change(connection, FollowerChunk, chunk_id, facts=dated(known, said).tobytes())

    write(engine, work)
