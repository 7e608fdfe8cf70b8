"""What each step of a broadcast takes does not grow with the account's other open broadcasts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from models.engine import open_engine
from models.every_table import Base
from models.ledger.lane import leases
from models.ledger.rows import transaction
from models.ledger.steer import operator, sweeps
from tests.kit import ledger
from tests.kit.effort import Effort, Effortmeter
from tests.kit.ledger import Driver, said

FEW, MANY = 10, 110
_JOBS = itertools.count(1)
#: The calls that others hold are added up, by an index alone: so many instructions for each.
TO_ADD = 10


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    yield made
    made.dispose()


def submitted(engine: Engine, *, later: bool = False) -> str:
    at = transaction.present(engine) + timedelta(days=1) if later else None
    return ledger.published(engine, ledger.body(size=2, at=at), size=2, batches=1)


def steps(engine: Engine, driver: Driver) -> dict[str, Callable[[], object]]:
    """What is done for each broadcast, in an order in which each finds something."""
    ids: list[str] = []
    return {
        "submit": lambda: ids.append(submitted(engine)),
        "submit for later": lambda: submitted(engine, later=True),
        "pause": lambda: operator.pause(engine, ids[0], who="tests"),
        "resume": lambda: operator.resume(engine, ids[0], who="tests", quota=None),
        "plan": lambda: ledger.planned(engine, ids[0]),
        "next work": driver.next,
        "call": lambda: driver.call(said(0, msg_id=next(_JOBS))),
    }


def efforts(engine: Engine, meter: Effortmeter) -> dict[str, Effort]:
    driver = Driver(engine)
    found = {name: meter.of(work) for name, work in steps(engine, driver).items()}
    leases.release(engine, driver.lease)
    return found


def test_no_step_looks_at_every_other_open_broadcast(engine: Engine) -> None:
    meter = Effortmeter(engine)
    Base.metadata.create_all(engine)
    for _ in range(FEW):
        ledger.planned(engine, submitted(engine))
    # The first call of a lane ends a gap.
    efforts(engine, meter)
    few = efforts(engine, meter)
    for n in range(MANY - FEW):
        one = submitted(engine, later=n % 4 == 0)
        if n % 4:
            ledger.planned(engine, one)

    many = efforts(engine, meter)

    assert {name: one.statements for name, one in many.items()} == {
        name: one.statements for name, one in few.items()
    }
    more = {name: many[name].instructions - few[name].instructions for name in few}
    assert max(more.values()) <= TO_ADD * (MANY - FEW), more
    # Not one instruction for each.
    assert more["next work"] < MANY - FEW, more
    assert more["call"] < MANY - FEW, more


def test_a_sweep_wakes_for_a_few_of_many_plans_and_for_the_others_next_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    Base.metadata.create_all(engine)
    monkeypatch.setattr(sweeps, "PLANS_AT_ONCE", 5)
    there = [submitted(engine) for _ in range(8)]

    first, second = sweeps.due(engine), sweeps.due(engine)

    assert first.plans == there[:5]
    assert second.plans == there[5:]
