"""The time of a held run, as a person writes it."""

from __future__ import annotations

from datetime import UTC, datetime

from broadcast.day import SHANGHAI
from producer.campaigns import said_plans


def test_the_time_of_a_held_run_without_its_year_is_past() -> None:
    now = datetime(2026, 12, 1, 4, tzinfo=UTC)

    held = said_plans.moment("11月30日 20:00", SHANGHAI.key, now=now, option="--due")
    ahead = said_plans.moment("11月30日 20:00", SHANGHAI.key, now=now)

    assert (held.year, ahead.year) == (2026, 2027)
