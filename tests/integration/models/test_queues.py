"""When a queue was found empty: an upper bound for the age of what comes from it later."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select

from models.every_table import QueueRow
from models.ledger.boxes import outbox
from models.ledger.rows.transaction import read
from tests.integration.models.still_clock import NOON, StillClock

pytestmark = pytest.mark.every_database


def rows(engine: Engine) -> int:
    with read(engine) as connection:
        return connection.scalar(select(func.count()).select_from(QueueRow)) or 0


def test_an_empty_queue_is_noted_with_the_moment_before_the_look(
    still: tuple[Engine, StillClock],
) -> None:
    engine, clock = still

    def is_empty() -> bool:
        # The look takes long: what was sent meanwhile is not younger than the moment.
        clock.pass_(timedelta(minutes=1))
        return True

    found = outbox.queue_empty_at(engine, "a", is_empty=is_empty)

    assert found == NOON
    assert outbox.queue_empty_at(engine, "a", is_empty=lambda: False) == found
    assert outbox.queue_empty_at(engine, "b", is_empty=lambda: False) is None


def test_it_is_written_every_five_seconds_at_most_and_known_to_the_finder_at_once(
    still: tuple[Engine, StillClock],
) -> None:
    engine, clock = still
    first = outbox.queue_empty_at(engine, "a", is_empty=lambda: True)
    clock.pass_(timedelta(milliseconds=1))
    second = outbox.queue_empty_at(engine, "a", is_empty=lambda: True)

    assert first is not None
    assert second == first + timedelta(milliseconds=1)
    assert outbox.queue_empty_at(engine, "a", is_empty=lambda: False) == first
    clock.pass_(outbox.QUEUE_FOUND_EMPTY_EVERY)
    third = outbox.queue_empty_at(engine, "a", is_empty=lambda: True)
    assert outbox.queue_empty_at(engine, "a", is_empty=lambda: False) == third
    assert rows(engine) == 1


def test_a_clock_that_was_set_back_is_noted_anew(still: tuple[Engine, StillClock]) -> None:
    engine, clock = still
    outbox.queue_empty_at(engine, "a", is_empty=lambda: True)
    clock.pass_(-timedelta(hours=1))

    found = outbox.queue_empty_at(engine, "a", is_empty=lambda: True)

    assert found == NOON - timedelta(hours=1)
    assert outbox.queue_empty_at(engine, "a", is_empty=lambda: False) == found
