"""Overlaps: who of a new list got a broadcast of the same account just now, may have, or will.

The corrected content of a broadcast that went out in part would reach that part twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    bindparam,
    exists,
    func,
    or_,
)

from broadcast import day
from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.gates.gate import Gate, closed, traits_of
from broadcast.rules.overlap import ListOverlaps, Overlap, ToCome, Uncounted
from broadcast.rules.plan.audience import Followers
from broadcast.rules.plan.cut import Chunk
from broadcast.rules.plan.submission import Body
from broadcast.rules.reports import set_of
from broadcast.rules.states import OPEN_PHASES, BatchState, BroadcastState, Phase
from broadcast.sorted_openids import Hits
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.ledger.lists import media
from models.ledger.plan import removals
from models.ledger.plan.removals import REACHED, Part, Range
from models.ledger.rows import closed_gates
from models.ledger.rows.transaction import every_row, read, reading, selected

WITHIN = timedelta(hours=24)
#: Most broadcasts that are named of a kind, the newest first.
MOST = 3
#: Most broadcasts of which a list of their own is read: each costs as much as the new list.
MOST_READ = 5
#: Most broadcasts that are looked at, the newest first.
MOST_LOOKED_AT = 50


@frozen
class _Row:
    """A broadcast that may have reached somebody of the list, or will."""

    id: str
    phase: Phase
    result: BroadcastState | None
    started_at: datetime | None
    audience_digest: str
    content_identity: str


class _When(Enum):
    """Which batches of a broadcast are counted on their own."""

    BEFORE = auto()  #: called before today
    TODAY = auto()
    TO_COME = auto()  #: called later, automatically


@frozen
class _Candidate:
    """A broadcast and its batches."""

    row: _Row
    ranges: Sequence[Range]
    #: It went out in part, with other content, and does not go on: a version before the new one.
    is_earlier: bool
    #: It continues automatically.
    going: bool
    #: Until when it waits to go on.
    at: datetime | None
    #: Its list is the new one.
    same_list: bool
    #: Who gets it is known by its plan alone, which is still to come.
    unknown: bool = False

    @property
    def reached(self) -> list[Range]:
        """The batches whose followers got it, or may have."""
        return [one for one in self.ranges if one.state in REACHED]

    @property
    def rest(self) -> frozenset[str]:
        """The sets that hold anybody of the batches that reached nobody."""
        others = (one.state for one in self.ranges if one.state not in REACHED)
        return frozenset(set_of(state) for state in others)

    def parts(self, today: datetime) -> Iterator[tuple[_When, list[Range]]]:
        """Yield the batches that count, by when they were called or will be."""
        by_when: dict[_When, list[Range]] = defaultdict(list)
        for one in self.ranges:
            if one.state in REACHED:
                is_today = one.called_at is not None and one.called_at >= today
                by_when[_When.TODAY if is_today else _When.BEFORE].append(one)
            elif one.state is BatchState.PLANNED:
                by_when[_When.TO_COME].append(one)
        if not self.is_earlier:
            by_when.pop(_When.BEFORE, None)
        is_version = self.is_earlier and self.same_list
        if is_version or self.row.phase not in OPEN_PHASES:
            by_when.pop(_When.TO_COME, None)
        yield from by_when.items()


@reading
def earlier(connection: Connection, body: Body, *, moment: datetime) -> Sequence[_Candidate]:
    """Return the broadcasts of the day before *moment* that went out in part, or may have.

    One with the same content as *body* is a repeat, which `send` refuses.
    """
    said = media.identity(connection, body.content)
    facts = {"account": body.account.name, "said": said, "since": moment - WITHIN}
    rows = every_row(connection, _IN_PART, _Row, facts)
    return [_candidate(connection, body, row, said=said) for row in rows]


def counted(
    engine: Engine, body: Body, there: Sequence[_Candidate], *, chunks: Iterable[Chunk]
) -> list[Overlap]:
    """Return those of *there* that somebody of a new list got, or may have got.

    *chunks* are the list of *body*.
    """
    parts = [_part(body, each.row, each.reached) for each in there]
    counts = [0] * len(parts)
    if parts:
        for hits in removals.member_hits(engine, chunks, parts):
            counts = removals.counted(hits, counts)
    found = map(_overlap, there, counts)
    return [one for one in found if one.followers]


def list_overlaps(engine: Engine, body: Body, chunks: Iterable[Chunk]) -> ListOverlaps:
    """Return what the followers of a new list got today, and will get beside it.

    *chunks* are the list of *body*. At most :data:`MOST_READ` lists are read beside it.
    """
    with read(engine) as connection:
        moment, said = now(connection), media.identity(connection, body.content)
        rows = _rows(connection, body, *_of_today(moment), most=MOST_LOOKED_AT + 1)
        own = _own_gates(connection, rows, moment)
        there = [
            _candidate(connection, body, row, said=said, own=own[row.id])
            for row in rows[:MOST_LOOKED_AT]
        ]
    counted = _Counted(there, body, moment)
    if counted.parts:
        for hits in removals.member_hits(engine, chunks, [part for _, _, part in counted.parts]):
            counted.add(hits)
    return counted.overlaps(more=len(rows) > MOST_LOOKED_AT)


@reading
def uncounted(connection: Connection, body: Body, *, by_list: bool) -> Sequence[Uncounted]:
    """Return the broadcasts of today or to come that may go to people of a new audience too.

    *by_list*: who is meant is counted one by one, so only those are returned whose people are not.
    """
    which, said = _of_today(now(connection)), media.identity(connection, body.content)
    if by_list:
        not_planned = and_(
            BroadcastRow.phase == Phase.PLANNING, BroadcastRow.audience_kind == Followers.kind
        )
        which = (*which, or_(BroadcastRow.path == SendPath.SENDALL, not_planned))
    rows = _rows(connection, body, *which, paths=SendPath, most=MOST_LOOKED_AT)
    return [
        Uncounted(
            id=row.id,
            started_at=row.started_at,
            same_content=row.content_identity == said,
        )
        for row in rows
    ]


class _Counted:
    """The candidates whose lists are compared with the new one, and what was counted."""

    def __init__(self, there: Sequence[_Candidate], body: Body, moment: datetime) -> None:
        self.parts: list[tuple[_Candidate, _When, Part]] = []
        self._more = False
        self._today = 0
        read_beside = 0
        for each in there:
            self._more = self._more or each.unknown
            mine = [
                (each, when, _part(body, each.row, ranges))
                for when, ranges in each.parts(day.start(moment))
            ]
            read_beside += bool(mine) and not all(part.is_known for _, _, part in mine)
            if read_beside <= MOST_READ or all(part.is_known for _, _, part in mine):
                self.parts += mine
            else:
                self._more = True
        self._counts = [0] * len(self.parts)

    def add(self, hits: Sequence[Hits]) -> None:
        """Count one piece of the list."""
        self._counts = removals.counted(hits, self._counts)
        today = [
            one for one, (_, when, _) in zip(hits, self.parts, strict=True) if when is _When.TODAY
        ]
        # Whoever got several is counted once.
        self._today += int(np.logical_or.reduce(today).sum()) if today else 0

    def overlaps(self, *, more: bool) -> ListOverlaps:
        """Return what was counted; *more*: there are broadcasts that were not even looked at."""
        of: dict[_When, Counter[str]] = {when: Counter() for when in _When}
        for (each, when, _), count in zip(self.parts, self._counts, strict=True):
            of[when][each.row.id] += count
        there = list({each.row.id: each for each, _, _ in self.parts}.values())
        reached = of[_When.BEFORE] + of[_When.TODAY]
        earlier = [_overlap(each, reached[each.row.id]) for each in there if each.is_earlier]
        to_come = [
            (each, ToCome(id=each.row.id, at=each.at, followers=of[_When.TO_COME][each.row.id]))
            for each in there
        ]
        return ListOverlaps(
            today=self._today,
            today_ids=[each.row.id for each in there if of[_When.TODAY][each.row.id]],
            earlier=[one for one in earlier if one.followers],
            to_come=[one for each, one in to_come if one.followers and each.going],
            stopped=tuple(one for each, one in to_come if one.followers and not each.going),
            more=more or self._more,
        )


def _overlap(each: _Candidate, followers: int) -> Overlap:
    assert each.row.started_at is not None, "it was called"
    return Overlap(
        id=each.row.id,
        started_at=each.row.started_at,
        followers=followers,
        rest=each.rest,
        same_list=each.same_list,
        possibly=any(one.state in _OPEN_CALLS for one in each.ranges),
    )


_OPEN_CALLS = frozenset({BatchState.CALLING, BatchState.UNKNOWN})


def _part(body: Body, row: _Row, ranges: Sequence[Range]) -> Part:
    same = row.audience_digest == body.audience_digest
    return Part(broadcast_id=row.id, ranges=ranges, same_list=same)


def _of_today(moment: datetime) -> tuple[ColumnElement[bool], ...]:
    since = moment - WITHIN
    # One over several days began long ago, and may have ended today.
    fresh = or_(BroadcastRow.started_at > since, BroadcastRow.finished_at > since)
    return (
        or_(
            BroadcastRow.phase.in_(OPEN_PHASES),
            and_(fresh, _REACHED_SOME),
        ),
    )


_REACHED_SOME = exists().where(Batch.broadcast_id == BroadcastRow.id, Batch.state.in_(REACHED))


def _rows(
    connection: Connection,
    body: Body,
    *which: ColumnElement[bool],
    most: int,
    paths: Iterable[SendPath] = (SendPath.MASS_SEND,),
) -> Sequence[_Row]:
    """Return the newest of an account's broadcasts, if nothing else is said those to OpenIDs."""
    query = _newest(*which, paths=paths, most=most)
    return every_row(connection, query, _Row, {"account": body.account.name})


def _newest(
    *which: ColumnElement[bool], most: int, paths: Iterable[SendPath] = (SendPath.MASS_SEND,)
) -> Select[*tuple[Any, ...]]:
    newest = func.coalesce(BroadcastRow.started_at, BroadcastRow.created_at)
    return (
        selected(_Row, BroadcastRow)
        .where(
            BroadcastRow.account == bindparam("account"),
            BroadcastRow.phase != Phase.UPLOADING,
            BroadcastRow.path.in_(list(paths)),
            *which,
        )
        .order_by(newest.desc(), BroadcastRow.id)
        .limit(most)
    )


# Built once, as each submit of a list runs it.
_IN_PART = _newest(
    BroadcastRow.content_identity != bindparam("said"),
    BroadcastRow.started_at > bindparam("since"),
    or_(BroadcastRow.result.is_(None), BroadcastRow.result != BroadcastState.COMPLETED),
    _REACHED_SOME,
    most=MOST,
)


def _own_gates(
    connection: Connection, rows: Sequence[_Row], moment: datetime
) -> dict[str | None, list[Gate]]:
    """Return the closed gates of each broadcast's own."""
    own: dict[str | None, list[Gate]] = defaultdict(list)
    there = closed_gates.of_broadcasts(connection, [row.id for row in rows])
    for gate in closed(there, moment):
        own[gate.broadcast_id].append(gate)
    return own


def _candidate(
    connection: Connection, body: Body, row: _Row, *, said: str, own: Sequence[Gate] = ()
) -> _Candidate:
    ranges = removals.known_members(connection, row.id, row.phase)
    going = row.phase in OPEN_PHASES and all(traits_of(gate.kind).by_time for gate in own)
    other = row.content_identity != said
    is_fresh = row.started_at is not None and row.started_at > now(connection) - WITHIN
    return _Candidate(
        row=row,
        ranges=ranges or (),
        going=going,
        unknown=ranges is None,
        same_list=row.audience_digest == body.audience_digest,
        at=day.last_of(*(gate.until for gate in own)),
        is_earlier=other and not going and is_fresh and row.result is not BroadcastState.COMPLETED,
    )
