"""The restore guard's facts in the ledger: the database's place, and who was at work on it.

``broadcast.rules.gates.restore_guard`` judges them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, update

from broadcast import day
from broadcast.rules.calls.outcomes import Outcome, SendPath
from broadcast.rules.campaigns.launches import LaunchState
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.gates.restore_guard import DatabaseFacts, LaneFacts, Owed
from broadcast.rules.states import OPEN_PHASES, Reason
from models.accounts import Lane
from models.base import among, change_where, is_so
from models.batch_tables import OF_ACCOUNT, STANDS, AttemptRow, Batch, GateRow
from models.box_tables import OutboxRow
from models.broadcast_tables import BroadcastRow
from models.campaign_tables import CampaignRow, LaunchRow
from models.engine import database_now, now
from models.installation import FORGOTTEN, Installation, RestoreRow
from models.ledger.gates import gate_changes
from models.ledger.gates.gate_changes import Closing
from models.ledger.rows import closed_gates, lane_rows
from models.ledger.rows.closed_gates import LANES_CLOSED
from models.ledger.rows.transaction import WORKER, reading, writing
from models.place import note_place, place_of

#: WeChat refuses the account, or is away: it is not asked each few seconds.
_RESTS: Final = or_(
    and_(Lane.not_before > database_now(), Lane.wait_reason != Reason.QUOTA_TODAY),
    exists().where(
        GateRow.account == Lane.account,
        OF_ACCOUNT,
        GateRow.path.is_(None),
        GateRow.kind == GateKind.STOP,
        STANDS,
    ),
)
_UNCOUNTED: Final = and_(
    Lane.not_before > database_now(), Lane.wait_reason == Reason.CALLS_UNCOUNTED
)
#: Something of it was to be sent, or is. A copy of one that is empty yet is nobody's.
_HAS_WORK: Final = or_(
    *(select(one).exists() for one in (Lane.account, CampaignRow.id, OutboxRow.id))
)


def facts_in(connection: Connection, accounts: Collection[str] | None = None) -> DatabaseFacts:
    """Return what the database says of itself and of the lanes of *accounts*; None: of all."""
    query = select(
        Installation.id,
        Installation.place,
        Installation.seen_at,
        Installation.notes,
        LANES_CLOSED,
        database_now(),
        FORGOTTEN,
        Installation.oldest_compatible,
        Installation.emptied_at,
    )
    lanes = select(Lane.account, Lane.claims, Lane.seen_at, _RESTS, _UNCOUNTED)
    lanes = among(lanes, Lane.account, accounts)
    found = connection.execute(query).one()
    id_, known_place, seen_at, notes, is_closed, moment, forgotten, oldest, emptied_at = found
    return DatabaseFacts(
        id=id_,
        known_place=known_place,
        seen_at=seen_at,
        notes=notes,
        is_closed=bool(is_closed),
        now=moment,
        place=place_of(connection),
        forgotten=json.loads(forgotten or "{}"),
        oldest_compatible=oldest,
        emptied_at=emptied_at,
        lanes={
            account: LaneFacts(
                claims=claims, seen_at=seen, rests=bool(rests), is_uncounted=bool(uncounted)
            )
            for account, claims, seen, rests, uncounted in connection.execute(lanes)
        },
    )


facts = reading(facts_in)


@reading
def owed(connection: Connection, account: str) -> Owed:
    """Return what the account still has to send.

    A broadcast since it was stored, unless its time is still to come; a request of the outbox; a
    run that is due since its campaign was stored: yesterday's backup has no run of today, and a
    person may edit a campaign in it.
    """
    stored = select(func.min(BroadcastRow.created_at)).where(
        BroadcastRow.account == account,
        BroadcastRow.phase.in_(OPEN_PHASES),
        ~waits_for_its_time(),
    )
    posted = select(func.min(OutboxRow.created_at)).where(
        or_(OutboxRow.account == account, OutboxRow.account.is_(None))
    )
    begun = exists().where(
        LaunchRow.campaign_id == CampaignRow.id,
        LaunchRow.state.in_([LaunchState.BEGUN, LaunchState.QUEUED]),
    )
    due = select(func.min(CampaignRow.created_at)).where(
        CampaignRow.account == account, or_(CampaignRow.next_due_at <= database_now(), begun)
    )
    each = (one.scalar_subquery() for one in (stored, posted, due))
    return Owed(since=day.first_of(*connection.execute(select(*each)).one()))


def waits_for_its_time() -> ColumnElement[bool]:
    """Return the condition that a broadcast's time is still to come."""
    return exists().where(
        GateRow.account == BroadcastRow.account,
        GateRow.broadcast_id == BroadcastRow.id,
        GateRow.kind == GateKind.SCHEDULE,
        STANDS,
        GateRow.until > database_now(),
    )


@reading
def called_today(
    connection: Connection, account: str, as_of: datetime | None = None
) -> Mapping[SendPath, int]:
    """Return how many calls of WeChat's day may have reached it, by interface.

    *as_of*: since that moment's day began, though another may have begun by now.
    """
    query = (
        select(AttemptRow.path, func.count())
        .filter_by(account=account)
        .where(AttemptRow.started_at >= day.start(as_of or now(connection)))
        .where(or_(AttemptRow.outcome.is_(None), AttemptRow.outcome != Outcome.NOT_CALLED))
        .group_by(AttemptRow.path)
    )
    return dict(connection.execute(query).all())


def is_as_in_backup(connection: Connection, batch_ids: Collection[int]) -> bool:
    """Return whether one of these batches stands as it stood in a backup that was restored.

    What was called of it since the backup was made is not known.
    """
    called_at = (
        select(func.max(AttemptRow.started_at)).filter_by(batch_id=Batch.id).scalar_subquery()
    )
    stands_since = func.coalesce(called_at, BroadcastRow.created_at)
    query = (
        select(Batch.id)
        .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
        .where(Batch.id.in_(batch_ids))
        .where(exists().where(RestoreRow.since.is_not(None), RestoreRow.at > stands_since))
    )
    return connection.scalar(query.limit(1)) is not None


#: Whether a person must answer first what became of the database.
are_lanes_closed = reading(closed_gates.are_lanes_closed)


@writing
def note_seen(
    connection: Connection, accounts: Collection[str] = (), *, is_emptied: bool = False
) -> int | None:
    """Note that a worker is at work on the database, and knows the lanes of *accounts*.

    *is_emptied*: Redis has no count of the notes. Returns the number of the note; None: the lanes
    are closed.
    """
    if closed_gates.are_lanes_closed(connection):
        return None
    if is_so(connection, _HAS_WORK):
        note_place(connection)
    moment = now(connection)
    change_where(connection, Installation, seen_at=moment, notes=Installation.notes + 1)
    change_where(connection, Lane, Lane.account.in_(accounts), seen_at=moment)
    if is_emptied:
        # The first note of all is in no Redis yet.
        change_where(connection, Installation, Installation.notes > 1, emptied_at=moment)
    return connection.scalar(select(Installation.notes))


@writing
def note_new_place(connection: Connection, known: str | None, place: str) -> None:
    """Note that the place of the database has another name, unless another worker did."""
    here = update(Installation).filter_by(place=known)
    connection.execute(here.values(place=place))


@writing
def close_lanes(connection: Connection, reason: Reason) -> list[str]:
    """Close every lane until a person answers; return the accounts whose lane was open."""
    closing = Closing(kind=GateKind.RESTORED, who=WORKER, reason=reason)
    return [
        account
        for account in lane_rows.lock_lanes(connection)
        if gate_changes.close(connection, account, closing)
    ]
