"""The time in which a broadcast can be called off: how long it is, for whom, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from broadcast.rules.gates.cooling_off import (
    COOLING_OFF,
    LONGEST,
    CoolingOff,
    ends,
    parse_cooling_off,
    parse_length,
)

NOW = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "length", "above"),
    [
        ("60s above 1000", MINUTE, 1000),
        (" 2m  above 0 ", 2 * MINUTE, 0),
        ("60s", MINUTE, 0),
        ("0", timedelta(), 0),
        ("0s above 5", timedelta(), 5),
        ("5m above 1", LONGEST, 1),
    ],
)
def test_a_setting_is_a_length_and_a_number_of_people(
    text: str, length: timedelta, above: int
) -> None:
    assert parse_cooling_off(text) == CoolingOff(length=length, above=above)


@pytest.mark.parametrize(
    "text", ["", "60", "60s over 5", "60s above", "60s above -1", "301s", "6m"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no length|longer"):
        parse_cooling_off(text)


def test_a_length_is_at_most_five_minutes() -> None:
    assert parse_length("5m") == LONGEST
    with pytest.raises(ValueError, match="longer"):
        parse_length("301s")


def test_few_people_have_none_and_an_unknown_number_counts_as_many() -> None:
    assert COOLING_OFF.for_people(1000) == timedelta()
    assert COOLING_OFF.for_people(1001) == MINUTE
    assert COOLING_OFF.for_people(None) == MINUTE


def test_what_waits_for_its_time_so_long_or_longer_is_not_kept_back_beside_it() -> None:
    assert ends(MINUTE, now=NOW, scheduled_at=None) == NOW + MINUTE
    assert ends(MINUTE, now=NOW, scheduled_at=NOW + timedelta(seconds=59)) == NOW + MINUTE
    assert ends(MINUTE, now=NOW, scheduled_at=NOW + MINUTE) is None
    assert ends(timedelta(), now=NOW, scheduled_at=None) is None
