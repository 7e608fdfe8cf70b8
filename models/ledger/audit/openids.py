"""The OpenIDs themselves, read pack by pack: how many, in order, whose key, and in two batches?

Packs are made from a sorted audience, so one look at each proves that nobody stands in two of
them: each is ascending, and none reaches into the next. Only where that does not hold are the
OpenIDs sorted once more, in slices that bound the memory.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select

from broadcast import openid
from broadcast.call import clientmsgid
from broadcast.states import BatchState
from models.batch import Pack
from models.ledger.audit.snapshot import BatchCase, PackCase, Twice, Uneven
from models.ledger.transaction import AnyRow

#: OpenIDs in hand at once: 21 bytes each, and 28 more while they are looked at.
AT_ONCE = 200_000
#: OpenIDs that are sorted at once where order alone proves nothing.
SORTED_AT_ONCE = 500_000

IDs: TypeAlias = npt.NDArray[np.bytes_]
_ID = np.dtype(f"S{openid.LENGTH}")


def unpacked(packed: bytes) -> IDs:
    """Return the OpenIDs of *packed* as an array; bytes that are no whole OpenID are left out."""
    whole = len(packed) // openid.PACKED_LENGTH * openid.PACKED_LENGTH
    return np.frombuffer(openid.unpack(packed[:whole]), _ID)


def read(connection: Connection, row: AnyRow, children: set[int]) -> tuple[list[PackCase], str]:
    """Look at every pack of a broadcast; return what is in each, and the audience's digest.

    *row* is the broadcast with the ``appid`` of its account. *children* are the packs that were
    made by a split: they were not submitted.
    """
    digest = hashlib.sha256()
    seen = []
    for pack in _packs(connection, row):
        ids = unpacked(pack.openids)
        if pack.id not in children:
            digest.update(ids.view(np.uint8).data)
        seen.append(_look(row, pack, ids))
    return seen, digest.hexdigest()


def _packs(connection: Connection, row: AnyRow) -> Iterator[AnyRow]:
    calls = max(row.calls_planned, 1)
    most = min(max(AT_ONCE * calls // max(row.planned, 1), 1), 1_000)
    query = (
        select(Pack.id, Pack.n, Pack.size, Pack.first_openid, Pack.last_openid, Pack.openids)
        .where(Pack.broadcast_id == row.id)
        .order_by(Pack.n)
        .limit(most)
    )
    after: int | None = None
    while True:
        rows = connection.execute(query if after is None else query.where(Pack.n > after)).all()
        yield from rows
        if len(rows) < most:
            return
        after = rows[-1].n


def _look(row: AnyRow, pack: AnyRow, ids: IDs) -> PackCase:
    return PackCase(
        id=pack.id,
        n=pack.n,
        size=pack.size,
        first_said=pack.first_openid,
        last_said=pack.last_openid,
        count=len(ids),
        torn=len(pack.openids) % openid.PACKED_LENGTH != 0,
        first=_text(ids[0]) if len(ids) else "",
        last=_text(ids[-1]) if len(ids) else "",
        ascending=bool((ids[1:] > ids[:-1]).all()),
        key=clientmsgid.derive(
            appid=row.appid, key=row.key, content=row.content, packed=pack.openids
        ),
    )  # fmt: skip


def _text(one: np.bytes_) -> str:
    return bytes(one).decode("ascii")


# Nobody twice


def twice(
    connection: Connection, batches: Sequence[BatchCase], packs: Sequence[PackCase]
) -> list[Twice]:
    """Return which batches share OpenIDs, those apart that were split."""
    held = {batch.pack_id for batch in batches}
    known = {pack.id: pack for pack in packs}
    leaves = [
        (batch.n, known[batch.pack_id])
        for batch in batches
        if batch.state is not BatchState.SPLIT and batch.pack_id in known
    ]
    # What is not cut yet will be a batch of the same number.
    leaves += [(pack.n, pack) for pack in packs if pack.id not in held]
    if _apart([pack for _, pack in leaves if pack.count]):
        return []
    size = sum(pack.count for _, pack in leaves)
    slices = -(-size // SORTED_AT_ONCE)
    found: dict[tuple[int, int], Twice] = {}
    for part in range(slices):
        for one in _repeated(connection, leaves, functools.partial(_in_slice, part, slices)):
            former = found.get((one.n, one.other))
            count = one.count + (former.count if former else 0)
            found[one.n, one.other] = replace(one, count=count)
    return sorted(found.values(), key=lambda one: (one.n, one.other))


def _apart(packs: Iterable[PackCase]) -> bool:
    """Tell whether order alone proves that nobody stands in two of *packs*."""
    rising = sorted(packs, key=lambda pack: pack.first)
    neighbours = itertools.pairwise(rising)
    return all(pack.ascending for pack in rising) and all(a.last < b.first for a, b in neighbours)


def _in_slice(part: int, slices: int, ids: IDs) -> npt.NDArray[np.bool_]:
    """Tell which OpenIDs fall into this part of all, by a sum over all their characters."""
    letters = ids.view(np.uint8).reshape(-1, openid.LENGTH).astype(np.uint64)
    weights = np.arange(1, 2 * openid.LENGTH, 2, dtype=np.uint64) ** np.uint64(3)
    chosen: npt.NDArray[np.bool_] = letters @ weights % np.uint64(slices) == part
    return chosen


Chosen: TypeAlias = Callable[[IDs], npt.NDArray[np.bool_]]


def _repeated(
    connection: Connection, leaves: Sequence[tuple[int, PackCase]], chosen: Chosen
) -> Iterator[Twice]:
    ids_of, owners_of = [], []
    for n, pack in leaves:
        ids = unpacked(_openids(connection, pack.id))
        ids = ids[chosen(ids)]
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
        example = _text(ids[places[first]])
        yield Twice(n=int(n), other=int(other), count=int(count), example=example)


def _openids(connection: Connection, pack_id: int) -> bytes:
    return connection.execute(select(Pack.openids).where(Pack.id == pack_id)).scalar_one()


# Halves


def uneven(connection: Connection, batches: Sequence[BatchCase]) -> list[Uneven]:
    """Return the split batches whose children are not exactly their OpenIDs, in their order."""
    children: dict[int, list[BatchCase]] = {}
    for batch in batches:
        if batch.parent_id is not None:
            children.setdefault(batch.parent_id, []).append(batch)
    found = []
    for batch in batches:
        halves = children.get(batch.id, [])
        if batch.state is BatchState.SPLIT or halves:
            odd = _odd(connection, batch, halves)
            if odd is not None:
                found.append(odd)
    return found


def _odd(connection: Connection, batch: BatchCase, halves: Sequence[BatchCase]) -> Uneven | None:
    whole = _openids(connection, batch.pack_id)
    parts = [_openids(connection, half.pack_id) for half in sorted(halves, key=lambda h: h.n)]
    as_split = batch.state is BatchState.SPLIT and len(halves) == 2  # noqa: PLR2004 - halves
    if as_split and whole == b"".join(parts):
        return None
    ids, theirs = unpacked(whole), unpacked(b"".join(parts))
    return Uneven(
        n=batch.n, children=len(halves), missing=len(np.setdiff1d(ids, theirs)),
        extra=len(theirs) - len(np.intersect1d(ids, theirs)),
    )  # fmt: skip
