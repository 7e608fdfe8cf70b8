"""An app asks for broadcasts in its own transactions, beside real workers that send."""

from __future__ import annotations

import random
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, create_engine, func, select, update
from sqlalchemy.orm import Session

from broadcast.rules.states import Phase
from models.engine import now
from models.every_table import BroadcastRow, OutboxRow
from models.ledger.boxes import dead_letters, outbox
from models.ledger.rows.transaction import read
from producer import Producer
from tests.kit import foreign
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

SEED = 20261127
#: Calls of the lane beside the app's transaction: longer than any silence or wait for a lock that
#: we allow ourselves (10 s), as ten minutes are.
CALLS = 70
LATENCY_MS = 150


@pytest.fixture
def shop() -> Producer:
    """An app's; it has no setting of ours."""
    return Producer("shop")


def app_on(system: System, stack: ExitStack) -> Engine:
    waits = {"timeout": 30} if system.engine.dialect.name == "sqlite" else {}
    app = create_engine(system.engine.url, connect_args=waits)
    stack.callback(app.dispose)
    return app


def asked(people: list[str], **members: Any) -> Any:
    return foreign.request(people, **members)


def stored(system: System, phase: Phase | None = None) -> int:
    query = select(func.count()).select_from(BroadcastRow)
    with read(system.engine) as connection:
        return connection.scalar(query if phase is None else query.filter_by(phase=phase)) or 0


def left(system: System) -> int:
    with read(system.engine) as connection:
        return connection.scalar(select(func.count()).select_from(OutboxRow)) or 0


@pytest.mark.parametrize("database_url", ["postgresql", "mariadb"], indirect=True)
def test_a_transaction_that_stays_open_holds_up_no_lane_and_is_sent_once_it_is_committed(
    database_url: str, start_system: StartSystem, shop: Producer
) -> None:
    system = start_system(
        followers=2 * CALLS + 4,
        latency_ms=LATENCY_MS,
        BROADCAST_BATCH_SIZE="2",
        database_url=database_url,
    )
    worker, _ = system.worker(), system.beat()
    people = system.simulator.openids(2 * CALLS + 4)
    with ExitStack() as stack:
        app = app_on(system, stack)
        with Session(app) as session, Session(app) as given_up:
            shop.post(session, **asked(people[:2], key="late", text="late"))
            shop.post(given_up, **asked(people[2:4], key="never", text="never"))
            running = system.send(people[4:])["id"]
            with Session(app) as other, other.begin():
                shop.post(other, **asked(people[2:4], key="early", text="early"))

            system.until_state(running, "completed", timeout_s=240)
            assert {told.key for told in system.all_reports()} >= {"early"}
            assert "late" not in {told.key for told in system.all_reports()}
            session.commit()
            given_up.rollback()

        until(lambda: left(system) == 0, 60, "an empty outbox")
        until(lambda: stored(system, Phase.ENDED) == 3, 60, "all of them sent")
    told = {each.key for each in system.all_reports()}
    assert ({"early", "late"} <= told, "never" in told, len(told)) == (True, False, 3)
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)
    assert "Traceback" not in worker.output


def test_on_sqlite_the_lane_waits_for_the_transaction_and_goes_on(
    start_system: StartSystem, shop: Producer
) -> None:
    """It has one writer: whoever writes in an open transaction holds up everybody."""
    system = start_system(followers=44, latency_ms=LATENCY_MS, BROADCAST_BATCH_SIZE="2")
    worker, _ = system.worker(), system.beat()
    people = system.simulator.openids(44)
    with ExitStack() as stack:
        app = app_on(system, stack)
        running = system.send(people[4:])["id"]
        until(lambda: len(system.simulator.jobs()) >= 3, 60, "some calls")
        with Session(app) as session:
            shop.post(session, **asked(people[:2], key="late", text="late"))
            assert left(system) == 0, "who reads waits for nobody"
            session.commit()
        with Session(app) as session:
            shop.post(session, **asked(people[2:4], key="never", text="never"))
            session.rollback()
        system.until_state(running, "completed")
        until(lambda: stored(system, Phase.ENDED) == 2, 60, "both sent")
    assert system.simulator.ledger_dump() == dict.fromkeys([*people[:2], *people[4:]], 1)
    assert "Traceback" not in worker.output


@pytest.mark.parametrize(
    ("point", "followers"),
    [
        # Longer than a chunk: it is stored in portions.
        ("submit.begun", 10_002),
        ("submit.stored", 10_002),
        ("submit.publishing", 4),
        ("submit.published", 4),
        ("submit.woken", 4),
    ],
)
def test_a_worker_that_is_killed_while_it_submits_loses_and_doubles_nothing(
    start_system: StartSystem, shop: Producer, point: str, followers: int
) -> None:
    system = start_system(followers=followers)
    people = system.simulator.openids(followers)
    with ExitStack() as stack:
        app = app_on(system, stack)
        with Session(app) as session, session.begin():
            shop.post(session, **asked(people, key="order-1"))
    doomed, _ = system.worker(ready=False, BROADCAST_CRASH_AT=point), system.beat()
    until(lambda: doomed.exit_status is not None, 60, "the end of the worker")
    system.worker()
    assert left(system) == 1

    age_what_a_killed_worker_took(system)
    until(lambda: left(system) == 0, 60, "an empty outbox")
    until(lambda: stored(system, Phase.ENDED) == 1, 60, "it is sent")
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)
    # What it had begun to store is nothing to anybody, and removed after an hour.
    assert stored(system) - stored(system, Phase.UPLOADING) == 1


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("requests", "kills"),
    [pytest.param(60, 1), pytest.param(2_000, 10, marks=pytest.mark.prove)],
)
def test_killed_workers_lose_and_double_none_of_many(
    start_system: StartSystem, shop: Producer, requests: int, kills: int
) -> None:
    """A tenth is posted twice, a tenth rolled back, a tenth is bad."""
    dice, tenth = random.Random(SEED), requests // 10
    good = requests - 3 * tenth
    system = start_system(followers=2 * good, BROADCAST_CONCURRENCY="8")
    people = system.simulator.openids(2 * good)
    each = [
        asked(people[2 * n : 2 * n + 2], key=f"order-{n}", text=f"Order {n}") for n in range(good)
    ]
    unsynced = {"audience": {"followers": True}}
    bad = [{**dice.choice(each), "key": f"bad-{n}", **unsynced} for n in range(tenth)]
    posted = [*each, *dice.sample(each, tenth), *bad]
    dice.shuffle(posted)
    with ExitStack() as stack:
        app = app_on(system, stack)
        for n, one in enumerate(posted):
            with Session(app) as session, session.begin():
                shop.post(session, **one)
            if n < tenth:
                with Session(app) as session:
                    shop.post(session, **asked(people[:3], key=f"never-{n}"))
                    session.rollback()
    worker = system.worker()
    system.beat()
    for n in range(kills):
        at = good * (n + 1) // (kills + 2)
        until(lambda at=at: stored(system) >= at, 600, f"{at} broadcasts")  # type: ignore[misc]
        worker.kill()
        age_what_a_killed_worker_took(system)
        worker = system.again(worker)

    until(lambda: left(system) == 0, 600, "an empty outbox")
    until(lambda: stored(system, Phase.ENDED) == good, 600, "a broadcast for each good key, sent")
    assert dead_letters.count(system.engine) == tenth
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)
    assert "Traceback" not in worker.output


def age_what_a_killed_worker_took(system: System) -> None:
    """Let the time pass after which what a killed worker had taken is anybody's."""
    with system.engine.begin() as connection:
        long_ago = now(connection) - outbox.TAKEN_FOR - timedelta(seconds=1)
        connection.execute(
            update(OutboxRow).where(OutboxRow.taken_at.is_not(None)).values(taken_at=long_ago)
        )
