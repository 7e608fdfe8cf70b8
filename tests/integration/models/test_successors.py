"""Who asked out while a refused batch waits is in another batch no more: one that replaces it."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import pytest
from sqlalchemy import Engine

from broadcast.call.operator_verdict import NotSent
from broadcast.call.rules import Rules
from broadcast.reasons import Reason
from broadcast.states import BatchState, BroadcastState
from models.ledger import claims, leases, resolves, retries, successors
from models.ledger.reading import reports
from models.ledger.reading.next_work import Kind
from presentation.report import lines
from presentation.texts import Texts
from tests.integration.models.stories import lost_then
from tests.integration.models.test_shrink import (
    PEOPLE,
    adds_up,
    held,
    members,
    people_of,
    take_out,
)
from tests.kit import ledger
from tests.kit.ledger import Driver, said


def replace(engine: Engine, driver: Driver, names: Sequence[str]) -> int | None:
    """Replace the batch that is next without these people."""
    return successors.replace(engine, driver.next(), {"suppressed": ledger.packed(names)})


def called_in_vain(engine: Engine, *, size: int = 40, batches: int = 4) -> tuple[str, Driver]:
    """Plan a broadcast of which the first batch was refused for a while, which is over."""
    broadcast_id = ledger.broadcast(engine, size=size, batches=batches)
    driver = Driver(engine)
    driver.call(said(45011))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bc_batches SET not_before = NULL")
        connection.exec_driver_sql("UPDATE bc_lanes SET not_before = NULL")
    return broadcast_id, driver


def test_successor_has_all_others_a_key_of_its_own_and_the_call_of_the_replaced_batch(
    engine: Engine,
) -> None:
    broadcast_id, driver = called_in_vain(engine)
    stale, before = driver.next(), held(engine)

    assert replace(engine, driver, PEOPLE[2:4]) == 2

    first, *_, new = ledger.batches(engine, broadcast_id)
    assert (first.state, first.reason, first.size) == (BatchState.SPLIT, Reason.REPLACED, 10)
    assert (new.n, new.state, new.size, new.attempts) == (5, BatchState.PLANNED, 8, 0)
    assert new.clientmsgid != first.clientmsgid
    assert people_of(engine, broadcast_id)[5] == [*PEOPLE[:2], *PEOPLE[4:10]]
    assert held(engine) == before
    told = reports.report(engine, broadcast_id)
    assert (told.audience["suppressed"], told.audience["planned"]) == (2, 38)
    assert (told.batches["total"], told.calls) == (4, 1)
    adds_up(engine, broadcast_id)
    # What was made ready for the replaced one is claimed no more, nor replaced a second time.
    assert claims.claim(engine, driver.held, stale) is None
    assert successors.replace(engine, stale, {"suppressed": ledger.packed(PEOPLE[:1])}) == 0


def test_status_names_the_batch_that_was_replaced_and_why(engine: Engine) -> None:
    broadcast_id, driver = called_in_vain(engine)
    replace(engine, driver, PEOPLE[:1])

    report = reports.report(engine, broadcast_id)

    told = [Texts("en")(line) for line in lines(report, [], {})]

    [line] = [line for line in told if "replaced" in line]
    assert "Batch 1: replaced by a new batch before its next call; followers in it" in line


def test_the_wait_of_the_replaced_batch_is_the_successors(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    driver = Driver(engine)
    work = driver.next()
    driver.call(said(45009))
    waits = ledger.batch(engine, broadcast_id)

    now = dataclasses.replace(work, attempts=waits.attempts)
    assert successors.replace(engine, now, {"suppressed": ledger.packed(PEOPLE[:1])}) == 1

    new = ledger.batch(engine, broadcast_id, 5)
    assert (new.not_before, new.reason, new.errcode) == (waits.not_before, waits.reason, 45009)
    adds_up(engine, broadcast_id)


def test_single_person_who_is_left_joins_another_batch(engine: Engine) -> None:
    broadcast_id, driver = called_in_vain(engine)
    take_out(engine, broadcast_id, PEOPLE[39:])

    assert replace(engine, driver, PEOPLE[1:10]) == 9

    assert PEOPLE[0] in people_of(engine, broadcast_id)[4]
    adds_up(engine, broadcast_id)


def test_broadcast_of_whose_refused_batch_nobody_is_left_ends(engine: Engine) -> None:
    broadcast_id, driver = called_in_vain(engine, size=20, batches=1)

    assert replace(engine, driver, ledger.openids(20)) == 20

    told = reports.report(engine, broadcast_id)
    assert (told.state, told.audience["suppressed"]) == (BroadcastState.FAILED, 20)
    assert held(engine) == 0
    assert driver.next().kind is Kind.REST
    adds_up(engine, broadcast_id)


def test_single_person_without_another_batch_is_cancelled_as_too_few(engine: Engine) -> None:
    broadcast_id, driver = called_in_vain(engine, size=20, batches=1)

    assert replace(engine, driver, ledger.openids(20)[1:]) == 19

    new = ledger.batch(engine, broadcast_id, 2)
    assert (new.state, new.reason, new.size) == (BatchState.CANCELLED, Reason.TOO_FEW, 1)
    assert members(engine, broadcast_id, "cancelled") == ledger.openids(20)[:1]
    adds_up(engine, broadcast_id)


def test_half_is_replaced_as_any_batch(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=2)
    driver = Driver(engine)
    take_out(engine, broadcast_id, PEOPLE[:4])
    driver.call(said(40003))
    driver.call(said(0, msg_id=1))
    driver.call(said(45011))
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bc_batches SET not_before = NULL")
        connection.exec_driver_sql("UPDATE bc_lanes SET not_before = NULL")

    assert replace(engine, driver, PEOPLE[5:6]) == 1
    adds_up(engine, broadcast_id)
    driver.call(said(0, msg_id=2))
    driver.call(said(0, msg_id=3))

    assert reports.report(engine, broadcast_id).state is BroadcastState.COMPLETED
    adds_up(engine, broadcast_id)


def test_batch_that_only_an_operator_calls_not_sent_is_never_replaced(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=1)
    driver = Driver(engine)
    lost_then(driver, said(40130))
    resolves.resolve(
        engine, broadcast_id, 1, verdict=NotSent(), who="tests", why=None, rules=Rules()
    )
    retries.retry(engine, broadcast_id, who="tests")

    assert replace(engine, driver, PEOPLE[:1]) is None

    assert len(ledger.batches(engine, broadcast_id)) == 1


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_refused_and_replaced_the_sets_add_up(engine: Engine, seed: int) -> None:
    dice = random.Random(seed)
    broadcast_id = ledger.broadcast(engine, size=40, batches=8)
    for step in range(10):
        driver = Driver(engine)
        if driver.next().kind is Kind.CALL:
            driver.call(dice.choice([said(0, msg_id=step + 1), said(40003), said(45011)]))
        with engine.begin() as connection:
            connection.exec_driver_sql("UPDATE bc_batches SET not_before = NULL")
            connection.exec_driver_sql("UPDATE bc_lanes SET not_before = NULL")
        work = driver.next()
        if work.kind is Kind.CALL and work.attempts:
            there = people_of(engine, broadcast_id)[work.n]
            out = sorted(dice.sample(there, k=dice.randint(1, len(there))))
            assert replace(engine, driver, out) == len(out)
        leases.release(engine, driver.held)
        adds_up(engine, broadcast_id)
