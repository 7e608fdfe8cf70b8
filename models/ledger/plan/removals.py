"""Removals: who is left out of a broadcast and why, and who of a sorted list is in its batches.

Both lists are read in order, a piece at a time, so that memory does not grow with them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import Protocol

import numpy as np
from sqlalchemy import Connection, Engine, and_

from broadcast import openid
from broadcast.errors import UnknownIdError
from broadcast.frozen import frozen
from broadcast.rules.plan import selection as selections
from broadcast.rules.plan.audience import OpenIDs
from broadcast.rules.plan.cut import ASKED, CHUNK, Chunk
from broadcast.rules.plan.selection import Excluded, Removal, Selection
from broadcast.rules.states import SENT, BatchState, Phase
from broadcast.sorted_openids import Hits, IDs, Stream, unpacked
from models.base import row_of, value_of
from models.batch_tables import AttemptRow, Batch
from models.broadcast_tables import BroadcastRow
from models.ledger.followers import followers
from models.ledger.lists import recipients, suppressions
from models.ledger.rows import erased_people, locked_rows
from models.ledger.rows.transaction import every_row, read, selected

#: Who is in these got it, or may have.
REACHED = SENT | {BatchState.IN_DOUBT, BatchState.UNKNOWN, BatchState.CALLING}


@frozen
class Range:
    """A batch: a range of a list of its broadcast."""

    n: int
    list: str
    start: int
    size: int
    state: BatchState
    #: When its last call began; None: it was never called.
    called_at: datetime | None


@frozen
class Part:
    """Some batches of a broadcast, in the order of their lists."""

    broadcast_id: str
    ranges: Sequence[Range]
    #: Its audience is the list that is looked at: who is in it is known by the places alone.
    same_list: bool = False

    @property
    def is_known(self) -> bool:
        """True if nothing is read for it: its places in the list tell who is in it."""
        return self.same_list and all(one.list == ASKED for one in self.ranges)


def member_ranges(connection: Connection, broadcast_id: str) -> Sequence[Range]:
    """Return the batches that were not split, in the order of their lists."""
    last = and_(AttemptRow.batch_id == Batch.id, AttemptRow.number == Batch.attempts)
    query = (
        selected(Range, Batch, called_at=AttemptRow.started_at)
        .join(AttemptRow, last, isouter=True)
        .where(Batch.broadcast_id == broadcast_id, Batch.state != BatchState.SPLIT)
        .where(Batch.list.is_not(None))
        .order_by(Batch.list, Batch.start)
    )
    return every_row(connection, query, Range)


def unplanned_members(connection: Connection, broadcast_id: str) -> Range:
    """Return the list of what was not cut into batches yet, as one range."""
    name, size = recipients.resolved(connection, broadcast_id)
    return Range(n=0, list=name, start=0, size=size, state=BatchState.PLANNED, called_at=None)


def known_members(
    connection: Connection, broadcast_id: str, phase: Phase | None
) -> Sequence[Range] | None:
    """Return the batches of a broadcast in this phase; before its plan, its list as one range.

    None: its plan may still leave people out.
    """
    if phase is not Phase.PLANNING:
        return member_ranges(connection, broadcast_id)
    # Some of its batches may be there already, and nobody sees them.
    known = is_list_final(connection, broadcast_id)
    return [unplanned_members(connection, broadcast_id)] if known else None


def is_list_final(connection: Connection, broadcast_id: str) -> bool:
    """Return whether a broadcast goes to all of ``unplanned_members``, but for the suppressed.

    It does once its plan has left people out, or where its list goes out as it was given.
    """
    row = row_of(
        connection,
        broadcast_id,
        BroadcastRow.audience_kind,
        BroadcastRow.selection,
        BroadcastRow.subtraction,
    )
    if row.subtraction is not None:
        return True
    try:
        return row.audience_kind == OpenIDs.kind and not selections.parse(row.selection).narrows
    except (KeyError, TypeError, ValueError):
        return False


def member_hits(
    engine: Engine, chunks: Iterable[Chunk], parts: Sequence[Part]
) -> Iterator[list[Hits]]:
    """Yield, for one piece of a list after the other, who of it is in each of *parts*.

    *chunks* are the list; they are not read where places alone tell.
    """
    looks = [_member_searches(engine, part) for part in parts]
    by_place = all(part.is_known for part in parts)
    for piece in _spans(parts) if by_place else map(_Piece.from_chunk, chunks):
        # Nobody is in two batches, so nobody is in two lists.
        yield [np.logical_or.reduce([one.hits(piece) for one in each]) for each in looks]


def counted(hits: Sequence[Hits], counts: Sequence[int]) -> list[int]:
    """Return how many were hit in each part, with those of one more piece."""
    return [n + int(one.sum()) for n, one in zip(counts, hits, strict=True)]


def member_pieces(
    engine: Engine, broadcast_id: str, of_one_list: Sequence[Range]
) -> Iterator[bytes]:
    """Yield the packed OpenIDs of ranges of one list, in order."""
    name = of_one_list[0].list
    for start, end in _steps(of_one_list):
        with read(engine) as connection:
            found = recipients.packed(connection, broadcast_id, name, start=start, size=end - start)
        yield openid.pack(openid.present(openid.unpack(found)))


class _Piece:
    """A piece of the list: its place, and its OpenIDs where they are asked for."""

    def __init__(self, start: int, size: int, packed: bytes = b"") -> None:
        self.start, self.size = start, size
        self._packed = packed

    @classmethod
    def from_chunk(cls, chunk: Chunk) -> _Piece:
        return cls(chunk.start, chunk.size, chunk.packed)

    @cached_property
    def ids(self) -> IDs:
        return unpacked(self._packed)


class _MemberSearch(Protocol):
    """Searches for members, one piece after the other."""

    def hits(self, piece: _Piece) -> Hits:
        """Return for each OpenID of *piece* whether it is a member."""


class _Places:
    """Members whose places in the list are known."""

    def __init__(self, of_one_list: Sequence[Range]) -> None:
        self._starts = np.array([one.start for one in of_one_list], np.int64)
        self._ends = np.array([one.start + one.size for one in of_one_list], np.int64)

    def hits(self, piece: _Piece) -> Hits:
        found = np.zeros(piece.size, bool)
        first = int(np.searchsorted(self._ends, piece.start, "right"))
        last = int(np.searchsorted(self._starts, piece.start + piece.size))
        for start, end in zip(self._starts[first:last], self._ends[first:last], strict=True):
            found[max(start - piece.start, 0) : end - piece.start] = True
        return found


class _Read:
    """Members whose list is read beside the other."""

    def __init__(self, packed: Iterable[bytes]) -> None:
        self._stream = Stream(packed)

    def hits(self, piece: _Piece) -> Hits:
        return self._stream.hits(piece.ids)


def _member_searches(engine: Engine, part: Part) -> list[_MemberSearch]:
    """Return a search for each list: lists lie across each other, each is in order."""
    looks: list[_MemberSearch] = []
    for name, group in groupby(part.ranges, key=lambda one: one.list):
        there = list(group)
        known = part.same_list and name == ASKED
        read_in_order = member_pieces(engine, part.broadcast_id, there)
        looks.append(_Places(there) if known else _Read(read_in_order))
    return looks


def _spans(parts: Sequence[Part]) -> Iterator[_Piece]:
    end = max((one.start + one.size for part in parts for one in part.ranges), default=0)
    for start in range(0, end, CHUNK):
        yield _Piece(start, min(CHUNK, end - start))


def _steps(of_one_list: Iterable[Range]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of a list joined to the length of a chunk: small batches cost no more."""
    at, end = 0, 0
    for one in of_one_list:
        if one.start != end or end - at >= CHUNK:
            if end > at:
                yield at, end
            at = one.start
        end = one.start + one.size
    if end > at:
        yield at, end


#: Who is in these got it, may have, or will.
_MEANT = REACHED | {BatchState.PLANNED}


@dataclass(frozen=True, slots=True)
class Rereadable:
    """Packed pieces that may be read more than once."""

    begin: Callable[[], Iterable[bytes]] = field(repr=False)

    def __iter__(self) -> Iterator[bytes]:
        """Begin anew."""
        return iter(self.begin())


@frozen
class CallerLists:
    """Lists of the caller alone: of files in the order of the exclusions, and by tag."""

    files: Sequence[Iterable[bytes]] = ()
    tags: Mapping[int, Iterable[bytes]] = field(default_factory=dict)
    #: Broadcasts of which nobody knows yet who gets them: here they exclude nobody.
    unplanned: Collection[str] = ()


class NotPlannedYetError(LookupError):
    """An excluded broadcast has no plan yet, so its recipients are unknown."""


def leaves_out(
    engine: Engine, account: str, selection: Selection, *, left_since: datetime | None = None
) -> bool:
    """Return whether anybody might be left out, at a quick look."""
    if selection.narrows:
        return True
    if left_since is not None and followers.any_left(engine, account, since=left_since):
        return True
    if selection.ignore_suppression:
        return erased_people.erased_among(engine, account) is not None
    return suppressions.any_of(engine, account)


def unplanned(engine: Engine, selection: Selection) -> list[str]:
    """Return the broadcasts that *selection* excludes, and of which nobody knows yet who gets them.

    Their plans tell, or the list that is still to come.
    """
    named = [one.value for one in selection.exclude if one.kind is Excluded.BROADCAST]
    if not named:
        return []
    with read(engine) as connection:
        phases = {one: value_of(connection, one, BroadcastRow.phase) for one in named}
        # Without its list it would leave out nobody.
        unknown = [one for one in named if phases[one] is Phase.UPLOADING]
        there = [one for one in named if phases[one] is Phase.PLANNING]
        unknown += [one for one in there if not is_list_final(connection, one)]
        if selection.ignore_suppression:
            # Whoever is suppressed does not get those, and is to get this one.
            unknown += [
                one
                for one in there
                if one not in unknown
                and value_of(connection, one, BroadcastRow.subtraction) is None
                and recipients.heeded_in(connection, one)
            ]
    return sorted(unknown)


def removals_of(
    engine: Engine,
    account: str,
    selection: Selection,
    *,
    given: CallerLists,
    left_since: datetime | None = None,
) -> list[Removal]:
    """Return the people whom *selection* leaves out, the strongest reason first.

    *left_since*: those too who left at that moment or later. A tag that *given* lacks excludes
    nobody. Raises UnknownIdError for a broadcast that is gone, and NotPlannedYetError for one of
    which nobody knows yet who gets it.
    """
    for name in set(unplanned(engine, selection)) - set(given.unplanned):
        raise NotPlannedYetError(
            f"broadcast {name} is not planned yet, so nobody knows who gets it"
        )
    found = list[Removal]()
    if among := erased_people.erased_among(engine, account):
        # They are left out though all others on the suppression list are to get it.
        found.append(Removal(reason="suppressed", among=among))
    if not selection.ignore_suppression:
        pieces = Rereadable(lambda: suppressions.pieces(engine, account))
        found.append(Removal(reason="suppressed", pieces=pieces))
    files = iter(given.files)
    for one in selection.exclude:
        match one.kind:
            case Excluded.FILE:
                lists = [next(files)]
            case Excluded.TAG:
                lists = [given.tags.get(int(one.value), ())]
            case Excluded.BROADCAST:
                left = one.value in given.unplanned
                lists = [] if left else _of_broadcast(engine, one.value)
        found += [Removal(reason="excluded", pieces=each) for each in lists]
    if selection.only_current or left_since is not None:
        since = None if selection.only_current else left_since
        pieces = Rereadable(lambda: followers.left(engine, account, since=since))
        found.append(Removal(reason="unsubscribed", pieces=pieces))
    return found


def _of_broadcast(engine: Engine, broadcast_id: str) -> list[Iterable[bytes]]:
    """Return who got a broadcast, may have or will; each of its lists is in order."""
    with read(engine) as connection:
        phase = value_of(connection, broadcast_id, BroadcastRow.phase)
        if phase is None:
            raise locked_rows.unknown_id(connection, broadcast_id)
        if value_of(connection, broadcast_id, BroadcastRow.pruned_at) is not None:
            raise UnknownIdError("error.plan.excludes_pruned", id=broadcast_id)
        if phase is Phase.PLANNING:
            ranges: Sequence[Range] = [unplanned_members(connection, broadcast_id)]
        else:
            ranges = member_ranges(connection, broadcast_id)
    there = [one for one in ranges if one.state in _MEANT and one.size]
    return [
        _in_list(engine, broadcast_id, list(group))
        for _, group in groupby(there, key=lambda one: one.list)
    ]


def _in_list(engine: Engine, broadcast_id: str, of_one_list: Sequence[Range]) -> Rereadable:
    return Rereadable(lambda: member_pieces(engine, broadcast_id, of_one_list))
