"""Overlaps: who of a new list got another content of the same account just now, or may have.

The corrected content of a broadcast that went out in part would reach that part twice. Both lists
are read in order, a piece at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import Connection, Engine, Row, exists, or_, select

from broadcast.call.path import SendPath
from broadcast.plan.chunk import CHUNK, Chunk
from broadcast.plan.submission import Body
from broadcast.sorted_openids import Stream, unpacked
from broadcast.states import BatchState, BroadcastState, Phase
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger.reading import recipients
from models.ledger.transaction import read

WITHIN = timedelta(hours=24)
#: Most broadcasts that are told, the newest first.
MOST = 3
#: Who is in these got it, or may have.
REACHED = frozenset({
    BatchState.ACCEPTED, BatchState.FINISHED, BatchState.IN_DOUBT, BatchState.UNKNOWN,
    BatchState.CALLING,
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """An earlier broadcast, and how many of a new list got it or may have."""

    id: str
    started_at: datetime
    followers: int
    #: Its sets that hold anybody whom WeChat was not given, or refused.
    rest: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Range:
    """A batch: a range of a list of its broadcast."""

    list: str
    start: int
    size: int
    state: BatchState


@dataclass(frozen=True, slots=True, kw_only=True)
class _Earlier:
    """A broadcast that went out in part, and its batches in the order of their lists."""

    id: str
    started_at: datetime
    audience_digest: str
    batches: Sequence[_Range]

    @property
    def reached(self) -> list[_Range]:
        """The batches whose followers got it, or may have."""
        return [one for one in self.batches if one.state in REACHED]

    @property
    def rest(self) -> frozenset[str]:
        """The sets that hold anybody of the other batches."""
        others = (one.state for one in self.batches if one.state not in REACHED)
        return frozenset(recipients.set_of(state) for state in others)


def overlaps(engine: Engine, body: Body, chunks: Iterable[Chunk]) -> list[Overlap]:
    """Return the broadcasts of the last day that somebody of a new list got, or may have.

    *chunks* are the list of *body*. One with the same content is a repeat, which `send` refuses.
    """
    with read(engine) as connection:
        earlier = [_with_batches(connection, row) for row in _candidates(connection, body)]
    others = [one for one in earlier if one.audience_digest != body.audience_digest]
    counts = _counts(engine, others, chunks)
    found = []
    for one in earlier:
        # Of the same list everybody counts, without a look.
        followers = counts.get(one.id, sum(batch.size for batch in one.reached))
        found.append(
            Overlap(id=one.id, started_at=one.started_at, followers=followers, rest=one.rest)
        )
    return [one for one in found if one.followers]


def _candidates(connection: Connection, body: Body) -> Sequence[Row[str, datetime | None, str]]:
    reached = exists().where(Batch.broadcast_id == BroadcastRow.id, Batch.state.in_(REACHED))
    return connection.execute(
        select(BroadcastRow.id, BroadcastRow.started_at, BroadcastRow.audience_digest)
        .where(
            BroadcastRow.account == body.account.name,
            BroadcastRow.phase != Phase.UPLOADING,
            BroadcastRow.path == SendPath.MASS_SEND,
            BroadcastRow.content_digest != body.content_digest,
            BroadcastRow.started_at > now(connection) - WITHIN,
            or_(
                BroadcastRow.result.is_(None),
                BroadcastRow.result != BroadcastState.COMPLETED,
            ),
            reached,
        )
        .order_by(BroadcastRow.started_at.desc(), BroadcastRow.id)
        .limit(MOST)
    ).all()


def _with_batches(connection: Connection, row: Row[str, datetime | None, str]) -> _Earlier:
    rows = connection.execute(
        select(Batch.list, Batch.start, Batch.size, Batch.state)
        .where(Batch.broadcast_id == row.id, Batch.state != BatchState.SPLIT)
        .where(Batch.list.is_not(None))
        .order_by(Batch.list, Batch.start)
    )
    batches = [_Range(**batch) for batch in rows.mappings()]
    return _Earlier(
        id=row.id, started_at=row.started_at, audience_digest=row.audience_digest, batches=batches
    )


def _counts(engine: Engine, earlier: Sequence[_Earlier], chunks: Iterable[Chunk]) -> dict[str, int]:
    """Return of each broadcast how many of a list are in its batches that reached anybody."""
    streams = {one.id: _streams(engine, one) for one in earlier}
    counts = dict.fromkeys(streams, 0)
    if not streams:
        return counts
    for chunk in chunks:
        ids = unpacked(chunk.packed)
        for broadcast_id, lists in streams.items():
            # Nobody is in two batches, so nobody is in two lists.
            counts[broadcast_id] += sum(int(one.hits(ids).sum()) for one in lists)
    return counts


def _streams(engine: Engine, earlier: _Earlier) -> list[Stream]:
    """Return a stream for each list: lists lie across each other, what is in one is in order."""
    return [
        Stream(_pieces(engine, earlier.id, list(ranges)))
        for _, ranges in groupby(earlier.reached, key=lambda one: one.list)
    ]


def _pieces(engine: Engine, broadcast_id: str, ranges: Sequence[_Range]) -> Iterator[bytes]:
    name = ranges[0].list
    for start, end in _steps(ranges):
        with read(engine) as connection:
            found = recipients.packed(connection, broadcast_id, name, start=start, size=end - start)
        yield found


def _steps(ranges: Iterable[_Range]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of a list joined to the length of a chunk: small batches cost no more."""
    at, end = 0, 0
    for one in ranges:
        if one.start != end or end - at >= CHUNK:
            if end > at:
                yield at, end
            at = one.start
        end = one.start + one.size
    if end > at:
        yield at, end
