"""Job lookup: which of WeChat's jobs is which batch's, by stored finish events and msg_ids.

An event is a batch's if that batch has its msg_id. Of a batch in doubt none counts: nobody knows
yet whether that job is its own.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, and_, func, select
from sqlalchemy.orm import InstrumentedAttribute

from broadcast.errors import InputError
from broadcast.frozen import alike, frozen
from broadcast.rules.calls.operator_verdict import is_misnamed
from broadcast.rules.calls.outcomes import SAID_ACCEPTED, Outcome
from broadcast.rules.finish_events import Article, Copyright, Counts, FinishEvent
from broadcast.rules.jobs import LONGEST, SKEW, Job, OurBatch, Period, fits, likeliest_first
from broadcast.rules.states import SENT, BatchState, Reason
from models.batch_tables import AttemptRow, Batch
from models.box_tables import IS_OF_BATCH, Finish
from models.engine import now
from models.ledger.lane import call_history
from models.ledger.rows.transaction import LockedBatch, every_row, first, read, reading, selected


@frozen
class StoredFinish:
    """An event as it is stored."""

    msg_id: int
    status: str
    total: int | None
    eligible: int | None
    sent: int | None
    errors: int | None
    articles: str
    copyright: str
    check_state: int | None
    created_at: datetime | None
    received_at: datetime

    @property
    def ended_at(self) -> datetime:
        """Moment at which the job ended, by WeChat; without its time, when the event came."""
        return self.created_at or self.received_at

    def event(self) -> FinishEvent:
        """Return it as it was pushed; without WeChat's time it has that of its arrival."""
        return FinishEvent(
            msg_id=self.msg_id,
            status=self.status,
            counts=Counts(
                total=self.total, eligible=self.eligible, sent=self.sent, errors=self.errors
            ),
            articles=tuple(Article(**one) for one in json.loads(self.articles)),
            copyright=tuple(Copyright(**one) for one in json.loads(self.copyright)),
            check_state=self.check_state,
            created_at=self.ended_at,
        )


@frozen
class _OfBatch(StoredFinish):
    """The event of a batch."""

    n: int


@reading
def of_job(connection: Connection, account: str, msg_id: int) -> FinishEvent | None:
    """Return the finish event of a job of an account, whoever began it."""
    row = row_of_job(connection, account, msg_id)
    return None if row is None else row.event()


def row_of_job(connection: Connection, account: str, msg_id: int) -> StoredFinish | None:
    """Return the same as it is stored."""
    query = selected(StoredFinish, Finish).filter_by(account=account, msg_id=msg_id)
    return first(connection, query, StoredFinish)


def of_batches(connection: Connection, broadcast_id: str) -> Mapping[int, FinishEvent]:
    """Return the finish event of each batch that has one, by the batch's number."""
    query = (
        selected(_OfBatch, Finish, n=Batch.n)
        .join(Batch, IS_OF_BATCH)
        .where(Batch.broadcast_id == broadcast_id)
        .order_by(Batch.n)
    )
    return {row.n: row.event() for row in every_row(connection, query, _OfBatch)}


#: Most events that are read of one account at once; the newest.
MOST = 5_000


def jobs_ended(connection: Connection, account: str, within: Period) -> Sequence[Job]:
    """Return the jobs of an account that ended then, oldest first."""
    at = func.coalesce(Finish.created_at, Finish.received_at)
    query = (
        selected(StoredFinish, Finish)
        .where(Finish.account == account, Finish.received_at >= within.since - SKEW)
        .where(at.between(within.since, within.until))
        .order_by(at.desc(), Finish.msg_id)
        .limit(MOST)
    )
    rows = every_row(connection, query, StoredFinish)[::-1]
    owners = _owners(connection, account, [row.msg_id for row in rows])
    free = [row.msg_id for row in rows if row.msg_id not in owners]
    called = _called(connection, account, within) if free else {}
    named = _named(connection, account, free)
    found = []
    for row in rows:
        owner = owners.get(row.msg_id)
        there = _that_fit(called, row.ended_at)
        known = {(batch.broadcast_id, batch.n) for batch in there}
        there += [b for b in named.get(row.msg_id, ()) if (b.broadcast_id, b.n) not in known]
        found.append(
            Job(
                event=row.event(),
                ended_at=row.ended_at,
                owner=owner,
                candidates=() if owner else there,
            )
        )
    return found


def _that_fit(called: Mapping[OurBatch, Sequence[datetime]], ended_at: datetime) -> list[OurBatch]:
    """Return the batches that a job can be which ended then, each with the call that began it."""
    there = []
    for batch, calls in called.items():
        began = [at for at in calls if fits([at], ended_at)]
        if began:
            there.append(replace(batch, called_at=min(began)))
    return there


def _batches(*more: Any) -> Select[Any]:
    return selected(OurBatch, Batch).add_columns(*more)


def _ours(row: Row[*tuple[Any, ...]]) -> OurBatch:
    return alike(OurBatch, row, called_at=None)


def _owners(
    connection: Connection, account: str, msg_ids: Collection[int]
) -> dict[int | None, OurBatch]:
    query = _batches(Batch.msg_id).where(Batch.account == account, Batch.msg_id.in_(msg_ids))
    return {row.msg_id: _ours(row) for row in connection.execute(query)}


def _called(
    connection: Connection, account: str, within: Period
) -> Mapping[OurBatch, Sequence[datetime]]:
    """Return the batches whose msg_id nobody knows, and when they were called that may have it."""
    query = (
        _batches(AttemptRow.started_at)
        .join(AttemptRow, AttemptRow.batch_id == Batch.id)
        .where(Batch.account == account, Batch.msg_id.is_(None), call_history.MAYBE)
        .where(AttemptRow.started_at.between(within.since - LONGEST, within.until + SKEW))
        .order_by(AttemptRow.id)
    )
    found: dict[OurBatch, list[datetime]] = defaultdict(list)
    for row in connection.execute(query):
        found[_ours(row)].append(row.started_at)
    return found


def _named(
    connection: Connection, account: str, msg_ids: Collection[int]
) -> Mapping[int, Sequence[OurBatch]]:
    """Return the batches to which replies of WeChat's named these msg_ids."""
    if not msg_ids:
        return {}
    named = and_(AttemptRow.outcome.in_(SAID_ACCEPTED), AttemptRow.msg_id.in_(msg_ids))
    query = (
        _batches(AttemptRow.msg_id.label("named"))
        .join(AttemptRow, AttemptRow.batch_id == Batch.id)
        .where(AttemptRow.account == account, named)
        .order_by(AttemptRow.id)
    )
    found: dict[int, list[OurBatch]] = defaultdict(list)
    for row in connection.execute(query):
        found[row.named].append(_ours(row))
    return found


def jobs_of_called_not_sent(
    engine: Engine, account: str, broadcast_id: str
) -> Mapping[int, list[Job]]:
    """Return, by number, the jobs that reached somebody and can be a batch called not sent.

    Such a job speaks against that verdict, and against calling the batch once more.
    """
    called = call_history.called_not_sent(engine, broadcast_id)
    return _that_reached_somebody(engine, account, broadcast_id, called=called)


def jobs_of_batch(engine: Engine, account: str, broadcast_id: str, *, n: int) -> Sequence[Job]:
    """Return the jobs that reached somebody and can be a batch that may have been sent."""
    called = call_history.called_at(engine, broadcast_id)
    mine = {n: called[n]} if n in called else {}
    return _that_reached_somebody(engine, account, broadcast_id, called=mine).get(n, ())


def _that_reached_somebody(
    engine: Engine, account: str, broadcast_id: str, *, called: Mapping[int, call_history.Span]
) -> Mapping[int, list[Job]]:
    there = _that_can_be(engine, account, broadcast_id, called=called)
    found = {n: [job for job in mine if job.may_have_reached] for n, mine in there.items()}
    return {n: mine for n, mine in found.items() if mine}


def jobs_of_called_sent(engine: Engine, account: str, broadcast_id: str) -> Mapping[int, list[Job]]:
    """Return, by number, the jobs that can be a batch of unknown msg_id that counts as accepted."""
    called = call_history.called_sent(engine, broadcast_id)
    return _that_can_be(engine, account, broadcast_id, called=called)


def _that_can_be(
    engine: Engine, account: str, broadcast_id: str, *, called: Mapping[int, call_history.Span]
) -> Mapping[int, list[Job]]:
    there = jobs_around(engine, account, list(called.values()))
    found = {n: likeliest_first(there, broadcast_id, n) for n in sorted(called)}
    return {n: mine for n, mine in found.items() if mine}


def jobs_around(
    engine: Engine, account: str, spans: Collection[call_history.Span]
) -> Sequence[Job]:
    """Return the jobs of an account that ended around these calls: what WeChat did at that hour."""
    if not spans:
        return ()
    since, until = min(span.first for span in spans), max(span.last for span in spans)
    with read(engine) as connection:
        return jobs_ended(connection, account, Period(since - SKEW, until + LONGEST))


@frozen
class Owner:
    """A batch that has a msg_id."""

    id: int
    broadcast_id: str
    n: int
    state: BatchState
    reason: Reason | None
    msg_id: int | None
    msg_status: str | None


def _mentions(msg_id: int) -> ColumnElement[bool]:
    return AttemptRow.outcome.in_(SAID_ACCEPTED) & (AttemptRow.msg_id == msg_id)


def _names(msg_id: int) -> ColumnElement[bool]:
    return _mentions(msg_id) & call_history.UNDENIED


def _by_verdict(connection: Connection, owner: Owner) -> bool:
    """Return whether an operator alone gave a batch its msg_id, and can take it back."""
    return is_misnamed(call_history.batch_history(connection, owner), now=now(connection))


def accepted_as(connection: Connection, batch_id: int) -> Sequence[int]:
    """Return the msg_ids of every reply 0 to a batch, whatever a person said of them since."""
    found = connection.scalars(
        select(AttemptRow.msg_id)
        .filter_by(batch_id=batch_id, outcome=Outcome.ACCEPTED)
        .distinct()
        .order_by(AttemptRow.msg_id)
    )
    return [int(msg_id or 0) for msg_id in found]


def check_never_accepted(connection: Connection, batch: LockedBatch) -> None:
    """Raise InputError if WeChat answered a call of the batch with 0: then it was sent."""
    msg_ids = accepted_as(connection, batch.id)
    facts = {"id": batch.broadcast_id, "n": batch.n, "msg_id": ", ".join(map(str, msg_ids))}
    for msg_id in msg_ids:
        owner = _owner(connection, batch, msg_id)
        if owner is not None and _by_verdict(connection, owner):
            raise InputError(
                "error.resolve.accepted_elsewhere",
                owner=owner.broadcast_id,
                owner_n=owner.n,
                **(facts | {"msg_id": msg_id}),
            )
    if msg_ids:
        raise InputError("error.resolve.accepted", **facts)


def check_of_no_other(connection: Connection, batch: LockedBatch, msg_id: int) -> None:
    """Raise InputError if another batch of the account has this msg_id, or an operator named it."""
    owner = _owner(connection, batch, msg_id)
    if owner is not None:
        by_word = _by_verdict(connection, owner)
        raise InputError(
            "error.resolve.owned_by_word" if by_word else "error.resolve.owned",
            msg_id=msg_id,
            owner=owner.broadcast_id,
            owner_n=owner.n,
        )
    others = _calls_of_others(batch, Batch.broadcast_id, Batch.n).where(_names(msg_id))
    named = connection.execute(others.limit(1)).first()
    if named is not None:
        raise InputError(
            "error.resolve.named", msg_id=msg_id, owner=named.broadcast_id, owner_n=named.n
        )


def check_not_mistyped(connection: Connection, batch: LockedBatch, msg_id: int) -> None:
    """Raise InputError if only an operator's verdict gave this msg_id to another batch."""
    owner = _owner(connection, batch, msg_id)
    if owner is not None and _by_verdict(connection, owner):
        check_of_no_other(connection, batch, msg_id)


def is_contested(connection: Connection, batch: LockedBatch, msg_id: int) -> bool:
    """Return whether WeChat named this msg_id for another batch as well, and no verdict decides.

    That is so too where the other one was sent, by an operator's verdict without a msg_id.
    """
    unnamed = Batch.state.in_(SENT) & Batch.msg_id.is_(None)
    others = _calls_of_others(batch, AttemptRow.id).where(_mentions(msg_id))
    contest = others.where(call_history.UNDENIED | unnamed).limit(1)
    return connection.scalar(contest) is not None


def doubts_naming(connection: Connection, batch: LockedBatch, msg_id: int) -> Sequence[int]:
    """Return the other batches of the account in doubt to which WeChat named this msg_id."""
    others = _calls_of_others(batch, AttemptRow.batch_id).where(_names(msg_id))
    doubts = others.where(Batch.state == BatchState.IN_DOUBT).distinct()
    return connection.scalars(doubts.order_by(AttemptRow.batch_id)).all()


def unsettled(connection: Connection, account: str, msg_id: int) -> Sequence[int]:
    """Return the batches to which WeChat named this msg_id and of which none is known to have it.

    More than one: nobody can say whose job it is.
    """
    mine = (Batch.account == account, Batch.msg_id == msg_id)
    if connection.scalar(select(Batch.id).where(*mine).limit(1)) is not None:
        return ()
    return connection.scalars(
        select(AttemptRow.batch_id)
        .where(AttemptRow.account == account, _names(msg_id))
        .distinct()
        .order_by(AttemptRow.batch_id)
    ).all()


def _calls_of_others(batch: LockedBatch, *columns: InstrumentedAttribute[Any]) -> Select[Any]:
    """Return the query for the calls of the other batches of the account."""
    return (
        select(*columns)
        .select_from(AttemptRow)
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .where(AttemptRow.account == batch.account, AttemptRow.batch_id != batch.id)
    )


def _owner(connection: Connection, batch: LockedBatch, msg_id: int) -> Owner | None:
    """Return another batch of the account that has this msg_id."""
    query = (
        selected(Owner, Batch)
        .filter_by(account=batch.account, msg_id=msg_id)
        .where(Batch.id != batch.id)
        .limit(1)
    )
    return first(connection, query, Owner)
