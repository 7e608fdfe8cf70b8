"""What keeps WeChat from being asked lets the lane wait, or stops it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from broadcast.call.attempts import Reason
from broadcast.call.outcomes import Outcome
from broadcast.call.result import CallResult
from broadcast.call.waits import MINUTE, Waits
from broadcast.gates.preflight import NOT_READY
from models.account import Lane
from models.ledger import preflight
from models.ledger.transaction import AnyRow
from tests.kit import ledger

REAL = Waits()


def met(engine: Engine, outcome: Outcome, errcode: int) -> AnyRow:
    """Return the lane after an obstacle."""
    fact = CallResult(outcome=outcome, errcode=errcode, errmsg="words of WeChat")
    preflight.meet(engine, ledger.account(), fact, waits=REAL)
    with engine.connect() as connection:
        return connection.execute(select(Lane.__table__)).one()


def test_used_up_calls_wait_by_the_rule_of_every_45009(engine: Engine) -> None:
    before = datetime.now(UTC)

    lane = met(engine, Outcome.QUOTA_TODAY, 45009)

    assert lane.wait_reason is Reason.QUOTA_TODAY
    # The two clocks are one machine's; between two looks the day may turn.
    expected = {REAL.next_day(before), REAL.next_day(datetime.now(UTC))}
    assert min(abs(lane.not_before - one) for one in expected) < timedelta(seconds=5)
    assert lane.stopped_at is None


@pytest.mark.parametrize(
    ("outcome", "errcode", "reason", "pause"),
    [
        (Outcome.THROTTLED, 45011, Reason.THROTTLED, MINUTE),
        (Outcome.WAIT, -1, Reason.WECHAT_NOT_READY, NOT_READY),
    ],
)
def test_what_passes_is_waited_for(
    engine: Engine, outcome: Outcome, errcode: int, reason: Reason, pause: timedelta
) -> None:
    lane = met(engine, outcome, errcode)

    assert (lane.wait_reason, lane.stopped_at) == (reason, None)
    assert abs(lane.not_before - datetime.now(UTC) - pause) < timedelta(seconds=5)


def test_what_only_a_human_can_mend_stops_the_lane(engine: Engine) -> None:
    lane = met(engine, Outcome.STOP_ACCOUNT, 40125)

    assert (lane.stop_reason, lane.stop_errcode) == (Reason.ACCOUNT_STOPPED, 40125)
    assert lane.stop_errmsg == "words of WeChat"
    assert lane.not_before is None
