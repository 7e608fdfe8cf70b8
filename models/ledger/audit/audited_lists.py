"""The lists of a broadcast, read chunk by chunk: how many, in order, whose key, and in two batches?

A list is sorted and batches are ranges of it, so one look proves that nobody stands in two: its
OpenIDs rise, and no range reaches into the next. Only where that does not hold are they sorted once
more, in slices that bound the memory.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from broadcast import openid
from broadcast.frozen import frozen
from broadcast.rules.calls.clientmsgid import clientmsgid_of
from broadcast.rules.plan import cut
from broadcast.rules.plan.cut import ASKED, LEFT, SHRUNK, cut_out, name_of
from broadcast.rules.plan.selection import REASONS
from models.ledger.audit.case import (
    AuditedBatch,
    AuditedBroadcast,
    AuditedRange,
    Case,
    Fact,
    Finding,
    Found,
    Lists,
)
from models.ledger.rows.transaction import selected
from models.recipients import ChunkRow

#: Chunks in hand at once: 210 kB each.
_CHUNKS_AT_ONCE = 8
#: OpenIDs that are sorted at once where order alone proves nothing.
SORTED_AT_ONCE = 500_000

IDs: TypeAlias = npt.NDArray[np.bytes_]
Marks: TypeAlias = npt.NDArray[np.uint64]
_ID = np.dtype(f"S{openid.LENGTH}")


@frozen
class _Stored:
    """A chunk as it is stored."""

    list: str
    start: int
    size: int
    first_openid: str
    last_openid: str
    openids: bytes


#: Where it starts in its list, and its packed OpenIDs.
_Piece: TypeAlias = tuple[int, bytes]


def unpacked(packed: bytes) -> IDs:
    """Return the OpenIDs of *packed* as an array; bytes that are no whole OpenID are left out."""
    whole = len(packed) // openid.PACKED_LENGTH * openid.PACKED_LENGTH
    return np.frombuffer(openid.unpack(packed[:whole]), _ID)


def read_lists(connection: Connection, case: Case) -> Case:
    """Return *case* with its lists, whose chunks are all looked at once, and what is wrong there.

    Its batches count if it is planned.
    """
    row, planned, look = case.row, case.is_planned, _ListReader(case)
    ranges = {
        batch.id: _range(row, packed)
        for name, stored in _by_list(connection, row.id)
        for batch, packed in _cut(look.read(stored), _on_list(case.batches, name))
    }
    run = row.subtraction
    found = Lists(
        sizes=look.sizes | _by_reason(look.sizes, run),
        ranges=ranges,
        marks=look.marks | _by_reason(look.marks, run),
        digest=look.digest.hexdigest(),
        resolved=ASKED if run is None else name_of(LEFT, run),
        erased=look.erased[ASKED if ASKED in look.sizes or run is None else name_of(LEFT, run)],
    )
    leaves = case.leaves if planned else ()
    if planned:
        doubtful = 0 if _are_apart(leaves, look) else sum(batch.size or 0 for batch in leaves)
    else:
        doubtful = 0 if look.rises[found.resolved] else found.size(found.resolved)
    owned = functools.partial(
        _owned, connection, row.id, leaves=leaves, lists=None if planned else found
    )
    seen = [*case.findings, *look.findings, *_twice(case, owned, doubtful)]
    return replace(case, lists=found, findings=seen)


def seen_while_read(case: Case) -> Iterator[Finding]:
    """Yield what showed while the broadcast was read: whom it has twice, chunks, reservations."""
    yield from case.findings


def _by_reason(lists: Counter[str], run: str | None) -> dict[str, int]:
    """Add up the lists of each reason that count: of the run that does, and of later shrinking."""
    found: dict[str, int] = {}
    for reason in REASONS:
        names = [name_of(reason, one) for one in (run, SHRUNK) if one]
        if any(name in lists for name in names):
            found[reason] = sum(lists[name] for name in names)
    return found


class _ListReader:
    """Reads the lists once, and checks each chunk."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.sizes: Counter[str] = Counter()
        self.marks: Counter[str] = Counter()
        self.erased: Counter[str] = Counter()
        #: Whether each OpenID of a list is larger than the one before.
        self.rises: defaultdict[str, bool] = defaultdict(lambda: True)
        self.findings: list[Finding] = []
        self.digest = hashlib.sha256()

    def read(self, stored: Iterable[_Stored]) -> Iterator[_Piece]:
        """Yield the pieces of one list, and look at each."""
        before = ""
        for chunk in stored:
            ids = unpacked(chunk.openids)
            if chunk.list == ASKED:
                self.digest.update(ids.view(np.uint8).data)
            there = _present(ids)
            self.rises[chunk.list] &= _ascends(there) and before < (_text(there[:1]) or "~")
            before = _text(there[-1:]) or before
            self._compare(chunk, ids)
            self.erased[chunk.list] += len(ids) - len(there)
            self.sizes[chunk.list] += len(ids)
            self.marks[chunk.list] += _sum(ids)
            yield chunk.start, chunk.openids

    def _compare(self, chunk: _Stored, ids: IDs) -> None:
        """Compare a chunk with the figures of its row."""
        where: dict[str, Fact] = {"list": chunk.list, "start": chunk.start}
        at, whole = self.sizes[chunk.list], len(ids) * openid.PACKED_LENGTH == len(chunk.openids)
        if not whole or (chunk.start, chunk.size) != (at, len(ids)):
            facts = where | {"said": chunk.size, "counted": len(ids), "before": at}
            self.findings.append(self.case.finding(Found.SIZE, None, **facts))
        there = _present(ids)
        said, real = (chunk.first_openid, chunk.last_openid), (_text(there[:1]), _text(there[-1:]))
        if said != real:
            facts = where | {"said": " … ".join(said), "real": " … ".join(real)}
            self.findings.append(self.case.finding(Found.EDGES, None, **facts))


def _by_list(connection: Connection, broadcast_id: str) -> Iterator[tuple[str, Iterator[_Stored]]]:
    query = (
        selected(_Stored, ChunkRow)
        .filter_by(broadcast_id=broadcast_id)
        .order_by(ChunkRow.list, ChunkRow.start)
        .execution_options(yield_per=_CHUNKS_AT_ONCE)
    )
    rows = (_Stored(**row) for row in connection.execute(query).mappings())
    return itertools.groupby(rows, lambda chunk: chunk.list)


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
        if not batch.size or batch.size > cut.LARGEST:
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


def _range(row: AuditedBroadcast, packed: bytes) -> AuditedRange:
    key = clientmsgid_of(appid=row.appid, key=row.key, content=row.content, packed=packed)
    ids = unpacked(packed)
    return AuditedRange(marks=_sum(ids), key=key, erased=len(ids) - len(_present(ids)))


def _present(ids: IDs) -> IDs:
    """Return those who are not erased; everybody else stands in order."""
    there: IDs = ids[ids != np.bytes_(openid.ERASED)]
    return there


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


def _owned(
    connection: Connection,
    broadcast_id: str,
    *,
    leaves: Sequence[AuditedBatch],
    lists: Lists | None,
) -> Iterator[tuple[int, IDs]]:
    """Yield the number of each leaf and its OpenIDs; of *lists* that are not planned 0 and all."""
    for name, stored in _by_list(connection, broadcast_id):
        pieces = ((chunk.start, chunk.openids) for chunk in stored)
        if lists is None:
            cuts = _cut(pieces, _on_list(leaves, name))
            yield from ((batch.n, _present(unpacked(packed))) for batch, packed in cuts)
        elif name == lists.resolved:
            yield from ((0, _present(unpacked(packed))) for _, packed in pieces)


def _twice(
    case: Case, owned: Callable[[], Iterator[tuple[int, IDs]]], size: int
) -> Iterator[Finding]:
    """Yield which batches share OpenIDs, of *size* of which order proves nothing."""
    slices = -(-size // SORTED_AT_ONCE)
    counts: Counter[tuple[int, int]] = Counter()
    examples: dict[tuple[int, int], str] = {}
    for part in range(slices):
        for pair, count, example in _repeated(owned(), functools.partial(_in_slice, part, slices)):
            counts[pair] += count
            examples[pair] = example
    for n, other in sorted(counts):
        facts: dict[str, Fact] = {"count": counts[n, other], "example": examples[n, other]}
        if n:
            yield case.finding(Found.TWICE, n, other=other, **facts)
        else:
            yield case.finding(Found.LISTED_TWICE, None, **facts)


def _are_apart(leaves: Sequence[AuditedBatch], look: _ListReader) -> bool:
    """Return whether order alone proves that nobody stands in two of *leaves*."""
    lists = {batch.list or "" for batch in leaves}
    rising = sorted(leaves, key=lambda batch: batch.start)
    disjoint = all(one.end <= other.start for one, other in itertools.pairwise(rising))
    return len(lists) <= 1 and all(look.rises[name] for name in lists) and disjoint


def _in_slice(part: int, slices: int, ids: IDs) -> npt.NDArray[np.bool_]:
    chosen: npt.NDArray[np.bool_] = _marks(ids) % np.uint64(slices) == part
    return chosen


def _repeated(
    owned: Iterable[tuple[int, IDs]], chosen: Chosen
) -> Iterator[tuple[tuple[int, int], int, str]]:
    """Yield two owners of the same OpenIDs, how many, and the first of them."""
    ids_of: list[IDs] = []
    owners_of: list[npt.NDArray[np.int64]] = []
    for n, whole in owned:
        ids = whole[chosen(whole)]
        ids_of.append(ids)
        owners_of.append(np.full(len(ids), n, np.int64))
    if not ids_of:
        return
    ids, owners = np.concatenate(ids_of), np.concatenate(owners_of)
    order = ids.argsort(kind="stable")
    ids, owners = ids[order], owners[order]
    (places,) = np.nonzero(ids[1:] == ids[:-1])
    if not len(places):
        return
    pairs, firsts, counts = np.unique(
        np.stack([owners[places], owners[places + 1]], axis=1),
        axis=0,
        return_index=True,
        return_counts=True,
    )
    for (n, other), first, count in zip(pairs, firsts, counts, strict=True):
        example = _text(ids[places[first : first + 1]])
        yield (int(n), int(other)), int(count), example
