"""Jobs that WeChat reported the end of, with the batches that have them or can be them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Select, and_, func, select

from broadcast.call.outcomes import SAID_ACCEPTED
from broadcast.jobs import LONGEST, SKEW, Job, OurBatch, Stretch, fits, likeliest_first
from models.attempt import AttemptRow
from models.batch import Batch
from models.finish import Finish
from models.ledger.reading import possibly_sent
from models.ledger.reading.finishes import Row
from models.ledger.rows import columns, every
from models.ledger.transaction import read

#: Most events that are read of one account at once; the newest.
MOST = 5_000
#: Of a batch as one job may have begun it, and no column.
_CALLED_AT = "called_at"


def ended(connection: Connection, account: str, within: Stretch) -> Sequence[Job]:
    """Return the jobs of an account that ended then, oldest first."""
    at = func.coalesce(Finish.created_at, Finish.received_at)
    query = (
        select(*columns(Row, Finish))
        .where(Finish.account == account, Finish.received_at >= within.since - SKEW)
        .where(at.between(within.since, within.until))
        .order_by(at.desc(), Finish.msg_id)
        .limit(MOST)
    )
    rows = every(connection, query, Row)[::-1]
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
                event=row.event(), ended_at=row.ended_at, owner=owner,
                candidates=() if owner else there,
            )
        )  # fmt: skip
    return found


def _that_fit(called: Mapping[OurBatch, Sequence[datetime]], ended_at: datetime) -> list[OurBatch]:
    """Return the batches that a job can be which ended then, each with the call that began it."""
    there = []
    for batch, calls in called.items():
        began = [at for at in calls if fits([at], ended_at)]
        if began:
            there.append(replace(batch, called_at=min(began)))
    return there


def _batches(*more: Any) -> Select[Any]:  # noqa: ANN401
    return select(*columns(OurBatch, Batch, _CALLED_AT), *more)


def _ours(row: RowMapping) -> OurBatch:
    names = [one.name for one in fields(OurBatch) if one.name != _CALLED_AT]
    return OurBatch(**{name: row[name] for name in names})


def _owners(
    connection: Connection, account: str, msg_ids: Collection[int]
) -> dict[int | None, OurBatch]:
    query = _batches(Batch.msg_id).where(Batch.account == account, Batch.msg_id.in_(msg_ids))
    return {row["msg_id"]: _ours(row) for row in connection.execute(query).mappings()}


def _called(
    connection: Connection, account: str, within: Stretch
) -> Mapping[OurBatch, Sequence[datetime]]:
    """Return the batches whose msg_id nobody knows, and when they were called that may have it."""
    query = (
        _batches(AttemptRow.started_at)
        .join(AttemptRow, AttemptRow.batch_id == Batch.id)
        .where(Batch.account == account, Batch.msg_id.is_(None), possibly_sent.MAYBE)
        .where(AttemptRow.started_at.between(within.since - LONGEST, within.until + SKEW))
        .order_by(AttemptRow.id)
    )
    found: dict[OurBatch, list[datetime]] = defaultdict(list)
    for row in connection.execute(query).mappings():
        found[_ours(row)].append(row["started_at"])
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
    for row in connection.execute(query).mappings():
        found[row["named"]].append(_ours(row))
    return found


def of_called_not_sent(engine: Engine, account: str, broadcast_id: str) -> Mapping[int, list[Job]]:
    """Return, by number, the jobs that reached somebody and can be a batch called not sent.

    Such a job speaks against that verdict, and against calling the batch once more.
    """
    called = possibly_sent.called_not_sent(engine, broadcast_id)
    return _that_reached_somebody(engine, account, broadcast_id, called=called)


def of_batch(engine: Engine, account: str, broadcast_id: str, *, n: int) -> Sequence[Job]:
    """Return the jobs that reached somebody and can be a batch that may have been sent."""
    called = possibly_sent.called_at(engine, broadcast_id)
    mine = {n: called[n]} if n in called else {}
    return _that_reached_somebody(engine, account, broadcast_id, called=mine).get(n, ())


def _that_reached_somebody(
    engine: Engine, account: str, broadcast_id: str, *, called: Mapping[int, possibly_sent.Span]
) -> Mapping[int, list[Job]]:
    there = _that_can_be(engine, account, broadcast_id, called=called)
    found = {n: [job for job in mine if job.may_have_reached] for n, mine in there.items()}
    return {n: mine for n, mine in found.items() if mine}


def of_called_sent(engine: Engine, account: str, broadcast_id: str) -> Mapping[int, list[Job]]:
    """Return, by number, the jobs that can be a batch of unknown msg_id that counts as accepted."""
    called = possibly_sent.called_sent(engine, broadcast_id)
    return _that_can_be(engine, account, broadcast_id, called=called)


def _that_can_be(
    engine: Engine, account: str, broadcast_id: str, *, called: Mapping[int, possibly_sent.Span]
) -> Mapping[int, list[Job]]:
    there = around(engine, account, list(called.values()))
    found = {n: likeliest_first(there, broadcast_id, n) for n in sorted(called)}
    return {n: mine for n, mine in found.items() if mine}


def around(engine: Engine, account: str, spans: Collection[possibly_sent.Span]) -> Sequence[Job]:
    """Return the jobs of an account that ended around these calls: what WeChat did at that hour."""
    if not spans:
        return ()
    since, until = min(span.first for span in spans), max(span.last for span in spans)
    with read(engine) as connection:
        return ended(connection, account, Stretch(since - SKEW, until + LONGEST))
