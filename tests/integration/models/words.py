"""A person's word on a batch in doubt, for the tests of resolve and of what a retry makes of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from broadcast.errors import InputError
from broadcast.names import EventKind
from broadcast.rules.calls.operator_verdict import NotSent, OperatorVerdict, Sent
from broadcast.rules.calls.waits import Waits
from models.every_table import Event
from models.ledger.audit import audit_run
from models.ledger.audit.case import Found
from models.ledger.outcomes import resolves
from models.ledger.outcomes.resolves import Resolved
from models.ledger.steer import operator
from tests.integration.models.stories import lost_then, snapshot
from tests.kit.ledger import Driver, said

WHO = "cli:王小明@desk"
DAY = timedelta(hours=24)


#: A verdict, or in short: sent as this msg_id, or (None) not sent.
Said = OperatorVerdict | int | None


def verdict_of(said_: Said) -> OperatorVerdict:
    if said_ is None:
        return NotSent()
    return Sent(said_) if isinstance(said_, int) else said_


def resolve(engine: Engine, broadcast_id: str, said_: Said, n: int = 1) -> Resolved:
    return resolves.resolve(
        engine, broadcast_id, n, verdict=verdict_of(said_), who=WHO, why="looked in the console"
    )


def doubt(driver: Driver) -> None:
    """End the first batch in doubt: its reply was lost, and then WeChat refuses the account."""
    lost_then(driver, said(48001))
    operator.unhalt(driver.engine, None, who=WHO)


def refused(engine: Engine, broadcast_id: str, said_: Said, n: int = 1) -> InputError:
    """Return why a word is refused, which then changes nothing."""
    before = snapshot(engine)
    with pytest.raises(InputError) as caught:
        resolve(engine, broadcast_id, said_, n)
    assert snapshot(engine) == before
    return caught.value


def events(engine: Engine, kind: EventKind) -> list[Any]:
    with engine.connect() as connection:
        table = Event.__table__
        found = select(table).where(Event.kind == kind).order_by(table.c.id)
        return list(connection.execute(found).all())


def findings(engine: Engine) -> set[Found]:
    return {one.found for one in audit_run.audit_all(engine, waits=Waits()).findings}
