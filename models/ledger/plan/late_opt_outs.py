"""Refreezing: opt-outs and unsubscribers since the plan leave the batches without a call.

The look is made outside of any transaction, a batch at a time. What it found is taken out after
it, a few batches at a time, because people who are left alone move to another batch then. Who asks
out meanwhile is found by the next look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import Connection, Engine, Row, func, select

from broadcast import openid
from broadcast.rules.plan import audience as audiences
from broadcast.rules.plan import selection as selections
from broadcast.rules.plan.selection import Removal
from broadcast.sorted_openids import Hits, IDs, Stream, packed
from models.accounts import Lane
from models.base import change, change_where, row_of, value_of
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.followers import FollowerSync
from models.ledger.followers import followers
from models.ledger.gates.quotas import day_of
from models.ledger.lists import suppressions
from models.ledger.plan import take_out
from models.ledger.plan.removals import Rereadable
from models.ledger.rows.locked_rows import Changes, list_changes
from models.ledger.rows.transaction import read, reading, write, writing

#: OpenIDs of the batches out of which people are taken in one transaction: three large batches, or
#: many small ones. A transaction for each few people would let a backlog grow faster than it goes.
AT_ONCE = 30_000
#: This many opt-outs and unsubscribers since the last look need no look at all batches:
#: what comes in a few seconds without a worker, so that who takes over catches up.
FEW = 500


@dataclass(frozen=True, slots=True)
class _Out:
    """People to be removed from a broadcast of an account."""

    account: str
    #: Whether those who are suppressed stay.
    ignored: bool
    #: Who left earlier stays, by WeChat's clock; None: nobody who left.
    left_since: datetime | None
    #: Batches out of which people are taken in one transaction.
    at_once: int


class _StoppedError(Exception):
    """The look is broken off."""


def remove(
    engine: Engine, broadcast_id: str, wanted: str, *, goes_on: Callable[[], bool] = lambda: True
) -> int | None:
    """Remove opt-outs and unsubscribers; record *wanted* as applied; return how many.

    None where it was broken off because *goes_on* said no: the next look does all of it. Raises
    ListGoneError where a part of our list of followers is missing.
    """

    def check() -> None:
        if not goes_on():
            raise _StoppedError

    taken = 0
    try:
        for reason, portions in _people(engine, broadcast_id, wanted, check=check):
            for people in portions:
                check()
                taken += take_out.shrink(engine, broadcast_id, people, reason=reason)
    except _StoppedError:
        return None
    mark_opt_outs_applied(engine, broadcast_id, wanted)
    return taken


def _people(
    engine: Engine, broadcast_id: str, wanted: str, *, check: Callable[[], None]
) -> Iterator[tuple[str, Sequence[bytes]]]:
    """Yield the people to be removed by reason, in portions of a few batches."""
    with read(engine) as connection:
        row = row_of(
            connection,
            broadcast_id,
            BroadcastRow.account,
            BroadcastRow.selection,
            BroadcastRow.audience_kind,
            BroadcastRow.created_at,
            BroadcastRow.batch_size,
        )
    selection = selections.parse(row.selection)
    since = None
    if not selection.only_current:
        since = audiences.left_since(row.audience_kind, given_at=row.created_at)
    out = _Out(
        row.account,
        ignored=selection.ignore_suppression,
        left_since=since,
        at_once=max(1, AT_ONCE // row.batch_size),
    )
    known = known_opt_outs(engine, broadcast_id, wanted)
    if known is not None and (few := _few(engine, out, known)) is not None:
        batches = len(_untouched(engine, broadcast_id))
        for reason, people in few.items():
            yield reason, list(_portions(people, batches=batches, at_once=out.at_once))
        return
    for removal in _removals(engine, out):
        # Nobody is taken out before all were looked for.
        found = _untouched_members(engine, broadcast_id, removal, at_once=out.at_once, check=check)
        yield removal.reason, list(found)


def _portions(people: Sequence[str], *, batches: int, at_once: int) -> Iterator[bytes]:
    """Cut *people*, sorted as the batches are, so that each portion is of a few batches."""
    size = max(at_once, len(people) * at_once // max(batches, 1))
    for at in range(0, len(people), size):
        yield openid.pack("".join(people[at : at + size]).encode())


def _few(engine: Engine, out: _Out, known: Changes) -> dict[str, list[str]] | None:
    """Return opt-outs and unsubscribers since a look, by reason; None: they are many."""
    left = followers.left_since_change(engine, out.account, known.left, most=FEW)
    asked = [] if out.ignored else suppressions.since(engine, out.account, known, most=FEW)
    if left is None or asked is None:
        return None
    gone = [
        one.openid
        for one in left
        if one.left_at and (out.left_since is None or one.left_at >= out.left_since)
    ]
    return {"suppressed": asked, "unsubscribed": gone}


def _removals(engine: Engine, out: _Out) -> list[Removal]:
    """Return who is left out, but for lists that are empty."""
    account, since = out.account, out.left_since
    lists = {"unsubscribed": Rereadable(lambda: followers.left(engine, account, since=since))}
    if not out.ignored:
        lists["suppressed"] = Rereadable(lambda: suppressions.pieces(engine, account))
    return [
        Removal(reason=reason, pieces=pieces)
        for reason, pieces in sorted(lists.items())
        if next(iter(pieces), None)
    ]


def _untouched_members(
    engine: Engine,
    broadcast_id: str,
    removal: Removal,
    *,
    at_once: int,
    check: Callable[[], None],
) -> Iterator[bytes]:
    """Yield the members of the untouched batches that a removal names, a few at a time."""
    look, found = _MemberSearch(removal), list[IDs]()
    for batch in _untouched(engine, broadcast_id):
        check()
        with read(engine) as connection:
            ids = take_out.people_in(connection, broadcast_id, batch)
        hits = look.hits(ids)
        if hits.any():
            found.append(ids[hits])
        if len(found) == at_once:
            yield packed(np.sort(np.concatenate(found)))
            found.clear()
    if found:
        yield packed(np.sort(np.concatenate(found)))


class _MemberSearch:
    """Looks for people in one batch after the other, from the beginning where they go back."""

    def __init__(self, removal: Removal) -> None:
        self._removal = removal
        self._stream = Stream(removal.pieces)
        self._last = b""

    def hits(self, ids: IDs) -> Hits:
        if ids[0] <= self._last:
            self._stream = Stream(self._removal.pieces)
        self._last = ids[-1]
        return self._stream.hits(ids)


_untouched = reading(take_out.untouched)

_UNHALTED = select(Lane.breaker_since).filter_by(account=BroadcastRow.account)
_SYNCED = select(func.max(FollowerSync.id)).where(
    FollowerSync.account == BroadcastRow.account, FollowerSync.run.is_not(None)
)
_STANDS = select(
    BroadcastRow.account,
    BroadcastRow.fresh_for,
    BroadcastRow.breaker_since.label("resumed"),
    func.coalesce(_UNHALTED.scalar_subquery(), 0).label("unhalted"),
    func.coalesce(_SYNCED.scalar_subquery(), 0).label("synced"),
)


@reading
def due_opt_outs(connection: Connection, broadcast_id: str) -> str | None:
    """Return the version of the opt-out lists to apply to a broadcast; None: it is applied."""
    row = connection.execute(_STANDS.where(BroadcastRow.id == broadcast_id)).one()
    wanted = _opt_outs_version(connection, row)
    # One that was planned before anybody looked is as fresh as its plan.
    return None if row.fresh_for in {None, wanted} else wanted


def begin_opt_outs(engine: Engine, broadcast_id: str) -> None:
    """Record that the plan applies the opt-out lists; it does so once."""
    mine = (BroadcastRow.id == broadcast_id, BroadcastRow.fresh_for.is_(None))

    with read(engine) as connection:
        row = connection.execute(_STANDS.where(*mine)).first()
        wanted = None if row is None else _opt_outs_version(connection, row)
    if wanted is not None:
        write(engine, lambda one: change_where(one, BroadcastRow, *mine, fresh_for=wanted))


@writing
def mark_opt_outs_applied(connection: Connection, broadcast_id: str, wanted: str) -> None:
    """Record the version *wanted* of the opt-out lists as applied."""
    change(connection, BroadcastRow, broadcast_id, fresh_for=wanted)


@reading
def known_opt_outs(connection: Connection, broadcast_id: str, wanted: str) -> Changes | None:
    """Return the applied version of the opt-out lists; None: all of them are to be read."""
    applied = value_of(connection, broadcast_id, BroadcastRow.fresh_for)
    before, _, looked_at = str(applied).rpartition("/")
    return Changes.parse(looked_at) if before == wanted.rpartition("/")[0] else None


def _opt_outs_version(connection: Connection, row: Row[str, str | None, int, int, int]) -> str:
    """Return the version of the opt-out lists: it changes with them and with Shanghai's day."""
    today = day_of(now(connection))
    lists = list_changes(connection, row.account)
    return f"{today}/{row.resumed}.{row.unhalted}.{row.synced}/{lists}"
