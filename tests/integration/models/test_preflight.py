"""What keeps WeChat from being asked lets the lane wait, or stops its account."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import Outcome, Scope, SendPath
from broadcast.rules.calls.waits import MINUTE, NOT_READY, REDIS_AWAY, Waits
from broadcast.rules.gates import blockers
from broadcast.rules.gates.gate import Cause, GateKind, GateScope
from broadcast.rules.states import Reason
from models.ledger.lane import obstacles
from models.ledger.steer import operator, sweeps
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import close, lane, standing_gates, the_gate
from tests.kit import ledger

REAL = Waits()


def met(engine: Engine, outcome: Outcome, errcode: int) -> Any:
    """Return the lane after WeChat could not be asked."""
    fact = NoAnswer(outcome=outcome, scope=Scope.ACCOUNT, errcode=errcode, errmsg="words of WeChat")
    waits = obstacles.apply_no_answer(engine, ledger.account(), fact, waits=REAL)
    assert waits == (standing_gates(engine) == [])
    return lane(engine)


NOT_WHITELISTED = NoAnswer(
    outcome=Outcome.STOP_ACCOUNT, scope=Scope.ACCOUNT, errcode=40164, errmsg="invalid ip 127.0.0.9"
)


def test_an_account_stops_whose_last_machine_is_not_listed(engine: Engine) -> None:
    obstacles.stop_unless_listed(engine, ledger.account(), lambda: NOT_WHITELISTED)

    assert the_gate(engine, GateKind.STOP).errmsg == "invalid ip 127.0.0.9"


def test_an_account_that_is_unhalted_while_its_last_machine_asks_is_not_stopped_again(
    engine: Engine,
) -> None:
    def ask() -> NoAnswer:
        obstacles.stop_unless_listed(engine, ledger.account(), lambda: NOT_WHITELISTED)
        assert operator.unhalt(engine, ledger.account().name, who="ops", why=None)
        return NOT_WHITELISTED

    obstacles.stop_unless_listed(engine, ledger.account(), ask)

    assert standing_gates(engine) == []


def test_used_up_calls_wait_by_the_rule_of_every_45009(engine: Engine) -> None:
    before = datetime.now(UTC)

    lane = met(engine, Outcome.QUOTA_TODAY, 45009)

    assert lane.wait_reason is Reason.QUOTA_TODAY
    # The two clocks are one machine's; between two looks the day may turn.
    expected = {REAL.next_day(before), REAL.next_day(datetime.now(UTC))}
    assert min(abs(lane.not_before - one) for one in expected) < timedelta(seconds=5)


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

    assert lane.wait_reason is reason
    assert abs(lane.not_before - datetime.now(UTC) - pause) < timedelta(seconds=5)


def test_what_only_a_human_can_fix_stops_the_account(engine: Engine) -> None:
    lane = met(engine, Outcome.STOP_ACCOUNT, 40125)

    gate = the_gate(engine, GateKind.STOP)
    assert (gate.scope, gate.reason) == (GateScope.ACCOUNT, Reason.ACCOUNT_STOPPED)
    assert (gate.errcode, gate.errmsg) == (40125, "words of WeChat")
    assert lane.not_before is None


def test_a_stopped_account_is_not_asked_about_again_every_few_seconds(engine: Engine) -> None:
    ledger.stop(engine, ledger.account())
    before = REAL.next_day(datetime.now(UTC))

    for outcome, errcode in ((Outcome.STOP_ACCOUNT, 40164), (Outcome.WAIT, -1)):
        fact = NoAnswer(outcome=outcome, scope=Scope.ACCOUNT, errcode=errcode, errmsg="no")
        assert not obstacles.apply_no_answer(engine, ledger.account(), fact, waits=REAL)

    assert lane(engine).not_before >= before - timedelta(seconds=5)
    operator.unhalt(engine, None, who="ops")
    assert lane(engine).not_before is None


@pytest.mark.parametrize(
    ("closing", "is_met"),
    [
        ({"kind": GateKind.HALT, "who": "ops"}, True),
        ({"kind": GateKind.STOP}, True),
        ({"kind": GateKind.STOP, "path": SendPath.MASS_SEND}, True),
        ({"kind": GateKind.STOP, "path": SendPath.SENDALL}, False),
        (
            {
                "kind": GateKind.QUOTA,
                "path": SendPath.MASS_SEND,
                "until": datetime(2026, 1, 1, tzinfo=UTC),
            },
            False,
        ),
    ],
)
def test_a_plan_meets_what_closed_before_it(
    engine: Engine, closing: dict[str, Any], is_met: bool
) -> None:
    broadcast_id = ledger.broadcast(engine)
    close(engine, **closing)
    ledger.pass_time(engine, timedelta(hours=1))
    span = timedelta(minutes=1)

    met = obstacles.closed_within(engine, span, broadcast_id=broadcast_id, planned=True)

    assert met == ([""] if is_met else [])
    assert obstacles.closed_within(engine, span, broadcast_id=broadcast_id) == []
    assert obstacles.closed_within(engine, span, account="default") == []


def test_lane_that_met_it_is_found_again_when_the_wait_is_over(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    met(engine, Outcome.WAIT, -1)
    assert sweeps.due(engine).lanes == []
    ledger.pass_time(engine, NOT_READY + timedelta(seconds=1))
    assert sweeps.due(engine).lanes == [("default", broadcast_id)]


def test_a_redis_that_is_away_is_named_until_wechat_takes_a_batch(engine: Engine) -> None:
    """No wait of WeChat's: no scale shortens it, and a longer wait stands."""
    broadcast_id = ledger.broadcast(engine)

    obstacles.wait_for_redis(engine, ledger.account())

    waiting = lane(engine)
    assert waiting.wait_reason is Reason.REDIS_AWAY
    assert waiting.not_before - datetime.now(UTC) <= REDIS_AWAY
    [blocker] = blockers.blockers_of(broadcast_reports.report(engine, broadcast_id))
    assert (blocker.cause, blocker.reason) == (Cause.ACCOUNT_WAITS, Reason.REDIS_AWAY)
    ledger.pass_time(engine, REDIS_AWAY)
    ledger.Driver(engine).call(ledger.said(0, msg_id=1))
    assert lane(engine).wait_reason is None


def test_a_redis_that_is_away_shortens_no_wait_of_wechat_s(engine: Engine) -> None:
    met(engine, Outcome.THROTTLED, 45011)

    obstacles.wait_for_redis(engine, ledger.account())

    assert lane(engine).wait_reason is Reason.THROTTLED


def test_batch_that_changed_since_it_was_read_holds_nothing(engine: Engine) -> None:
    """People were taken out of it while its list was being read."""
    broadcast_id = ledger.broadcast(engine)
    work = ledger.Driver(engine).next()

    obstacles.hold_unmade_call(engine, replace(work, clientmsgid="of before"), "a gap")
    assert standing_gates(engine, broadcast_id) == []

    obstacles.hold_unmade_call(engine, work, "a gap")
    hold = the_gate(engine, GateKind.HOLD, broadcast_id)
    assert (hold.reason, hold.errmsg) == (Reason.REQUEST_NOT_MADE, "a gap")
