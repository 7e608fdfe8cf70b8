"""The upper bound of a message's age: what it is when, and for which messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import Engine

from broadcast import names
from models.ledger.boxes import outbox
from tests.servers.valkey import Valkey
from worker import application, queue_watch
from worker.queue_watch import QueueWatch

FIRST, SECOND = (datetime(2026, 12, 1, 20, minute, tzinfo=UTC) for minute in (1, 2))


class Pool:
    """Celery's pool, whose threads run what they are told when they are let."""

    def __init__(self) -> None:
        self.told: list[Callable[[], None]] = []

    def apply_async(self, target: Callable[[], None], **_: Any) -> None:
        self.told.append(target)

    def run(self) -> None:
        self.told.pop()()


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """What each look finds, in turn; the last stays."""
    found = [FIRST, SECOND]
    engine = SimpleNamespace(engine=None, settings=SimpleNamespace(redis_prefix=""))
    monkeypatch.setattr(queue_watch, "parts", lambda: engine)
    monkeypatch.setattr(queue_watch, "_named", lambda _: "here")
    app = SimpleNamespace(connection_or_acquire=application.make().connection_or_acquire)
    monkeypatch.setattr(application, "make", lambda: app)
    monkeypatch.setattr(
        outbox, "queue_empty_at", lambda *_, **__: found.pop(0) if len(found) > 1 else found[0]
    )
    return found


def test_a_look_counts_for_what_comes_two_ticks_later(finds: list[datetime]) -> None:
    """A message that was on its way when the queue was empty is handled between the ticks."""
    watch, pool = QueueWatch(), Pool()
    watch.begin()
    assert watch.empty_at == FIRST

    seen = []
    for _ in range(3):
        watch.tick(pool)
        pool.run()
        seen.append(watch.empty_at)

    assert seen == [FIRST, FIRST, SECOND]
    assert finds == [SECOND]


def test_a_look_that_takes_long_counts_later_still(finds: list[datetime]) -> None:
    watch, pool = QueueWatch(), Pool()
    watch.begin()
    for _ in range(4):
        watch.tick(pool)
    assert watch.empty_at == FIRST

    pool.run()
    watch.tick(pool)
    watch.tick(pool)

    assert watch.empty_at == SECOND
    assert finds == [SECOND]


@pytest.fixture
def watch_on(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, broker_url: str
) -> Iterator[QueueWatch]:
    """A watch over the queue of a real broker."""
    settings = SimpleNamespace(redis_prefix="")
    monkeypatch.setattr(
        queue_watch, "parts", lambda: SimpleNamespace(engine=engine, settings=settings)
    )
    app = Celery(broker=broker_url, set_as_current=False)
    app.conf.broker_transport_options = {"confirm_publish": True}
    monkeypatch.setattr(application, "make", lambda: app)
    yield QueueWatch()
    app.close()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_queue_in_which_something_waits_is_not_empty(watch_on: QueueWatch) -> None:
    watch_on.begin()
    first = watch_on.empty_at
    assert first is not None

    application.make().send_task(names.ENQUEUE, queue=names.ENQUEUE)
    watch_on.begin()
    assert watch_on.empty_at == first

    with application.make().connection_or_acquire() as connection:
        connection.default_channel.queue_purge(names.ENQUEUE)
    watch_on.begin()
    assert watch_on.empty_at is not None
    assert watch_on.empty_at > first


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_broker_that_is_away_costs_one_line(
    watch_on: QueueWatch, valkey: Valkey, caplog: pytest.LogCaptureFixture, broker_url: str
) -> None:
    if broker_url != valkey.url:
        pytest.skip("of one broker alone")
    watch_on.begin()
    valkey.kill()
    caplog.set_level("INFO")

    before = watch_on.empty_at

    watch_on.begin()

    assert watch_on.empty_at == before
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info is None
    valkey.revive()
