"""What waited in the queue, or in the outbox, for longer than it may: held, and sent by a word."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection, create_engine, func, select

from models.engine import now
from models.every_table import BroadcastRow, OutboxRow, QueueRow
from models.ledger.boxes import outbox
from models.ledger.rows.transaction import read
from producer import Producer
from tests.acceptance.conftest import sets_of
from tests.kit import foreign, ledger
from tests.kit.wait import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System
    from tests.servers.valkey import Valkey

WAITED = timedelta(minutes=5)
#: How long each message may wait; None: it does not say.
LATE_BY = {"in time": "10m", "late": "2m", "unsaid": None}


def requests(people: list[str], **more: Any) -> list[dict[str, Any]]:
    """A request to two people each, with the key of what it may wait."""
    asked = []
    for n, (key, late_by) in enumerate(LATE_BY.items()):
        said = {} if late_by is None else {"late_by": late_by}
        asked.append(foreign.request(people[2 * n : 2 * n + 2], key=key, text=key, **said, **more))
    return asked


def states(system: System) -> dict[str, str]:
    """The states of all broadcasts by their keys."""
    return {str(one.key): str(one.state) for one in system.all_reports()}


def ends(system: System, **by_key: str) -> None:
    """Wait until the broadcasts are in these states."""
    wanted = {key.replace("_", " "): state for key, state in by_key.items()}
    until(lambda: states(system) == wanted, 60, f"{wanted}")


def resume(system: System, key: str) -> None:
    """Let what is held be sent: nobody gets it twice."""
    (held,) = [one.id for one in system.all_reports() if one.key == key]
    assert system.simulator.ledger()["deliveries"] == 4
    system.broadcast("resume", held)
    assert sets_of(system.until_state(held, "completed")) == {"accepted": 2}
    assert system.simulator.ledger()["delivered_max"] == 1


@contextmanager
def write_as_app(system: System) -> Iterator[Connection]:
    """A transaction of another program on the same database."""
    app = create_engine(system.engine.url)
    try:
        with app.begin() as connection:
            yield connection
    finally:
        app.dispose()


def was_found_empty(system: System) -> bool:
    with read(system.engine) as connection:
        return bool(connection.scalar(select(func.count()).select_from(QueueRow)))


def knows_again(system: System) -> None:
    """Wait until a worker has looked at the empty queue for as many ticks as count."""
    with read(system.engine) as connection:
        then = now(connection) + 3 * outbox.QUEUE_FOUND_EMPTY_EVERY

    def looked() -> bool:
        with read(system.engine) as connection:
            found = connection.scalar(select(QueueRow.empty_at))
        return found is not None and found > then

    until(looked, 60, "three looks at the empty queue")


@pytest.mark.parametrize(
    "broker_url", ["valkey", pytest.param("rabbitmq", marks=pytest.mark.prove)], indirect=True
)
def test_what_waited_in_the_queue_for_longer_than_it_may_is_held(
    start_system: StartSystem, valkey: Valkey, broker_url: str
) -> None:
    system = start_system(followers=8, CELERY_BROKER_URL=broker_url)
    people = system.simulator.openids(8)
    worker = system.worker()
    until(lambda: was_found_empty(system), 20, "a look at the queue")
    worker.stop()
    with foreign.app_of(broker_url, valkey.url) as app:
        for one in requests(people):
            foreign.enqueue(app, **one)
        ledger.pass_time(system.engine, WAITED)

        system.worker()
        ends(system, in_time="completed", late="held", unsaid="completed")
        knows_again(system)
        fresh = foreign.enqueue(app, **foreign.request(people[6:], key="fresh", late_by="1m"))
        made = fresh.get(timeout=60)["id"]

    system.until_state(made, "completed")
    (late,) = [one.id for one in system.all_reports() if one.key == "late"]
    told = system.broadcast("status", late, "--json").stderr
    assert "it may have waited for more than 2 min (--late-by) until a worker took it" in told
    assert f"broadcast resume {late}" in told
    system.broadcast("resume", late)
    assert sets_of(system.until_state(late, "completed")) == {"accepted": 2}
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)


def test_a_message_older_than_any_look_is_held_where_it_says_how_late_it_may_be(
    start_system: StartSystem, valkey: Valkey, broker_url: str
) -> None:
    """It stood in the queue before the first worker of the installation."""
    system = start_system(followers=6, CELERY_BROKER_URL=broker_url)
    with foreign.app_of(broker_url, valkey.url) as app:
        for one in requests(system.simulator.openids(6)):
            foreign.enqueue(app, **one)

    system.worker()

    ends(system, in_time="held", late="held", unsaid="completed")
    assert system.simulator.ledger()["deliveries"] == 2


def test_a_message_that_comes_again_is_of_unknown_age(
    start_system: StartSystem, valkey: Valkey, broker_url: str
) -> None:
    """A worker had it in hand, so that the queue was empty while it waited."""
    system = start_system(followers=2, CELERY_BROKER_URL=broker_url)
    doomed = system.worker(BROADCAST_CRASH_AT="submit.publishing")
    until(lambda: was_found_empty(system), 20, "a look at the queue")
    with foreign.app_of(broker_url) as app:
        people = system.simulator.openids(2)
        foreign.enqueue(app, **foreign.request(people, key="again", late_by="10m"))
    assert doomed.wait() < 0
    foreign.age_what_a_killed_worker_held(valkey)

    system.worker()

    ends(system, again="held")
    assert system.simulator.mass_calls() == []


def test_what_waited_in_the_outbox_for_longer_than_it_may_is_held(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=6)
    shop = Producer("shop")
    with write_as_app(system) as connection:
        for one in requests(system.simulator.openids(6)):
            shop.post(connection, **one)
    ledger.pass_time(system.engine, WAITED)

    system.worker()
    system.beat()

    ends(system, in_time="completed", late="held", unsaid="completed")
    with read(system.engine) as connection:
        assert not connection.scalar(select(func.count()).select_from(OutboxRow))
        assert connection.scalar(select(func.count()).select_from(BroadcastRow)) == 3
    resume(system, "late")
