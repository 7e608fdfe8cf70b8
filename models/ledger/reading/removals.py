"""Whom a selection leaves out: sorted lists, each read when a look comes to it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection, Engine, select

from broadcast.frozen import frozen
from broadcast.plan import selection as selections
from broadcast.plan.selection import Excluded, Selection
from broadcast.plan.subtraction import Removal
from broadcast.states import BatchState, Phase
from models.broadcast import BroadcastRow
from models.ledger.reading import followers, ids, members, suppressions
from models.ledger.reading.members import REACHED, Range
from models.ledger.transaction import read

#: Who is in these got it, may have, or will.
_MEANT = REACHED | {BatchState.PLANNED}


@dataclass(frozen=True, slots=True)
class Again:
    """Packed pieces that may be read more than once."""

    begin: Callable[[], Iterable[bytes]] = field(repr=False)

    def __iter__(self) -> Iterator[bytes]:
        """Begin anew."""
        return iter(self.begin())


@frozen
class Given:
    """Lists that only the caller has: of files in the order of the exclusions, and by tag."""

    files: Sequence[Iterable[bytes]] = ()
    tags: Mapping[int, Iterable[bytes]] = field(default_factory=dict)
    #: Broadcasts of which nobody knows yet who gets them: here they exclude nobody.
    unplanned: Collection[str] = ()


class UnplannedError(LookupError):
    """Nobody knows yet who gets a broadcast that is excluded."""


def leaves_out(
    engine: Engine, account: str, selection: Selection, *, left_since: datetime | None = None
) -> bool:
    """Return whether anybody might be left out: a quick look. *left_since* as of :func:`of`."""
    if selection.narrows:
        return True
    if left_since is not None and followers.any_left(engine, account, since=left_since):
        return True
    return not selection.ignore_suppression and suppressions.any_of(engine, account)


def unplanned(engine: Engine, selection: Selection) -> list[str]:
    """Return the broadcasts that *selection* excludes, and of which nobody knows yet who gets them.

    Their plans tell, or the list that is still to come.
    """
    named = [one.value for one in selection.exclude if one.kind is Excluded.BROADCAST]
    if not named:
        return []
    with read(engine) as connection:
        phases = {one: _phase(connection, one) for one in named}
        # Without its list it would leave out nobody.
        unknown = [one for one in named if phases[one] is Phase.UPLOADING]
        there = [one for one in named if phases[one] is Phase.PLANNING]
        unknown += [one for one in there if not members.is_known(connection, one)]
        heed = {one: _heeds(connection, one) for one in there if one not in unknown}
    if selection.ignore_suppression:
        # Whoever is suppressed does not get those, and is to get this one.
        unknown += [
            one for one, account in heed.items() if account and suppressions.any_of(engine, account)
        ]
    return sorted(unknown)


def _phase(connection: Connection, broadcast_id: str) -> Phase | None:
    return connection.scalar(select(BroadcastRow.phase).where(BroadcastRow.id == broadcast_id))


def _heeds(connection: Connection, broadcast_id: str) -> str | None:
    """Return the account whose suppression list an unplanned broadcast is still to heed, if any."""
    query = select(BroadcastRow.account, BroadcastRow.selection, BroadcastRow.subtraction)
    row = connection.execute(query.where(BroadcastRow.id == broadcast_id)).one()
    if row.subtraction is not None or selections.parse(row.selection).ignore_suppression:
        return None
    return str(row.account)


def of(
    engine: Engine,
    account: str,
    selection: Selection,
    *,
    given: Given,
    left_since: datetime | None = None,
) -> list[Removal]:
    """Return whom *selection* leaves out, the strongest reason first.

    *left_since*: those too who left at that moment or later. A tag that *given* lacks excludes
    nobody. Raises UnknownIdError for a broadcast that is gone, and UnplannedError for one of
    which nobody knows yet who gets it.
    """
    for name in set(unplanned(engine, selection)) - set(given.unplanned):
        raise UnplannedError(f"broadcast {name} is not planned yet, so nobody knows who gets it")
    found = list[Removal]()
    if not selection.ignore_suppression:
        pieces = Again(lambda: suppressions.pieces(engine, account))
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
        pieces = Again(lambda: followers.left(engine, account, since=since))
        found.append(Removal(reason="unsubscribed", pieces=pieces))
    return found


def _of_broadcast(engine: Engine, broadcast_id: str) -> list[Iterable[bytes]]:
    """Return who got a broadcast, may have or will; each of its lists is in order."""
    with read(engine) as connection:
        phase = _phase(connection, broadcast_id)
        if phase is None:
            raise ids.unknown(connection, broadcast_id)
        if phase is Phase.PLANNING:
            ranges = [members.unplanned(connection, broadcast_id)]
        else:
            ranges = members.ranges(connection, broadcast_id)
    there = [one for one in ranges if one.state in _MEANT and one.size]
    return [
        _in_list(engine, broadcast_id, list(group))
        for _, group in groupby(there, key=lambda one: one.list)
    ]


def _in_list(engine: Engine, broadcast_id: str, of_one_list: Sequence[Range]) -> Again:
    return Again(lambda: members.pieces(engine, broadcast_id, of_one_list))
