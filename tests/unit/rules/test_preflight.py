"""What keeps WeChat from being asked lets a lane wait, or stops it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.waits import MINUTE, NOT_READY, Waits, classify_no_answer
from broadcast.rules.states import Reason

NOON = datetime(2026, 3, 2, 4, tzinfo=UTC)  # in Shanghai
REAL = Waits()


@pytest.mark.parametrize(
    "outcome",
    [Outcome.STOP_ACCOUNT, Outcome.STOP_BROADCAST, Outcome.TOKEN, Outcome.QUOTA_MONTH],
)
def test_what_only_a_human_can_mend_has_no_end(outcome: Outcome) -> None:
    met = classify_no_answer(outcome, now=NOON, waits=REAL)

    assert (met.reason, met.until) == (Reason.ACCOUNT_STOPPED, None)


def test_used_up_calls_wait_for_the_next_day() -> None:
    met = classify_no_answer(Outcome.QUOTA_TODAY, now=NOON, waits=REAL)

    assert (met.reason, met.until) == (Reason.QUOTA_TODAY, REAL.next_day(NOON))


@pytest.mark.parametrize(
    ("outcome", "reason", "pause"),
    [
        (Outcome.THROTTLED, Reason.THROTTLED, MINUTE),
        (Outcome.WAIT, Reason.WECHAT_NOT_READY, NOT_READY),
        (Outcome.UNKNOWN, Reason.WECHAT_NOT_READY, NOT_READY),
    ],
)
def test_what_passes_is_waited_for_at_the_scale(
    outcome: Outcome, reason: Reason, pause: timedelta
) -> None:
    met = classify_no_answer(outcome, now=NOON, waits=Waits(scale=0.5))

    assert (met.reason, met.until) == (reason, NOON + pause / 2)
