"""The lists of a broadcast, read chunk by chunk: how many, in order, whose key, and in two batches?

A list is sorted, so one look proves that nobody stands in two batches: the OpenIDs of each ascend,
and none reaches into the next. Only where that does not hold are they sorted once more, in slices
that bound the memory.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select

from broadcast import openid, plan
from broadcast.call import clientmsgid
from broadcast.plan.chunk import ASKED, LEFT, cut_out
from broadcast.states import BatchState
from models.ledger.audit.case import (
    AuditedBatch,
    AuditedBroadcast,
    AuditedChunk,
    AuditedRange,
    Lists,
    Twice,
)
from models.ledger.rows import columns
from models.recipients import ChunkRow

#: Chunks in hand at once: 210 kB each.
_CHUNKS_AT_ONCE = 8
#: OpenIDs that are sorted at once where order alone proves nothing.
SORTED_AT_ONCE = 500_000

IDs: TypeAlias = npt.NDArray[np.bytes_]
Marks: TypeAlias = npt.NDArray[np.uint64]
_ID = np.dtype(f"S{openid.LENGTH}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """A chunk as it is stored."""

    list: str
    start: int
    size: int
    first_openid: str
    last_openid: str
    openids: bytes


_Piece: TypeAlias = tuple[int, bytes]


def unpacked(packed: bytes) -> IDs:
    """Return the OpenIDs of *packed* as an array; bytes that are no whole OpenID are left out."""
    whole = len(packed) // openid.PACKED_LENGTH * openid.PACKED_LENGTH
    return np.frombuffer(openid.unpack(packed[:whole]), _ID)


def read(
    connection: Connection, row: AuditedBroadcast, batches: Sequence[AuditedBatch], *, planned: bool
) -> Lists:
    """Look at all chunks of a broadcast once. Its batches count if it is *planned*."""
    digest = hashlib.sha256()
    chunks: list[AuditedChunk] = []
    ranges: dict[int, AuditedRange] = {}
    marks: Counter[str] = Counter()

    def look(stored: Iterable[_Stored]) -> Iterator[_Piece]:
        for chunk in stored:
            ids = unpacked(chunk.openids)
            if chunk.list == ASKED:
                digest.update(ids.view(np.uint8).data)
            chunks.append(_chunk(chunk, ids))
            marks[chunk.list] += _sum(ids)
            yield chunk.start, chunk.openids

    for name, stored in itertools.groupby(_chunks(connection, row.id), lambda chunk: chunk.list):
        for batch, packed in _cut(look(stored), _on_list(batches, name)):
            ranges[batch.id] = _range(row, packed)
    found = Lists(
        chunks=chunks, ranges=ranges, digest=digest.hexdigest(), marks=marks, twice=()
    )  # fmt: skip
    return replace(found, twice=_twice(connection, row.id, batches, found, planned=planned))


def resolved(lists: Lists) -> str:
    """Return the list from which a plan cuts."""
    return LEFT if LEFT in lists.names else ASKED


def _chunks(connection: Connection, broadcast_id: str) -> Iterator[_Stored]:
    query = (
        select(*columns(_Stored, ChunkRow))
        .where(ChunkRow.broadcast_id == broadcast_id)
        .order_by(ChunkRow.list, ChunkRow.start)
        .execution_options(yield_per=_CHUNKS_AT_ONCE)
    )
    for row in connection.execute(query).mappings():
        yield _Stored(**row)


def _on_list(batches: Iterable[AuditedBatch], name: str) -> list[AuditedBatch]:
    """Return the batches that are cut from a list, in its order."""
    there = [batch for batch in batches if batch.list == name]
    return sorted(there, key=lambda batch: (batch.start, batch.end))


def _cut(
    pieces: Iterator[_Piece], batches: Iterable[AuditedBatch]
) -> Iterator[tuple[AuditedBatch, bytes]]:
    """Yield the OpenIDs of batches, which are in the order of their list; read the list whole.

    One whose range the list does not cover is left out, and so is one that is larger than any can
    be: a ruined database must not fill memory.
    """
    held: list[_Piece] = []
    for batch in batches:
        if not batch.size or batch.size > plan.LARGEST:
            continue
        held = [piece for piece in held if _end(piece) > batch.start]
        while not held or _end(held[-1]) < batch.end:
            piece = next(pieces, None)
            if piece is None:
                break
            if _end(piece) > batch.start:
                held.append(piece)
        try:
            packed = cut_out(held, start=batch.start, size=batch.size)
        except ValueError:
            continue
        yield batch, packed
    for _ in pieces:
        pass


def _end(piece: _Piece) -> int:
    return piece[0] + len(piece[1]) // openid.PACKED_LENGTH


def _chunk(stored: _Stored, ids: IDs) -> AuditedChunk:
    return AuditedChunk(
        list=stored.list, start=stored.start, size=stored.size, first_openid=stored.first_openid,
        last_openid=stored.last_openid, count=len(ids), first=_text(ids[:1]), last=_text(ids[-1:]),
        torn=len(stored.openids) % openid.PACKED_LENGTH != 0, ascending=_ascends(ids),
    )  # fmt: skip


def _range(row: AuditedBroadcast, packed: bytes) -> AuditedRange:
    ids = unpacked(packed)
    key = clientmsgid.derive(appid=row.appid, key=row.key, content=row.content, packed=packed)
    return AuditedRange(
        first=_text(ids[:1]), last=_text(ids[-1:]), ascending=_ascends(ids), marks=_sum(ids),
        key=key,
    )  # fmt: skip


def _text(one: IDs) -> str:
    return one.tobytes().decode("ascii")


def _ascends(ids: IDs) -> bool:
    return bool((ids[1:] > ids[:-1]).all())


def _marks(ids: IDs) -> Marks:
    """Return a number of 64 bits for each OpenID, made of all its characters."""
    words = ids.view(np.uint32).reshape(-1, openid.LENGTH // 4).astype(np.uint64)
    weights = np.arange(1, 2 * words.shape[1], 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    marks: Marks = words @ weights
    # Mixed, so that characters which two of them exchange change the sum.
    marks ^= marks >> np.uint64(30)
    marks *= np.uint64(0xBF58476D1CE4E5B9)
    marks ^= marks >> np.uint64(27)
    marks *= np.uint64(0x94D049BB133111EB)
    return marks ^ (marks >> np.uint64(31))


def _sum(ids: IDs) -> int:
    return int(_marks(ids).sum(dtype=np.uint64)) if len(ids) else 0


# Nobody twice

Chosen: TypeAlias = Callable[[IDs], npt.NDArray[np.bool_]]


def _twice(
    connection: Connection,
    broadcast_id: str,
    batches: Sequence[AuditedBatch],
    lists: Lists,
    *,
    planned: bool,
) -> Sequence[Twice]:
    """Return which batches share OpenIDs; before the plan, which stand in the list twice."""
    leaves = [batch for batch in batches if planned and batch.state is not BatchState.SPLIT]
    name = resolved(lists)
    pieces: list[AuditedRange | AuditedChunk] = [
        lists.ranges[batch.id] for batch in leaves if batch.id in lists.ranges
    ]
    if not planned:
        pieces = [chunk for chunk in lists.chunks if chunk.list == name and chunk.count]
    if _are_apart(pieces):
        return []

    def owned() -> Iterator[tuple[int, IDs]]:
        for there, stored in itertools.groupby(
            _chunks(connection, broadcast_id), lambda chunk: chunk.list
        ):
            taken = ((chunk.start, chunk.openids) for chunk in stored)
            if planned:
                cuts = _cut(taken, _on_list(leaves, there))
                yield from ((batch.n, unpacked(packed)) for batch, packed in cuts)
            elif there == name:
                yield from ((0, unpacked(packed)) for _, packed in taken)

    size = sum(batch.size or 0 for batch in leaves) if planned else lists.count(name)
    slices = -(-size // SORTED_AT_ONCE)
    found: dict[tuple[int, int], Twice] = {}
    for part in range(slices):
        for one in _repeated(owned(), functools.partial(_in_slice, part, slices)):
            former = found.get((one.n, one.other))
            count = one.count + (former.count if former else 0)
            found[one.n, one.other] = replace(one, count=count)
    return sorted(found.values(), key=lambda one: (one.n, one.other))


def _are_apart(pieces: Iterable[AuditedRange | AuditedChunk]) -> bool:
    """Tell whether order alone proves that nobody stands in two of *pieces*."""
    rising = sorted(pieces, key=lambda piece: piece.first)
    neighbours = itertools.pairwise(rising)
    return all(piece.ascending for piece in rising) and all(a.last < b.first for a, b in neighbours)


def _in_slice(part: int, slices: int, ids: IDs) -> npt.NDArray[np.bool_]:
    chosen: npt.NDArray[np.bool_] = _marks(ids) % np.uint64(slices) == part
    return chosen


def _repeated(owned: Iterable[tuple[int, IDs]], chosen: Chosen) -> Iterator[Twice]:
    ids_of: list[IDs] = []
    owners_of: list[npt.NDArray[np.int64]] = []
    for n, whole in owned:
        ids = whole[chosen(whole)]
        ids_of.append(ids)
        owners_of.append(np.full(len(ids), n, np.int64))
    ids, owners = np.concatenate(ids_of), np.concatenate(owners_of)
    order = ids.argsort(kind="stable")
    ids, owners = ids[order], owners[order]
    (places,) = np.nonzero(ids[1:] == ids[:-1])
    if not len(places):
        return
    pairs, firsts, counts = np.unique(
        np.stack([owners[places], owners[places + 1]], axis=1),
        axis=0, return_index=True, return_counts=True,
    )  # fmt: skip
    for (n, other), first, count in zip(pairs, firsts, counts, strict=True):
        example = _text(ids[places[first : first + 1]])
        yield Twice(n=int(n), other=int(other), count=int(count), example=example)
