"""WeChat's day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast import day

MOMENTS = st.integers(0, 30 * 366 * 86_400).map(
    lambda seconds: datetime(2015, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@pytest.mark.parametrize(
    ("moment", "turn"),
    [
        (datetime(2026, 3, 1, 15, 59, 59, tzinfo=UTC), datetime(2026, 3, 1, 16, tzinfo=UTC)),
        (datetime(2026, 3, 1, 16, tzinfo=UTC), datetime(2026, 3, 2, 16, tzinfo=UTC)),
        (datetime(2026, 12, 31, 23, tzinfo=UTC), datetime(2027, 1, 1, 16, tzinfo=UTC)),
    ],
)
def test_day_turns_at_midnight_in_shanghai(moment: datetime, turn: datetime) -> None:
    assert day.turn(moment) == turn
    assert day.start(moment) == turn - timedelta(days=1)


@given(moment=MOMENTS)
def test_a_month_begins_on_its_first_day_in_shanghai_and_the_next_one_follows(
    moment: datetime,
) -> None:
    start, turn = (f(moment).astimezone(day.SHANGHAI) for f in (day.month_start, day.month_turn))

    assert start <= moment < turn
    assert (start.day, start.hour, turn.day, turn.hour) == (1, 0, 1, 0)
    assert (turn.year * 12 + turn.month) - (start.year * 12 + start.month) == 1


@given(moment=MOMENTS)
def test_moment_lies_in_its_day(moment: datetime) -> None:
    start, turn = day.start(moment), day.turn(moment)

    assert start <= moment < turn
    assert turn - start == timedelta(hours=24)
    assert day.start(turn) == turn
    assert start.tzinfo is turn.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("today", date(2026, 3, 2)),
        ("今天", date(2026, 3, 2)),
        ("Yesterday", date(2026, 3, 1)),
        ("昨天", date(2026, 3, 1)),
        (" 前天 ", date(2026, 2, 28)),
        ("2026-2-1", date(2026, 2, 1)),
        ("2026/12/01", date(2026, 12, 1)),
        ("2026年12月1日", date(2026, 12, 1)),
        ("2026年12月1", date(2026, 12, 1)),
        ("3-2", date(2026, 3, 2)),
        ("3月1日", date(2027, 3, 1)),
        ("12/24", date(2026, 12, 24)),
    ],
)
def test_a_day_is_taken_as_people_write_it(text: str, meant: date) -> None:
    """Without a year it is the next one."""
    assert day.written_day(text, date(2026, 3, 2)) == meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("11月30日 20:00", datetime(2025, 11, 30, 12, tzinfo=UTC)),
        ("3月2日 20:00", datetime(2026, 3, 2, 12, tzinfo=UTC)),
        ("3月3日 20:00", datetime(2025, 3, 3, 12, tzinfo=UTC)),
        ("2027-3-3 20:00", datetime(2027, 3, 3, 12, tzinfo=UTC)),
    ],
)
def test_a_day_without_its_year_is_the_last_one_where_a_time_looks_back(
    text: str, meant: datetime
) -> None:
    noon = datetime(2026, 3, 2, 4, tzinfo=UTC)

    assert day.written_moment(text, noon, back=True) == meant
    assert day.written_day(text.partition(" ")[0], date(2026, 3, 2), back=True) == meant.date()


@pytest.mark.parametrize("text", ["", "3-1-", "2026-02-30", "2026-1-1 20:00", "20:00", "friday"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|day"):
        day.written_day(text, date(2026, 3, 2))


def test_day_of_a_place_with_summer_time_is_shanghais_all_the_same() -> None:
    """New York's clocks were put forward on 8 March 2026."""
    moment = datetime(2026, 3, 8, 0, 30, tzinfo=ZoneInfo("America/New_York"))

    assert day.turn(moment).astimezone(UTC) == datetime(2026, 3, 8, 16, tzinfo=UTC)
    assert day.turn(moment).utcoffset() == timedelta(hours=-4)
