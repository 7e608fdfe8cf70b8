"""The restore guard's facts in the ledger: the database's place, and who was at work on it.

``broadcast.rules.gates.restore_guard`` judges them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select, update

from broadcast import day
from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import Outcome, SendPath
from broadcast.rules.campaigns.launches import LaunchState
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import Reason
from models.accounts import Lane
from models.batch_tables import AttemptRow, GateRow
from models.box_tables import OutboxRow
from models.broadcast_tables import BroadcastRow
from models.campaign_tables import CampaignRow, LaunchRow
from models.engine import database_now, now
from models.installation import Installation
from models.ledger.gates import gate_changes
from models.ledger.gates.gate_changes import Closing
from models.ledger.rows import closed_gates
from models.ledger.rows.closed_gates import LANES_CLOSED, OPEN_PHASES
from models.ledger.rows.transaction import WORKER, reading, writing
from models.place import note_place, place_of

#: How exactly ``seen_at`` is kept.
SEEN_EVERY: Final = timedelta(minutes=1)


@frozen
class DatabaseFacts:
    """Facts of the database, whatever the account."""

    id: str
    known_place: str | None
    #: When a worker was last at work on it.
    seen_at: datetime | None
    #: A person is to say what became of the database.
    is_closed: bool
    now: datetime
    place: str
    #: Claims of the lanes that were asked for, by account.
    claims: Mapping[str, int]

    @property
    def is_seen_now(self) -> bool:
        """True if nothing is to be noted."""
        return self.seen_at is not None and abs(self.now - self.seen_at) < SEEN_EVERY


#: A worker claims, records and drives: each leaves its time in the lane.
_AT_WORK: Final = (Lane.claimed_at, Lane.recorded_at)


@reading
def facts(connection: Connection, accounts: Collection[str] | None) -> DatabaseFacts:
    """Return what the database says of itself and of the lanes of *accounts*; None: of all."""
    query = select(
        Installation.id, Installation.place, LANES_CLOSED, database_now(), *_seen()
    )  # fmt: skip
    lanes = select(Lane.account, Lane.claims)
    if accounts is not None:
        lanes = lanes.where(Lane.account.in_(list(accounts)))
    id_, place, is_closed, moment, *seen = connection.execute(query).one()
    return DatabaseFacts(
        id=id_, known_place=place, is_closed=bool(is_closed), now=moment,
        seen_at=_latest(seen),
        place=place_of(connection),
        claims=dict(connection.execute(lanes).all()),
    )  # fmt: skip


def seen_at(connection: Connection) -> datetime | None:
    """Return when a worker was last at work on the database; None: never."""
    return _latest(connection.execute(select(*_seen())).one())


def _seen() -> list[ColumnElement[datetime | None]]:
    """Return the columns of all that a worker leaves of its time."""
    lanes = (select(func.max(at)).scalar_subquery() for at in _AT_WORK)
    return [select(Installation.seen_at).scalar_subquery(), *lanes]


def _latest(moments: Iterable[datetime | None]) -> datetime | None:
    return max((at for at in moments if at is not None), default=None)


@reading
def owed_since(connection: Connection, account: str) -> datetime | None:
    """Return since when the account owes the oldest of what it still has to send.

    A broadcast since it was stored, unless its time is still to come; a request of the outbox; a
    run of a campaign since it was due. None: it owes nothing.
    """
    stored = select(func.min(BroadcastRow.created_at)).where(
        BroadcastRow.account == account, BroadcastRow.phase.in_(OPEN_PHASES),
        ~waits_for_its_time(),
    )  # fmt: skip
    posted = select(func.min(OutboxRow.created_at)).where(
        or_(OutboxRow.account == account, OutboxRow.account.is_(None))
    )
    undecided = select(func.min(CampaignRow.next_due_at)).where(
        CampaignRow.account == account, CampaignRow.next_due_at <= database_now()
    )
    begun = select(func.min(LaunchRow.due_at)).where(
        LaunchRow.account == account,
        LaunchRow.state.in_([LaunchState.BEGUN, LaunchState.QUEUED]),
    )
    owed = (one.scalar_subquery() for one in (stored, posted, undecided, begun))
    found = connection.execute(select(*owed)).one()
    return min((at for at in found if at is not None), default=None)


def waits_for_its_time() -> ColumnElement[bool]:
    """Return the condition that a broadcast's time is still to come."""
    return exists().where(
        GateRow.account == BroadcastRow.account, GateRow.broadcast_id == BroadcastRow.id,
        GateRow.kind == GateKind.SCHEDULE, GateRow.opened_at.is_(None),
        GateRow.until > database_now(),
    )  # fmt: skip


@reading
def called_today(connection: Connection, account: str) -> Mapping[SendPath, int]:
    """Return how many calls of WeChat's day may have reached it, by interface."""
    query = (
        select(AttemptRow.path, func.count())
        .where(AttemptRow.account == account)
        .where(AttemptRow.started_at >= day.start(now(connection)))
        .where(or_(AttemptRow.outcome.is_(None), AttemptRow.outcome != Outcome.NOT_CALLED))
        .group_by(AttemptRow.path)
    )
    return dict(connection.execute(query).all())


#: Whether a person must answer first what became of the database.
are_lanes_closed = reading(closed_gates.are_lanes_closed)


#: Notes where the database lives, unless that is known.
begin = writing(note_place)


@writing
def note_seen(connection: Connection) -> None:
    """Note that a worker is at work on the database, which it knows to be the right one."""
    seen = update(Installation).where(~LANES_CLOSED)
    connection.execute(seen.values(seen_at=now(connection)))


@writing
def close_lanes(connection: Connection, reason: Reason) -> list[str]:
    """Close every lane until a person answers; return the accounts whose lane was open."""
    closing = Closing(kind=GateKind.RESTORED, who=WORKER, reason=reason)
    return [
        account
        for account in locked_lanes(connection)
        if gate_changes.close(connection, account, closing)
    ]


def locked_lanes(connection: Connection) -> Mapping[str, int]:
    """Lock every lane, all in one order; return their claims by account."""
    query = select(Lane.account, Lane.claims).order_by(Lane.account).with_for_update()
    return dict(connection.execute(query).all())
