"""What an audit finds after the database's clock went back: that, and no broken promise."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import Engine, update

from models import AttemptRow, Event
from models.ledger import audit, operator
from models.ledger.audit import Found
from tests.integration.models.tampering import (
    SECOND,
    WAITS,
    WHO,
    attempt,
    change,
    change_attempt,
    change_batch,
    found,
    four_batches,
    history_of,
    told,
)


@pytest.fixture
def broadcast_id(engine: Engine) -> str:
    """Accepted (1), lost and repeated (2), split into 5 and 6 (3), not called yet (4)."""
    return four_batches(engine)


def end_at(engine: Engine, broadcast_id: str, n: int, at: datetime) -> None:
    """Move the end of a batch's first call, and all that was heard of it, in all records."""
    change_attempt(engine, attempt(engine, broadcast_id, n), ended_at=at, outcome_recorded_at=at)
    event = history_of(engine, broadcast_id, n)[0]
    change(engine, Event, Event.id == event.id, at=at)


def test_next_call_with_an_earlier_moment_is_no_overlap(engine: Engine, broadcast_id: str) -> None:
    later, first = attempt(engine, broadcast_id, 2), attempt(engine, broadcast_id, 1)
    begun = later.started_at + SECOND
    change_attempt(engine, first, started_at=begun)
    change_batch(engine, broadcast_id, 1, first_called_at=begun)
    end_at(engine, broadcast_id, 1, begun + SECOND)

    assert found(engine) == {Found.CLOCK}
    assert told(engine, Found.CLOCK).n == 2
    alone = audit.audit(engine, broadcast_id, waits=WAITS).findings
    assert [one.found for one in alone] == [Found.CLOCK]


def test_call_within_which_the_clock_went_back_is_not_torn(
    engine: Engine, broadcast_id: str
) -> None:
    end_at(engine, broadcast_id, 1, attempt(engine, broadcast_id, 1).started_at - SECOND / 2)

    assert found(engine) == {Found.CLOCK}


@pytest.mark.parametrize("stop", ["pause", "cancel", "halt"])
def test_stop_that_was_written_after_a_call_with_a_later_moment_is_no_send_after_it(
    engine: Engine, broadcast_id: str, stop: str
) -> None:
    """All lines of the calls before get moments after the stop's, as if the clock had stepped."""
    if stop == "halt":
        operator.halt(engine, "default", who=WHO)
    else:
        getattr(operator, stop)(engine, broadcast_id, who=WHO)
    shift_last_call(engine, broadcast_id)

    assert found(engine) == {Found.CLOCK}


def shift_last_call(engine: Engine, broadcast_id: str) -> None:
    """Let the last call before the stop, that of batch 3, have begun and ended an hour later."""
    last = attempt(engine, broadcast_id, 3)
    begun, ended = last.started_at + 3600 * SECOND, last.ended_at + 3600 * SECOND
    with engine.begin() as connection:
        connection.execute(
            update(AttemptRow)
            .where(AttemptRow.id == last.id)
            .values(started_at=begun, ended_at=ended, outcome_recorded_at=ended)
        )
    event = history_of(engine, broadcast_id, 3)[0]
    change(engine, Event, Event.id == event.id, at=ended)
    change_batch(engine, broadcast_id, 3, first_called_at=begun)
