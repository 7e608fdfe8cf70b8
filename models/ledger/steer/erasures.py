"""Erasing a person: their OpenID goes from every row, and a digest keeps them suppressed.

The digest comes first, so that a plan which is made meanwhile leaves them out. Where they are in
what is still to be called, or may have to be, the erasure is refused and the digest goes again. In
lists another word takes their place, so that sizes and places stay; each batch counts its erased.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np
from sqlalchemy import ColumnElement, Connection, Engine, literal, select

from broadcast import openid
from broadcast.errors import ConflictError
from broadcast.frozen import frozen
from broadcast.rules.dead_letters import LetterState
from broadcast.rules.followers import FOLLOWS, FollowerFacts
from broadcast.rules.states import BATCH_AT_REST, UNCALLED_PHASES, BatchState
from broadcast.rules.suppressions import ALL_ACCOUNTS, SuppressionKind
from models.base import (
    Packed,
    change,
    change_where,
    count_of,
    delete_where,
    insert_row,
    place_in,
    row_of,
)
from models.batch_tables import Batch
from models.box_tables import DeadLetterRow, OutboxRow
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.followers import FollowerChange, FollowerChunk, FollowerSync
from models.ledger.followers import follower_syncs, followers
from models.ledger.rows import lane_rows, mentions
from models.ledger.rows.erased_people import IS_ERASED, digest_of
from models.ledger.rows.transaction import reading, writing, writing_new
from models.recipients import ChunkRow
from models.suppressions import Suppression


@frozen
class Erased:
    """Numbers of what was changed."""

    broadcasts: int
    rows: int


def erase(engine: Engine, account: str, one: str, *, who: str, why: str | None = None) -> Erased:
    """Erase a person of an account. Done twice it finds nothing more.

    Raises ConflictError where they are in what is still to be called, or was not decided. Then
    nothing was erased, unless a retry came in between: what was erased by then stays so.
    """
    since = _suppress(engine, account, one, who=who, why=why)
    try:
        ids = _broadcasts_of(engine, account, one)
        for broadcast_id in ids:
            _check_closed(engine, broadcast_id, one)
        _check_boxes(engine, account, one)
        for broadcast_id in ids:
            _erase_from(engine, broadcast_id, one)
            since = None
    except ConflictError:
        if since:
            _lift(engine, account, one, since=since)
        raise
    follower_syncs.clear(engine, account, keep=1)
    _unfollow(engine, account, one)
    found = list(mentions.mentions(engine, account, one))
    for each in found:
        mentions.blot(engine, each, one)
    return Erased(broadcasts=len(ids), rows=len(found))


@writing_new
def _suppress(
    connection: Connection, account: str, one: str, *, who: str, why: str | None
) -> datetime | None:
    """Suppress a person by their digest; return since when if they were not yet.

    Whoever is suppressed for all accounts stays so.
    """
    digest, moment = digest_of(connection)(one.encode()).decode(), now(connection)
    # Another erasure of the same person cannot lift it any more.
    if change_where(connection, Suppression, *_erased(account, digest), since=moment):
        return None
    for_all = Suppression.account == ALL_ACCOUNTS, Suppression.openid == one
    insert_row(
        connection,
        Suppression,
        account=ALL_ACCOUNTS if count_of(connection, Suppression, *for_all) else account,
        openid=digest,
        kind=SuppressionKind.ERASED,
        since=moment,
        who=who,
        why=why,
        change=0,
    )
    return moment


@writing
def _lift(connection: Connection, account: str, one: str, *, since: datetime) -> None:
    digest = digest_of(connection)(one.encode()).decode()
    mine = _erased(account, digest)
    delete_where(connection, Suppression, *mine, Suppression.since == since)


def _erased(account: str, digest: str) -> tuple[ColumnElement[bool], ...]:
    return Suppression.account.in_([account, ALL_ACCOUNTS]), Suppression.openid == digest, IS_ERASED


# Lists


@reading
def _broadcasts_of(connection: Connection, account: str, one: str) -> Sequence[str]:
    """Return the broadcasts of which a list holds somebody."""
    packed = openid.pack(one.encode())
    near = (
        select(ChunkRow.broadcast_id)
        .join(BroadcastRow, BroadcastRow.id == ChunkRow.broadcast_id)
        .filter_by(account=account)
        .where(ChunkRow.first_openid <= one, ChunkRow.last_openid >= one)
        .where(place_in(ChunkRow.openids, literal(packed, Packed)) > 0)
    )
    return connection.scalars(near.distinct().order_by(ChunkRow.broadcast_id)).all()


@frozen
class _Standing:
    """Where somebody stands."""

    chunk_id: int
    list: str
    #: In its list.
    place: int
    openids: bytes


def _places(connection: Connection, broadcast_id: str, one: str) -> Iterator[_Standing]:
    query = select(ChunkRow.id, ChunkRow.list, ChunkRow.start, ChunkRow.openids).where(
        ChunkRow.broadcast_id == broadcast_id,
        ChunkRow.first_openid <= one,
        ChunkRow.last_openid >= one,
    )
    for row in connection.execute(query).all():
        at = openid.place_of(one.encode(), row.openids)
        if at is not None:
            yield _Standing(
                chunk_id=row.id, list=row.list, place=row.start + at, openids=row.openids
            )


@reading
def _check_closed(connection: Connection, broadcast_id: str, one: str) -> None:
    _check_batches(connection, broadcast_id, list(_places(connection, broadcast_id, one)))


def _check_batches(
    connection: Connection, broadcast_id: str, places: Sequence[_Standing]
) -> list[int]:
    """Return the ids of the batches in whose range somebody stands. Raises ConflictError."""
    phase = row_of(connection, broadcast_id, BroadcastRow.phase).phase
    if phase in UNCALLED_PHASES:
        raise ConflictError("error.person.open", id=broadcast_id)
    found = []
    for each in places:
        rows = connection.execute(
            select(Batch.id, Batch.n, Batch.state)
            .filter_by(broadcast_id=broadcast_id, list=each.list)
            .where(Batch.start <= each.place, Batch.start + Batch.size > each.place)
        ).all()
        for row in rows:
            if row.state is BatchState.IN_DOUBT:
                raise ConflictError("error.person.in_doubt", id=broadcast_id, n=row.n)
            # A retry leaves a batch alone once somebody in it was erased.
            if row.state not in BATCH_AT_REST:
                raise ConflictError("error.person.open", id=broadcast_id)
            found.append(row.id)
    return found


@writing
def _erase_from(connection: Connection, broadcast_id: str, one: str) -> None:
    """Erase somebody from the lists of a broadcast, and count them in its batches."""
    lane_rows.lock_unless_ended(connection, broadcast_id)
    places = list(_places(connection, broadcast_id, one))
    for batch_id in _check_batches(connection, broadcast_id, places):
        change(connection, Batch, batch_id, erased=Batch.erased + 1)
    for each in places:
        _blot_out(connection, each, one)


def _without(listed: bytes, name: bytes) -> bytes:
    if name not in listed:
        return listed
    return b"".join(openid.ERASED if one == name else one for one in openid.each(listed))


def _blot_out(connection: Connection, place: _Standing, one: str) -> None:
    """Put the word for an erased person into the place of somebody in a chunk."""
    listed = _without(openid.unpack(place.openids), one.encode())
    there = openid.present(listed)
    change(
        connection,
        ChunkRow,
        place.chunk_id,
        openids=openid.pack(listed),
        first_openid=there[: openid.LENGTH].decode(),
        last_openid=there[-openid.LENGTH :].decode(),
    )


# Followers, and what other programs asked for


def _check_boxes(engine: Engine, account: str, one: str) -> None:
    """Raise ConflictError where a request, a message or a pass is still to be worked on."""
    if follower_syncs.under_way(engine, account) is not None:
        raise ConflictError("error.person.syncing", account=account)
    for each in mentions.mentions(engine, account, one):
        if each.table is OutboxRow.__table__:
            raise ConflictError("error.person.outbox")
        if each.table is DeadLetterRow.__table__ and each.row["state"] is LetterState.DEAD:
            raise ConflictError("error.person.dead_letter", id=each.row["id"])


@writing
def _unfollow(connection: Connection, account: str, one: str) -> None:
    """Remove somebody from our copy of WeChat's list, and from the suppression list in clear."""
    for table in (FollowerChange, Suppression):
        mine = table.account.in_([account, ALL_ACCOUNTS])
        delete_where(connection, table, mine, table.openid == one)
    newest = followers.newest_list_in(connection, account)
    if newest is None or (chunk := followers.chunk_with(connection, newest, one)) is None:
        return
    chunk_id, known = chunk
    at = np.flatnonzero(known.ids == one.encode())
    if not len(at):
        return
    left = FollowerFacts(ids=np.delete(known.ids, at), facts=np.delete(known.facts, at))
    if len(left.ids):
        change(connection, FollowerChunk, chunk_id, **followers.columns_of(left))
    else:
        delete_where(connection, FollowerChunk, FollowerChunk.id == chunk_id)
    behind = (
        FollowerChunk.sync_id == newest.sync_id,
        FollowerChunk.run == newest.run,
        FollowerChunk.first_openid > one,
    )
    change_where(connection, FollowerChunk, *behind, start=FollowerChunk.start - 1)
    followed = int((known.facts["flags"][at] & FOLLOWS).any())
    change(
        connection,
        FollowerSync,
        newest.sync_id,
        size=FollowerSync.size - 1,
        followers=FollowerSync.followers - followed,
    )
