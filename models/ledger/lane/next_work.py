"""The next work of a lane, and what its call needs.

Nothing read here is binding: the claim reads again all that forbids the call.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
)

from broadcast.day import last_of
from broadcast.frozen import alike, frozen
from broadcast.rules.calls.outcomes import SAID_ACCEPTED, Outcome, SendPath
from broadcast.rules.gates.lateness import SignsOfLife
from broadcast.rules.plan import audience as audiences
from broadcast.rules.plan.audience import Audience
from broadcast.rules.reports import Ahead, Doubtful, Driven
from broadcast.rules.states import BatchState, Phase, Reason
from models.accounts import Lane
from models.batch_tables import DENIED, AttemptRow, Batch
from models.broadcast_tables import BroadcastRow
from models.engine import database_now, now
from models.ledger.lane.call_history import UNTOUCHED
from models.ledger.rows.closed_gates import NO_GATE, NO_GATE_FOR_REPEAT
from models.ledger.rows.transaction import every_row, first, one_row, read, reading, selected


class Kind(StrEnum):
    """Kind of a lane's next work."""

    CALL = "call"
    VERIFY = "verify"  #: ask mass/get about the msg_id of a 45065 that nothing explains
    WAIT = "wait"
    REST = "rest"


@frozen
class Work:
    """Next work of a lane, with the batch as it was read."""

    kind: Kind
    until: datetime | None = None
    #: The database's moment of the reading.
    now: datetime | None = None
    batch_id: int = 0
    broadcast_id: str = ""
    path: SendPath = SendPath.MASS_SEND
    n: int = 0
    state: BatchState = BatchState.PLANNED
    attempts: int = 0
    list: str | None = None
    start: int = 0
    size: int | None = None
    clientmsgid: str = ""
    #: Which renewal of the broadcast's content it says.
    renewal: int = 0
    not_before: datetime | None = None
    begins_anew: bool = False
    #: No call of it left.
    untouched: bool = True
    #: What probably comes after it: a guess, which binds nobody.
    following: Work | None = None


@frozen
class _Next:
    """A batch that may be called next."""

    id: int
    broadcast_id: str
    path: SendPath
    n: int
    state: BatchState
    attempts: int
    list: str | None
    start: int
    size: int | None
    clientmsgid: str
    renewal: int
    not_before: datetime | None
    begins_anew: bool
    untouched: bool
    reason: Reason | None


@reading
def next_work(connection: Connection, account: str) -> Work:
    """Return what the lane does next: a doubtful batch before all, then by priority and age."""
    lane = connection.execute(_LANE, {"account": account}).one()
    moment: datetime = lane.moment
    whose = {"account": account, "moment": moment}
    if lane.has_doubt and (doubt := first(connection, DOUBTFUL, _Next, whose)):
        # A lane that waits asks mass/get nothing either: it may be waiting for a token.
        verify = doubt.reason is Reason.UNPROVED_ACCEPTANCE
        kind = Kind.VERIFY if verify else Kind.CALL
        until = last_of(doubt.not_before, lane.not_before)
        return _work(kind, doubt, moment, until=until)
    found = every_row(connection, _PLANNED, _Next, whose)
    if not found:
        return _until_due(connection, account, moment)
    work = _work(Kind.CALL, found[0], moment, until=lane.not_before)
    if len(found) == 1:
        return work
    return replace(work, following=_work(Kind.CALL, found[1], moment, until=None))


def _work(kind: Kind, batch: _Next, moment: datetime, *, until: datetime | None) -> Work:
    due = until is None or until <= moment
    return alike(
        Work,
        batch,
        kind=kind if due else Kind.WAIT,
        until=until,
        now=moment,
        batch_id=batch.id,
        following=None,
    )


# Built once: building a statement costs as much as running it, and a lane runs these for each call.
_LANE = select(
    Lane.not_before,
    database_now().label("moment"),
    exists()
    .where(Batch.account == Lane.account, Batch.state == BatchState.UNKNOWN)
    .label("has_doubt"),
).filter_by(account=bindparam("account"))
_PATHS = list(SendPath)
#: This release knows whom it goes to and how; what it does not know is for a newer one to call.
IS_UNDERSTOOD = and_(
    BroadcastRow.path.in_(_PATHS), BroadcastRow.audience_kind.in_(sorted(audiences.KINDS))
)
#: In which an account's broadcasts are called.
ORDER = (BroadcastRow.priority.desc(), BroadcastRow.published_at, BroadcastRow.id)
#: What a newer release made of a call of it is for that release to repeat.
_ALL_RECOGNISED = ~exists().where(
    AttemptRow.batch_id == Batch.id, AttemptRow.outcome.not_in(list(Outcome))
)
_BATCHES = selected(_Next, Batch, untouched=UNTOUCHED)
#: A batch that may have been sent goes first, and no other starts before it is settled.
DOUBTFUL = (
    _BATCHES.join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
    .where(IS_UNDERSTOOD, Batch.path.in_(_PATHS))
    .where(Batch.account == bindparam("account"), BroadcastRow.phase == Phase.SENDING)
    .where(NO_GATE_FOR_REPEAT, Batch.state == BatchState.UNKNOWN, _ALL_RECOGNISED)
    .order_by(Batch.not_before, Batch.id)
    .limit(1)
)
_IS_PLANNED = and_(
    Batch.state == BatchState.PLANNED,
    Batch.path.in_(_PATHS),
    or_(Batch.not_before.is_(None), Batch.not_before <= bindparam("moment")),
)
#: The broadcast first and then its batches, so that no call looks at every batch that waits.
_FIRST = (
    select(BroadcastRow.id)
    .filter_by(account=bindparam("account"), phase=Phase.SENDING)
    .where(IS_UNDERSTOOD)
    .where(NO_GATE, exists().where(Batch.broadcast_id == BroadcastRow.id, _IS_PLANNED))
    .order_by(*ORDER)
    .limit(1)
    .scalar_subquery()
)
#: The next one, and a guess at what follows it.
_PLANNED = _BATCHES.where(Batch.broadcast_id == _FIRST, _IS_PLANNED).order_by(Batch.n).limit(2)


def _until_due(connection: Connection, account: str, moment: datetime) -> Work:
    soonest = connection.scalar(_SOONEST, {"account": account, "moment": moment})
    if soonest is None:
        return Work(kind=Kind.REST, now=moment)
    return Work(kind=Kind.WAIT, until=soonest, now=moment)


_SOONEST = (
    select(func.min(Batch.not_before))
    .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
    .where(Batch.account == bindparam("account"), BroadcastRow.phase == Phase.SENDING, NO_GATE)
    .where(IS_UNDERSTOOD, Batch.state == BatchState.PLANNED, Batch.path.in_(_PATHS))
)


def openids(engine: Engine, work: Work) -> bytes | None:
    """Return the packed OpenIDs of a batch; None where the list is WeChat's."""
    if work.list is None or work.size is None:
        return None
    from models.ledger.lists import recipients  # noqa: PLC0415 - not for a status

    with read(engine) as connection:
        return recipients.packed(
            connection, work.broadcast_id, work.list, start=work.start, size=work.size
        )


@frozen
class CallContent:
    """Content of a broadcast's calls, and their audience where the list is WeChat's."""

    #: Canonical JSON.
    content: str
    msgtype: str
    audience_kind: str
    audience_spec: str
    #: Number of the last batch.
    last_n: int | None

    @property
    def audience(self) -> Audience:
        """Audience, as it was asked for."""
        return audiences.parse(self.audience_kind, self.audience_spec)


@reading
def call_content(connection: Connection, broadcast_id: str) -> CallContent:
    """Return what the calls of a broadcast have in common."""
    last_n = select(func.max(Batch.n)).filter_by(broadcast_id=broadcast_id).scalar_subquery()
    query = selected(CallContent, BroadcastRow, last_n=last_n)
    return one_row(connection, query.where(BroadcastRow.id == broadcast_id), CallContent)


@reading
def reported_msg_id(connection: Connection, batch_id: int) -> int | None:
    """Return the msg_id of the job that WeChat says it has for a batch, if a reply named one.

    The one that the decision waits for: a msg_id that came with a refusal is nobody's job, and what
    mass/get knows of it settles nothing. One that a person denied comes last: it may have been
    denied while the question was being made ready.
    """
    return connection.scalar(
        select(AttemptRow.msg_id)
        .where(AttemptRow.batch_id == batch_id, AttemptRow.msg_id.is_not(None))
        .where(AttemptRow.outcome.in_(SAID_ACCEPTED))
        .order_by(DENIED, AttemptRow.number)
        .limit(1)
    )


#: Most broadcasts that are named as going first.
MOST_AHEAD = 10


@frozen
class QueuePosition:
    """Position of a broadcast in the queue of its lane."""

    id: str
    account: str
    phase: Phase
    priority: int
    published_at: datetime | None
    moved_at: datetime | None
    created_at: datetime


def driven_of(connection: Connection, place: QueuePosition, moment: datetime) -> Driven:
    """Return what is ahead of a broadcast at *moment*, and the signs of life on its lane."""
    return Driven(
        moved_at=place.moved_at or place.created_at,
        signs=signs_of_life(connection, place.account),
        ahead=_ahead(connection, place, moment) if place.phase is Phase.SENDING else Ahead(),
    )


def _ahead(connection: Connection, place: QueuePosition, moment: datetime) -> Ahead:

    whose = {"account": place.account, "moment": moment}
    doubt = connection.execute(DOUBTFUL, whose).first()
    others = connection.scalars(
        select(BroadcastRow.id)
        .where(BroadcastRow.account == place.account, BroadcastRow.id != place.id)
        .where(BroadcastRow.phase == Phase.SENDING, _goes_first(place, moment))
        .order_by(*ORDER)
        .limit(MOST_AHEAD),
        {"moment": moment},
    )
    return Ahead(
        doubt=None
        if doubt is None
        else Doubtful(
            broadcast_id=doubt.broadcast_id,
            n=doubt.n,
            reason=doubt.reason,
            until=doubt.not_before,
        ),
        broadcasts=tuple(others),
    )


def _goes_first(place: QueuePosition, moment: datetime) -> ColumnElement[bool]:
    """Return what is true of a broadcast that is being called, or is called before this one."""
    before = or_(
        BroadcastRow.priority > place.priority,
        and_(
            BroadcastRow.priority == place.priority,
            or_(
                BroadcastRow.published_at < place.published_at,
                and_(
                    BroadcastRow.published_at == place.published_at,
                    BroadcastRow.id < place.id,
                ),
            ),
        ),
    )
    due = or_(Batch.not_before.is_(None), Batch.not_before <= moment)
    return or_(
        exists().where(_OF_IT, Batch.state == BatchState.CALLING),
        and_(
            before,
            IS_UNDERSTOOD,
            NO_GATE,
            exists().where(_OF_IT, Batch.state == BatchState.PLANNED, due),
        ),
    )


_OF_IT = Batch.broadcast_id == BroadcastRow.id


@frozen
class _Signs:
    """Signs of life in the lane's own row."""

    leased_until: datetime | None
    not_before: datetime | None
    claimed_at: datetime | None
    recorded_at: datetime | None
    due_changed_at: datetime | None


def signs_of_life(connection: Connection, account: str) -> SignsOfLife:
    """Return what was recorded of an account's lane last."""
    signs = one_row(connection, selected(_Signs, Lane).filter_by(account=account), _Signs)
    doubt_until = connection.scalar(
        select(func.max(Batch.not_before))
        .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
        # One that a gate keeps from being repeated keeps nobody waiting.
        .where(Batch.account == account, Batch.state == BatchState.UNKNOWN, NO_GATE_FOR_REPEAT),
        {"moment": now(connection)},
    )
    return SignsOfLife(
        leased_until=signs.leased_until,
        waits_until=signs.not_before,
        doubt_until=doubt_until,
        called_at=last_of(signs.claimed_at, signs.recorded_at),
        due_changed_at=signs.due_changed_at,
    )
