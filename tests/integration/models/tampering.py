"""Changes of a ledger behind its back, and what an audit then finds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select, update

from broadcast import openid
from broadcast.rules.calls.waits import Waits
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.plan.cut import ASKED
from broadcast.views.texts import Texts
from models.batch_tables import GateRow
from models.engine import now
from models.every_table import AttemptRow, Batch, BroadcastRow, Event, Lane
from models.ledger.audit import audit_run, case
from models.ledger.audit.case import Found
from models.ledger.lane import leases
from models.ledger.lists import recipients
from models.recipients import ChunkRow
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

WAITS = Waits()
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
WHO = "a person"
TEXTS = Texts("en")
#: What an audit makes of rows is the same everywhere; how it reads them has a test of its own.
ON_SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


def four_batches(engine: Engine) -> str:
    """Make one: accepted (1), lost and repeated (2), split into 5 and 6 (3), not called (4)."""
    made = ledger.broadcast(engine, size=40, batches=4)
    driver = Driver(engine)
    for fact in (said(0, msg_id=1), LOST, said(45065, msg_id=2), said(40003)):
        driver.call(fact)
        later(engine)
    leases.release(engine, driver.lease)
    assert found(engine) == set()
    return made


def later(engine: Engine) -> None:
    """Let a repeat fall due; the lease holds, however slow this machine is."""
    ledger.pass_time(engine, timedelta(seconds=3))
    with engine.begin() as connection:
        connection.execute(update(Lane).values(leased_until=now(connection) + timedelta(hours=1)))


def found(engine: Engine) -> set[Found]:
    """Return what an audit of everything finds; each has its words."""
    findings = audit_run.audit_all(engine, waits=WAITS).findings
    for finding in findings:
        assert TEXTS(f"audit.found.{finding.found}", **finding.facts)
    return {finding.found for finding in findings}


def finding(engine: Engine, what: Found) -> case.Finding:
    """Return the one finding of a kind."""
    findings = audit_run.audit_all(engine, waits=WAITS).findings
    (one,) = [one for one in findings if one.found is what]
    return one


def change(engine: Engine, table: Any, where: Any, **values: Any) -> None:
    """Change one row behind the ledger's back."""
    with engine.begin() as connection:
        changed = connection.execute(update(table).where(where).values(**values))
    assert changed.rowcount == 1


def remove(engine: Engine, table: Any, where: Any) -> None:
    """Remove one row behind the ledger's back."""
    with engine.begin() as connection:
        removed = connection.execute(delete(table).where(where))
    assert removed.rowcount == 1


def add(engine: Engine, table: Any, like: Any, **values: Any) -> None:
    """Add a row like another one."""
    row = dict(like._mapping) | values
    del row["id"]
    with engine.begin() as connection:
        connection.execute(insert(table).values(**row))


def change_batch(engine: Engine, broadcast_id: str, n: int, **values: Any) -> None:
    """Change a batch."""
    change(engine, Batch, Batch.id == ledger.batch(engine, broadcast_id, n).id, **values)


def change_broadcast(engine: Engine, broadcast_id: str, **values: Any) -> None:
    """Change a broadcast."""
    change(engine, BroadcastRow, BroadcastRow.id == broadcast_id, **values)


def attempt(engine: Engine, broadcast_id: str, n: int, number: int = 1) -> Any:
    """Return one attempt of a batch."""
    with engine.connect() as connection:
        return connection.execute(
            select(AttemptRow.__table__)
            .where(AttemptRow.batch_id == ledger.batch(engine, broadcast_id, n).id)
            .where(AttemptRow.number == number)
        ).one()


def change_attempt(engine: Engine, row: Any, **values: Any) -> None:
    """Change an attempt."""
    change(engine, AttemptRow, AttemptRow.id == row.id, **values)


def gate(engine: Engine, kind: GateKind | None = None) -> Any:
    """Return the last gate that was closed, of all or of a kind."""
    with engine.connect() as connection:
        query = select(GateRow.__table__)
        if kind is not None:
            query = query.where(GateRow.kind == kind)
        return connection.execute(query.order_by(GateRow.id.desc())).first()


def packed(engine: Engine, broadcast_id: str, n: int) -> bytes:
    """Return the OpenIDs of a batch."""
    row = ledger.batch(engine, broadcast_id, n)
    with engine.connect() as connection:
        return recipients.packed(connection, broadcast_id, row.list, start=row.start, size=row.size)


def chunks(engine: Engine, broadcast_id: str) -> list[Any]:
    """Return the chunks of the list as it was given."""
    with engine.connect() as connection:
        query = select(ChunkRow.__table__).where(
            ChunkRow.broadcast_id == broadcast_id, ChunkRow.list == ASKED
        )
        return list(connection.execute(query.order_by(ChunkRow.start)).all())


def overwrite(engine: Engine, broadcast_id: str, at: int, openids: bytes) -> None:
    """Put other OpenIDs into the list as it was given, from the place *at* on."""
    width = openid.PACKED_LENGTH
    stored = chunks(engine, broadcast_id)
    whole = bytearray(b"".join(chunk.openids for chunk in stored))
    whole[at * width : at * width + len(openids)] = openids
    for chunk in stored:
        piece = bytes(whole[chunk.start * width : (chunk.start + chunk.size) * width])
        if piece != chunk.openids:
            change(
                engine,
                ChunkRow,
                ChunkRow.id == chunk.id,
                openids=piece,
                first_openid=openid.unpack(piece[:width]).decode(),
                last_openid=openid.unpack(piece[-width:]).decode(),
            )


def moment(engine: Engine) -> datetime:
    """Return the database's moment."""
    with engine.connect() as connection:
        return now(connection)


def history_of(engine: Engine, broadcast_id: str, n: int) -> list[Any]:
    """Return the events of a batch."""
    with engine.connect() as connection:
        batch_id = ledger.batch(engine, broadcast_id, n).id
        query = select(Event.__table__).where(Event.batch_id == batch_id).order_by(Event.id)
        return list(connection.execute(query).all())
