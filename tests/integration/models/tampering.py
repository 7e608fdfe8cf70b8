"""Changes of a ledger behind its back, and what an audit then finds."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, delete, select, update

from broadcast.call.waits import Waits
from broadcast.events import EventKind
from broadcast.states import BroadcastState
from models import AttemptRow, Batch, BroadcastRow, Event, Lane, Pack
from models.engine import now
from models.ledger import audit, lanes
from models.ledger.audit import Found
from presentation.texts import Texts
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

WAITS = Waits()
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
WHO = "a person"
TEXTS = Texts("en")


def four_batches(engine: Engine) -> str:
    """Make one: accepted (1), lost and repeated (2), split into 5 and 6 (3), not called (4)."""
    made = ledger.broadcast(engine, size=40, batches=4)
    driver = Driver(engine)
    for fact in (said(0, msg_id=1), LOST, said(45065, msg_id=2), said(40003)):
        driver.call(fact)
        later(engine)
    lanes.release(engine, driver.held)
    assert found(engine) == set()
    return made


def later(engine: Engine) -> None:
    """Let a repeat fall due; the lease holds, however slow this machine is."""
    ledger.pass_time(engine, timedelta(seconds=3))
    with engine.begin() as connection:
        connection.execute(update(Lane).values(leased_until=now(connection) + timedelta(hours=1)))


def found(engine: Engine) -> set[Found]:
    """Return what an audit of everything finds; each has its words."""
    findings = audit.audit_all(engine, waits=WAITS).findings
    for finding in findings:
        assert TEXTS(f"audit.found.{finding.found}", **finding.facts)
    return {finding.found for finding in findings}


def told(engine: Engine, what: Found) -> audit.Finding:
    """Return the one finding of a kind."""
    findings = audit.audit_all(engine, waits=WAITS).findings
    (one,) = [finding for finding in findings if finding.found is what]
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


def packed(engine: Engine, broadcast_id: str, n: int) -> bytes:
    """Return the OpenIDs of a batch."""
    with engine.connect() as connection:
        query = select(Pack.openids).where(Pack.broadcast_id == broadcast_id, Pack.n == n)
        return connection.execute(query).scalar_one()


def repack(engine: Engine, broadcast_id: str, n: int, openids: bytes) -> None:
    """Put other OpenIDs into a batch."""
    where = (Pack.broadcast_id == broadcast_id) & (Pack.n == n)
    change(engine, Pack, where, openids=openids)


def moved_at(engine: Engine, broadcast_id: str, new: BroadcastState) -> datetime:
    """Return when a broadcast moved to a state."""
    with engine.connect() as connection:
        rows = connection.execute(
            select(Event.at, Event.detail)
            .where(Event.broadcast_id == broadcast_id, Event.kind == EventKind.BROADCAST_MOVE)
            .order_by(Event.id)
        )
        return next(row.at for row in rows if f'"new": "{new}"' in row.detail)


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
