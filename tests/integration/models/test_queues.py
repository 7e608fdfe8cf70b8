"""When a queue was found empty: an upper bound for the age of what comes from it later."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select

from models.engine import now
from models.every_table import QueueRow
from models.ledger.boxes import outbox
from models.ledger.rows.transaction import read
from tests.kit import ledger

pytestmark = pytest.mark.every_database


def rows(engine: Engine) -> int:
    with read(engine) as connection:
        return connection.scalar(select(func.count()).select_from(QueueRow)) or 0


def test_an_empty_queue_is_noted_with_the_moment_before_the_look(engine: Engine) -> None:
    def is_empty() -> bool:
        # The look takes long: what was sent meanwhile is not younger than the moment.
        ledger.pass_time(engine, timedelta(minutes=1))
        with read(engine) as connection:
            looked.append(now(connection))
        return True

    looked: list[datetime] = []
    found = outbox.queue_empty_at(engine, "a", is_empty=is_empty)

    assert found is not None
    assert found < looked[0]
    assert outbox.queue_empty_at(engine, "a", is_empty=lambda: False) == found
    assert outbox.queue_empty_at(engine, "b", is_empty=lambda: False) is None


def test_it_is_written_every_five_seconds_at_most_and_known_to_the_finder_at_once(
    engine: Engine,
) -> None:
    first = outbox.queue_empty_at(engine, "a", is_empty=lambda: True)
    second = outbox.queue_empty_at(engine, "a", is_empty=lambda: True)

    assert first is not None
    assert second is not None
    assert second > first
    assert outbox.queue_empty_at(engine, "a", is_empty=lambda: False) == first
    ledger.pass_time(engine, outbox.QUEUE_FOUND_EMPTY_EVERY)
    third = outbox.queue_empty_at(engine, "a", is_empty=lambda: True)
    assert outbox.queue_empty_at(engine, "a", is_empty=lambda: False) == third
    assert rows(engine) == 1


def test_a_clock_that_was_set_back_is_noted_anew(engine: Engine) -> None:
    outbox.queue_empty_at(engine, "a", is_empty=lambda: True)
    ledger.pass_time(engine, -timedelta(hours=1))

    found = outbox.queue_empty_at(engine, "a", is_empty=lambda: True)

    assert outbox.queue_empty_at(engine, "a", is_empty=lambda: False) == found
