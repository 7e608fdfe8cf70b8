"""A broadcast's version grows with everything that changes of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from broadcast.rules.calls.operator_verdict import NotSent
from broadcast.rules.calls.waits import Waits
from models.every_table import BroadcastRow
from models.ledger.outcomes import recorded_ends, resolves
from models.ledger.steer import operator, retries
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

WHO = "a person"


def version(engine: Engine, broadcast_id: str) -> int:
    with engine.connect() as connection:
        return connection.execute(
            select(BroadcastRow.version).where(BroadcastRow.id == broadcast_id)
        ).scalar_one()


def _called(fact: object) -> Callable[[Engine, str], object]:
    return lambda engine, _: Driver(engine).call(fact)  # type: ignore[arg-type]


def _in_doubt(engine: Engine, _: str) -> None:
    Driver(engine).call(LOST)
    ledger.pass_time(engine, timedelta(seconds=10))
    Driver(engine).call(said(48001))
    operator.unhalt(engine, None, who=WHO)


def _heard(engine: Engine, _: str) -> None:
    ledger.pass_time(engine, timedelta(minutes=3))
    [asked] = recorded_ends.due_batches(engine, "default", 1)
    recorded_ends.record_status(engine, asked, "SEND_SUCCESS", waits=Waits())


def _nothing(_engine: Engine, _id: str) -> None:
    """Leave it as it was planned."""


def _by(verb: Callable[..., object], **facts: object) -> Callable[[Engine, str], object]:
    return lambda engine, broadcast_id: verb(engine, broadcast_id, who=WHO, **facts)


def _of_account(verb: Callable[..., object]) -> Callable[[Engine, str], object]:
    return lambda engine, _: verb(engine, None, who=WHO)


CHANGES = {
    "pause": (_nothing, _by(operator.pause)),
    "resume": (_by(operator.pause), _by(operator.resume)),
    "cancel": (_nothing, _by(operator.cancel)),
    "halt": (_nothing, _of_account(operator.halt)),
    "unhalt": (_of_account(operator.halt), _of_account(operator.unhalt)),
    "stop": (_nothing, _called(said(48001))),
    "call": (_nothing, _called(said(0, msg_id=1))),
    "retry": (_called(said(43004)), _by(retries.retry)),
    "resolve": (
        _in_doubt,
        lambda engine, it: resolves.resolve(engine, it, 1, verdict=NotSent(), who=WHO),
    ),
    "result": (_called(said(0, msg_id=1)), _heard),
}


@pytest.mark.parametrize("change", CHANGES)
def test_version_grows_with_each_change(engine: Engine, change: str) -> None:
    before, verb = CHANGES[change]
    broadcast_id = ledger.broadcast(engine, size=4, batches=2)
    before(engine, broadcast_id)
    stood = version(engine, broadcast_id)

    verb(engine, broadcast_id)

    assert version(engine, broadcast_id) > stood
