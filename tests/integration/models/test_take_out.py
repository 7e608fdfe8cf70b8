"""People are taken out of what was not called yet; what was called once never changes."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from broadcast.rules.plan.selection import Removal
from broadcast.rules.reports import SETS, SKIPS
from broadcast.rules.states import BatchState, BroadcastState, Reason
from models.every_table import Batch, Reservation
from models.ledger.lane import claims, leases, next_work
from models.ledger.lane.next_work import Kind
from models.ledger.lists import recipients
from models.ledger.plan import plans, subtract
from models.ledger.plan import take_out as take_out_module
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from tests.integration.models.words import findings
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said
from tests.kit.openids import split

PEOPLE = ledger.openids(40)


def take_out(
    engine: Engine, broadcast_id: str, names: Sequence[str], reason: str = "suppressed"
) -> int:
    return take_out_module.shrink(engine, broadcast_id, ledger.packed(names), reason=reason)


def members(engine: Engine, broadcast_id: str, *sets: str) -> list[str]:
    return sorted(
        one
        for name in sets or SETS
        for portion in recipients.portions(engine, broadcast_id, name)
        for one in split(portion.openids)
    )


def people_of(engine: Engine, broadcast_id: str) -> dict[int, list[str]]:
    return {
        portion.n: list(split(portion.openids))
        for portion in recipients.portions(engine, broadcast_id, "waiting")
    }


def held(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(func.sum(Reservation.calls))) or 0)


def adds_up(engine: Engine, broadcast_id: str) -> None:
    told = broadcast_reports.report(engine, broadcast_id)
    planned = told.audience["planned"] or 0
    assert told.audience["read"] == planned + sum(told.audience[name] or 0 for name in SKIPS)
    assert planned == sum(told.recipients[name] or 0 for name in SETS)
    assert len(members(engine, broadcast_id)) == planned
    assert findings(engine) == set()


def test_people_move_from_planned_to_the_reason_and_their_batch_gets_a_new_key(
    engine: Engine,
) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    before = ledger.batches(engine, broadcast_id)

    assert take_out(engine, broadcast_id, [PEOPLE[3], PEOPLE[12], PEOPLE[13], "oZ" * 14]) == 3

    after = ledger.batches(engine, broadcast_id)
    assert [row.size for row in after] == [9, 8, 10, 10]
    assert [row.clientmsgid == old.clientmsgid for row, old in zip(after, before, strict=True)] == [
        False,
        False,
        True,
        True,
    ]
    assert [row.list for row in after] == ["batch:1", "batch:2", "asked", "asked"]
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.audience["suppressed"], told.audience["planned"]) == (3, 37)
    [skipped] = recipients.skipped(engine, broadcast_id)
    assert [text for _, text in skipped.lines] == [PEOPLE[3], PEOPLE[12], PEOPLE[13]]
    assert members(engine, broadcast_id) == sorted({*PEOPLE} - {PEOPLE[n] for n in (3, 12, 13)})
    adds_up(engine, broadcast_id)


def test_batch_with_an_attempt_never_changes(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    driver.call(LOST)
    before = ledger.batches(engine, broadcast_id)[:2]

    assert take_out(engine, broadcast_id, [PEOPLE[n] for n in (0, 12, 25)]) == 1

    assert ledger.batches(engine, broadcast_id)[:2] == before
    assert PEOPLE[0] in members(engine, broadcast_id, "accepted")
    adds_up(engine, broadcast_id)


def test_who_is_left_alone_joins_another_batch_and_a_call_is_freed(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    take_out(engine, broadcast_id, [PEOPLE[0]])
    assert held(engine) == 4

    take_out(engine, broadcast_id, PEOPLE[31:40], "excluded")

    assert [row.size for row in ledger.batches(engine, broadcast_id)] == [10, 10, 10]
    assert people_of(engine, broadcast_id)[1] == [*PEOPLE[1:10], PEOPLE[30]]
    assert held(engine) == 3
    adds_up(engine, broadcast_id)


def test_full_batch_gives_a_person_to_who_is_left_alone(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    take_out(engine, broadcast_id, PEOPLE[1:10])
    assert {row.n: row.size for row in ledger.batches(engine, broadcast_id)} == {
        1: 2,
        2: 9,
        3: 10,
        4: 10,
    }
    assert people_of(engine, broadcast_id)[1] == [PEOPLE[0], PEOPLE[19]]
    adds_up(engine, broadcast_id)


def test_who_is_left_alone_and_finds_no_batch_is_cancelled_as_too_few(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    driver = Driver(engine)
    for n in range(3):
        driver.call(said(0, msg_id=n + 1))

    take_out(engine, broadcast_id, PEOPLE[31:])

    batch = ledger.batch(engine, broadcast_id, 4)
    assert (batch.state, batch.reason, batch.size) == (BatchState.CANCELLED, Reason.TOO_FEW, 1)
    assert members(engine, broadcast_id, "cancelled") == [PEOPLE[30]]
    assert broadcast_reports.report(engine, broadcast_id).state is BroadcastState.PARTIAL
    assert held(engine) == 0
    adds_up(engine, broadcast_id)


def test_batch_of_which_nobody_is_left_is_no_call_any_more(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    driver = Driver(engine)
    for n in range(3):
        driver.call(said(0, msg_id=n + 1))

    take_out(engine, broadcast_id, PEOPLE[30:])

    assert [row.n for row in ledger.batches(engine, broadcast_id)] == [1, 2, 3]
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.state, told.batches["total"]) == (BroadcastState.COMPLETED, 3)
    adds_up(engine, broadcast_id)


def test_broadcast_of_which_nobody_is_left_ends_cancelled(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    take_out(engine, broadcast_id, PEOPLE)
    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.state, told.audience["suppressed"]) == (BroadcastState.FAILED, 40)
    assert held(engine) == 0
    assert Driver(engine).next().kind is Kind.REST
    adds_up(engine, broadcast_id)


def test_halves_that_were_not_called_shrink_and_the_whole_stays(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=2)
    Driver(engine).call(said(40003))
    take_out(engine, broadcast_id, [*PEOPLE[:3], *PEOPLE[10:20]])
    assert {row.n: (row.state.value, row.size) for row in ledger.batches(engine, broadcast_id)} == {
        1: ("split", 20),
        2: ("planned", 20),
        3: ("planned", 7),
        4: ("cancelled", 0),
    }
    adds_up(engine, broadcast_id)
    assert take_out(engine, broadcast_id, [PEOPLE[4]]) == 1
    adds_up(engine, broadcast_id)


def test_half_of_which_nobody_is_left_is_no_call_that_failed(engine: Engine) -> None:
    """All who are left are taken: that is complete, however the rest of them went."""
    broadcast_id = ledger.broadcast(engine, size=40, batches=2)
    driver = Driver(engine)
    driver.call(said(40003))
    take_out(engine, broadcast_id, PEOPLE[10:20])
    for n in range(2):
        driver.call(said(0, msg_id=n + 1))

    told = broadcast_reports.report(engine, broadcast_id)

    assert told.state is BroadcastState.COMPLETED
    assert (told.batches["total"], told.batches["accepted"], told.batches["cancelled"]) == (2, 2, 0)
    assert [(line.n, line.size) for line in told.batch_list] == [(1, 20), (2, 20), (3, 10)]
    adds_up(engine, broadcast_id)


def test_broadcast_of_whose_halves_nobody_is_left_ends_cancelled(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=20, batches=1)
    driver = Driver(engine)
    driver.call(said(40003))

    take_out(engine, broadcast_id, ledger.openids(20))

    told = broadcast_reports.report(engine, broadcast_id)
    assert (told.state, told.audience["suppressed"]) == (BroadcastState.FAILED, 20)
    assert driver.next().kind is Kind.REST
    adds_up(engine, broadcast_id)


def test_half_that_somebody_from_elsewhere_joins_is_as_it_should_be(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=2)
    Driver(engine).call(said(40003))

    take_out(engine, broadcast_id, PEOPLE[21:40])

    rows = ledger.batches(engine, broadcast_id)
    assert [(row.n, row.size) for row in rows] == [(1, 20), (3, 11), (4, 10)]
    assert PEOPLE[20] in people_of(engine, broadcast_id)[3]
    adds_up(engine, broadcast_id)


def test_half_that_leaves_one_to_another_batch_is_as_it_should_be(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=2)
    Driver(engine).call(said(40003))

    take_out(engine, broadcast_id, [*PEOPLE[1:10], PEOPLE[39]])
    adds_up(engine, broadcast_id)

    take_out(engine, broadcast_id, PEOPLE[10:19])
    adds_up(engine, broadcast_id)


def test_same_people_twice_are_taken_out_once(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    assert take_out(engine, broadcast_id, PEOPLE[:2]) == 2
    before = ledger.batches(engine, broadcast_id)
    assert take_out(engine, broadcast_id, PEOPLE[:2], "excluded") == 0
    assert ledger.batches(engine, broadcast_id) == before
    adds_up(engine, broadcast_id)


def test_what_is_not_planned_yet_is_left_to_its_plan_and_what_ended_to_itself(
    engine: Engine,
) -> None:
    unplanned = ledger.published(engine, ledger.body(size=40), size=40, batches=4)
    assert take_out(engine, unplanned, PEOPLE) == 0
    operator.cancel(engine, unplanned, who="tests")
    assert take_out(engine, unplanned, PEOPLE) == 0
    adds_up(engine, unplanned)


def test_plan_and_shrinking_leave_people_out_for_the_same_reason(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body(size=40), size=40, batches=4)
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    out = Removal(reason="capped", pieces=[ledger.packed(PEOPLE[:4])])
    assert subtract.subtract(engine, row, ledger.account(), removals=[out])
    ledger.planned(engine, broadcast_id)

    assert take_out(engine, broadcast_id, PEOPLE[2:7], "capped") == 3

    assert broadcast_reports.report(engine, broadcast_id).audience["capped"] == 7
    [skipped] = recipients.skipped(engine, broadcast_id)
    assert (skipped.count, [text for _, text in skipped.lines]) == (7, PEOPLE[:7])
    adds_up(engine, broadcast_id)


def test_call_that_was_made_ready_before_is_claimed_no_more(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    driver = Driver(engine)
    work = driver.next()
    take_out(engine, broadcast_id, [PEOPLE[0]])
    assert claims.claim(engine, driver.lease, work) is None
    anew = driver.next()
    assert next_work.openids(engine, anew) == ledger.packed(PEOPLE[1:10])
    assert claims.claim(engine, driver.lease, anew) is not None


def test_of_a_claim_and_a_shrinking_at_once_whoever_was_called_is_frozen(engine: Engine) -> None:
    driver = None
    for n in range(8):
        broadcast_id = ledger.broadcast(engine, size=40, batches=4, key=f"race {n}")
        driver = driver or Driver(engine)
        ready: Any = driver.next()
        assert ready.broadcast_id == broadcast_id
        openids = next_work.openids(engine, ready)
        together = threading.Barrier(2)

        def call(ready: Any = ready, together: Any = together, driver: Driver = driver) -> Any:
            together.wait()
            return claims.claim(engine, driver.lease, ready)

        def out(broadcast_id: str = broadcast_id, together: Any = together) -> int:
            together.wait()
            return take_out(engine, broadcast_id, [PEOPLE[0], PEOPLE[15]])

        with ThreadPoolExecutor(2) as threads:
            claim, gone = threads.submit(call), threads.submit(out)
            claimed, count = claim.result(), gone.result()
        first = ledger.batch(engine, broadcast_id)
        if claimed is None:
            assert (count, first.size, first.state) == (2, 9, BatchState.PLANNED)
        else:
            assert (count, first.size, first.state) == (1, 10, BatchState.CALLING)
            with engine.connect() as connection:
                there = recipients.packed(
                    connection, broadcast_id, first.list, start=first.start, size=first.size
                )
            assert there == openids
            driver.record(claimed, said(0, msg_id=1_000 + n))
        operator.cancel(engine, broadcast_id, who="tests")
        adds_up(engine, broadcast_id)


@pytest.mark.parametrize("seed", range(2))
def test_whatever_is_called_and_taken_out_the_sets_add_up(engine: Engine, seed: int) -> None:
    dice = random.Random(seed)
    broadcast_id = ledger.broadcast(engine, size=40, batches=8)
    for step in range(10):
        take_out(
            engine,
            broadcast_id,
            sorted(dice.sample(PEOPLE, k=dice.choice([1, 4, 9]))),
            dice.choice(["suppressed", "unsubscribed"]),
        )
        driver = Driver(engine)
        if dice.random() < 0.5 and driver.next().kind is Kind.CALL:
            driver.call(dice.choice([said(0, msg_id=step + 1), said(40003)]))
        leases.release(engine, driver.lease)
        adds_up(engine, broadcast_id)
    with engine.connect() as connection:
        alone = select(func.count()).where(Batch.size < 2, Batch.state == BatchState.PLANNED)
        assert connection.scalar(alone) == 0
