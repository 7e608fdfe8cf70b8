"""How long to wait after each kind of reply, and whom the wait concerns."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from broadcast.rules.calls.outcomes import PARALLEL, SAME_KEY_RUNNING, Outcome
from broadcast.rules.calls.waits import NOT_READY_STEPS, UNKNOWN_STEPS, Waits
from broadcast.rules.states import Reason
from tests.unit.rules.histories import START, attempt, history

REAL = Waits()


def pause_s(outcome: Outcome | None, times: int, errcode: int | None = None) -> float:
    """Seconds until the next call after *times* such replies in a row."""
    said = [attempt(number, outcome, errcode=errcode) for number in range(1, times + 1)]
    return (REAL.after(said, START)[0] - START).total_seconds()


@pytest.mark.parametrize(
    ("times", "seconds"), [(1, 5), (2, 10), (3, 20), (6, 160), (7, 300), (8, 300), (500, 300)]
)
def test_parallel_call_doubles_its_pause_up_to_300_s(times: int, seconds: float) -> None:
    assert pause_s(Outcome.THROTTLED, times, PARALLEL) == seconds


def test_another_reply_between_starts_the_doubling_anew() -> None:
    said = [
        *(attempt(n, Outcome.THROTTLED, errcode=PARALLEL) for n in (1, 2, 3)),
        attempt(4, Outcome.WAIT),
        attempt(5, Outcome.THROTTLED, errcode=PARALLEL),
    ]

    assert REAL.after(said, START)[0] == START + timedelta(seconds=5)


@pytest.mark.parametrize("times", [1, 2, 50])
def test_minute_quota_waits_a_minute_each_time(times: int) -> None:
    assert pause_s(Outcome.THROTTLED, times, 45011) == 60


@pytest.mark.parametrize("times", [1, 2, 50])
def test_same_key_running_waits_a_minute_each_time(times: int) -> None:
    assert pause_s(Outcome.UNKNOWN, times, SAME_KEY_RUNNING) == 60


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.UNLISTED, None])
def test_unknown_waits_longer_each_time(outcome: Outcome | None) -> None:
    pauses = [pause_s(outcome, times) for times in range(1, 12)]

    assert pauses[:2] == [2, 10]
    assert pauses == sorted(pauses)
    assert pauses[-1] == UNKNOWN_STEPS[-1].total_seconds() == 3600


def test_unreachable_wechat_is_asked_for_as_long_as_it_takes() -> None:
    pauses = [pause_s(Outcome.WAIT, times) for times in (1, 2, 3, 1_000)]

    assert pauses == [1, 2, 5, NOT_READY_STEPS[-1].total_seconds()]


@pytest.mark.parametrize("outcome", [Outcome.TOKEN, Outcome.NOT_CALLED])
def test_call_that_never_ran_may_be_made_at_once(outcome: Outcome) -> None:
    assert REAL.after(history(outcome), START) == (START, Reason.NONE)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.THROTTLED, Reason.THROTTLED),
        (Outcome.WAIT, Reason.WECHAT_NOT_READY),
        (Outcome.QUOTA_TODAY, Reason.QUOTA_TODAY),
        (Outcome.UNKNOWN, Reason.REPEAT_UNKNOWN),
    ],
)
def test_wait_says_why(outcome: Outcome, reason: Reason) -> None:
    assert REAL.after(history(outcome), START)[1] == reason


class TestQuotaToday:
    """45009 near the turn of the day in Shanghai, which is 16:00 UTC."""

    @pytest.mark.parametrize(
        ("hour", "minute", "second", "pause"),
        [
            (4, 0, 0, timedelta(hours=12)),
            (15, 55, 0, timedelta(minutes=5)),
            (15, 59, 59, timedelta(seconds=1)),
            (16, 0, 0, timedelta(minutes=2)),  # by our clock the day is new, by WeChat's not yet
            (16, 9, 59, timedelta(minutes=2)),
            (16, 10, 0, timedelta(hours=23, minutes=50)),
        ],
    )
    def test_it_waits_for_the_turn_or_for_minutes_after_it(
        self, hour: int, minute: int, second: int, pause: timedelta
    ) -> None:
        now = datetime(2026, 3, 2, hour, minute, second, tzinfo=UTC)

        assert REAL.after(history(Outcome.QUOTA_TODAY), now)[0] == now + pause


@pytest.mark.parametrize(
    "outcome", [Outcome.UNKNOWN, Outcome.THROTTLED, Outcome.WAIT, Outcome.QUOTA_TODAY]
)
def test_scale_shrinks_every_wait(outcome: Outcome) -> None:
    whole = REAL.after(history(outcome), START)[0] - START
    tenth = Waits(0.1).after(history(outcome), START)[0] - START

    assert tenth == whole * 0.1
