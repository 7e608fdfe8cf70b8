"""What an audit finds after the database's clock went back: that, and no broken promise."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import Engine

from models.ledger.audit import audit_run
from models.ledger.audit.case import Found
from models.ledger.steer import operator
from tests.integration.models.tampering import (
    ON_SQLITE,
    SECOND,
    WAITS,
    WHO,
    attempt,
    change_attempt,
    change_batch,
    finding,
    found,
    four_batches,
)

pytestmark = ON_SQLITE


@pytest.fixture
def broadcast_id(engine: Engine) -> str:
    """Accepted (1), lost and repeated (2), split into 5 and 6 (3), not called yet (4)."""
    return four_batches(engine)


def shift(
    engine: Engine, broadcast_id: str, n: int, begun: datetime | None, ended: datetime
) -> None:
    """Move the beginning and the end of a batch's first call in all rows."""
    row = attempt(engine, broadcast_id, n)
    begun = begun or row.started_at
    change_attempt(engine, row, started_at=begun, ended_at=ended, outcome_recorded_at=ended)
    change_batch(engine, broadcast_id, n, first_called_at=begun)


def test_next_call_with_an_earlier_moment_is_no_overlap(engine: Engine, broadcast_id: str) -> None:
    begun = attempt(engine, broadcast_id, 2).started_at + SECOND
    shift(engine, broadcast_id, 1, begun, begun + SECOND)

    assert found(engine) == {Found.CLOCK}
    assert finding(engine, Found.CLOCK).n == 2
    alone = audit_run.audit(engine, broadcast_id, waits=WAITS).findings
    assert [one.found for one in alone] == [Found.CLOCK]


def test_call_within_which_the_clock_went_back_is_not_torn(
    engine: Engine, broadcast_id: str
) -> None:
    ended = attempt(engine, broadcast_id, 1).started_at - SECOND / 2
    shift(engine, broadcast_id, 1, None, ended)

    assert found(engine) == {Found.CLOCK}


@pytest.mark.parametrize("stop", ["pause", "cancel", "halt"])
def test_stop_that_was_written_after_a_call_with_a_later_moment_is_no_send_after_it(
    engine: Engine, broadcast_id: str, stop: str
) -> None:
    """The last call before the stop has moments after it, as if the clock had stepped."""
    if stop == "halt":
        operator.halt(engine, "default", who=WHO)
    else:
        getattr(operator, stop)(engine, broadcast_id, who=WHO)
    last = attempt(engine, broadcast_id, 3)
    hour = 3600 * SECOND
    shift(engine, broadcast_id, 3, last.started_at + hour, last.ended_at + hour)

    assert found(engine) == {Found.CLOCK}


def test_call_that_was_made_after_a_resume_with_a_moment_before_the_pause_is_no_send_under_it(
    engine: Engine, broadcast_id: str
) -> None:
    operator.pause(engine, broadcast_id, who=WHO)
    operator.resume(engine, broadcast_id, who=WHO)
    last = attempt(engine, broadcast_id, 3)
    change_attempt(engine, last, gate_counter=last.gate_counter + 2)

    assert found(engine) == {Found.CLOCK}
