"""What a lane does next, and what it needs for the call.

Nothing read here is binding: the claim reads again all that forbids the call.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, Engine, and_, bindparam, exists, func, or_, select, true

from broadcast.call.outcomes import SAID_ACCEPTED, Outcome
from broadcast.call.path import SendPath
from broadcast.frozen import frozen
from broadcast.plan import audience as audiences
from broadcast.plan.audience import Audience
from broadcast.reasons import Reason
from broadcast.states import BatchState, Phase
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import database_now
from models.ledger.reading import recipients
from models.ledger.reading.closed_gates import NO_GATE
from models.ledger.reading.untouched import UNTOUCHED
from models.ledger.rows import columns, every, first
from models.ledger.transaction import read


class Kind(StrEnum):
    """What a lane does next."""

    CALL = "call"
    VERIFY = "verify"  #: ask mass/get about the msg_id of a 45065 that nothing explains
    WAIT = "wait"
    REST = "rest"


@frozen
class Work:
    """What a lane does next, with the batch as it stood when it was read."""

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


def next_work(engine: Engine, account: str) -> Work:
    """Return what the lane does next: a doubtful batch before all, then by priority and age."""
    with read(engine) as connection:
        lane = connection.execute(_LANE, {"account": account}).one()
        moment: datetime = lane.moment
        whose = {"account": account, "moment": moment}
        if lane.has_doubt and (doubt := first(connection, DOUBTFUL, _Next, whose)):
            # A lane that waits asks mass/get nothing either: it may be waiting for a token.
            verify = doubt.reason is Reason.UNPROVED_ACCEPTANCE
            kind = Kind.VERIFY if verify else Kind.CALL
            until = _later(doubt.not_before, lane.not_before)
            return _work(kind, doubt, moment, until=until)
        found = every(connection, _PLANNED, _Next, whose)
        if not found:
            return _until_due(connection, account, moment)
        work = _work(Kind.CALL, found[0], moment, until=lane.not_before)
        if len(found) == 1:
            return work
        return replace(work, following=_work(Kind.CALL, found[1], moment, until=None))


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((m for m in (one, other) if m is not None), default=None)


def _work(kind: Kind, batch: _Next, moment: datetime, *, until: datetime | None) -> Work:
    due = until is None or until <= moment
    return Work(
        kind=kind if due else Kind.WAIT, until=until, now=moment, batch_id=batch.id,
        broadcast_id=batch.broadcast_id, path=batch.path, n=batch.n, state=batch.state,
        attempts=batch.attempts, list=batch.list, start=batch.start, size=batch.size,
        clientmsgid=batch.clientmsgid, renewal=batch.renewal, not_before=batch.not_before,
        begins_anew=batch.begins_anew, untouched=batch.untouched,
    )  # fmt: skip


# Built once: building a statement costs as much as running it, and a lane runs these for each call.
_LANE = select(
    Lane.not_before,
    database_now().label("moment"),
    exists()
    .where(Batch.account == Lane.account, Batch.state == BatchState.UNKNOWN)
    .label("has_doubt"),
).where(Lane.account == bindparam("account"))
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
_COLUMNS = [*columns(_Next, Batch, "untouched"), UNTOUCHED.label("untouched")]
#: A batch that may have been sent goes first, and no other starts before it is settled.
DOUBTFUL = (
    select(*_COLUMNS)
    .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
    .where(IS_UNDERSTOOD, Batch.path.in_(_PATHS))
    .where(Batch.account == bindparam("account"), BroadcastRow.phase == Phase.SENDING, NO_GATE)
    .where(Batch.state == BatchState.UNKNOWN, _ALL_RECOGNISED)
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
    .where(BroadcastRow.account == bindparam("account"), BroadcastRow.phase == Phase.SENDING)
    .where(IS_UNDERSTOOD)
    .where(NO_GATE, exists().where(Batch.broadcast_id == BroadcastRow.id, _IS_PLANNED))
    .order_by(*ORDER)
    .limit(1)
    .scalar_subquery()
)
#: The next one, and a guess at what follows it.
_PLANNED = (
    select(*_COLUMNS).where(Batch.broadcast_id == _FIRST, _IS_PLANNED).order_by(Batch.n).limit(2)
)


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
    with read(engine) as connection:
        return recipients.packed(
            connection, work.broadcast_id, work.list, start=work.start, size=work.size
        )


@frozen
class Said:
    """What a broadcast says, and to whom where the list is WeChat's."""

    #: Canonical JSON.
    content: str
    msgtype: str
    audience_kind: str
    audience_spec: str

    @property
    def audience(self) -> Audience:
        """Whom it goes to, as it was asked for."""
        return audiences.parse(self.audience_kind, self.audience_spec)


def said(engine: Engine, broadcast_id: str) -> Said:
    """Return what the calls of a broadcast have in common."""
    with read(engine) as connection:
        row = connection.execute(
            select(*columns(Said, BroadcastRow)).where(BroadcastRow.id == broadcast_id)
        ).mappings().one()  # fmt: skip
        return Said(**row)


def said_msg_id(engine: Engine, batch_id: int) -> int | None:
    """Return the msg_id of the job that WeChat says it has for a batch, if a reply named one.

    The one that the decision waits for: a msg_id that came with a refusal is nobody's job, and what
    mass/get knows of it settles nothing. One that a person denied comes last: it may have been
    denied while the question was being made ready.
    """
    with read(engine) as connection:
        return connection.scalar(
            select(AttemptRow.msg_id)
            .where(AttemptRow.batch_id == batch_id, AttemptRow.msg_id.is_not(None))
            .where(AttemptRow.outcome.in_(SAID_ACCEPTED))
            .order_by(AttemptRow.denied.is_(true()), AttemptRow.number)
            .limit(1)
        )
