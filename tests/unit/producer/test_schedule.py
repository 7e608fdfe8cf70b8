from __future__ import annotations

from datetime import UTC, datetime

import pytest

from broadcast.errors import InputError
from producer.schedule import parse_at

NOW = datetime(2026, 11, 25, 4, 0, tzinfo=UTC)  # 12:00 in Beijing
EVENING = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-25 20:00",
        "2026-11-25T20:00",
        " 2026-11-25 20:00:00 ",
        "2026-11-25T20:00+08:00",
        "2026-11-25T12:00Z",
        "2026-11-25T07:00-05:00",
        "20261125T2000",
    ],
)
def test_a_time_without_zone_is_beijing_time(text: str) -> None:
    assert parse_at(text, now=NOW) == EVENING


@pytest.mark.parametrize("text", ["2026-11-25 11:59", "2026-11-25 12:00", "2025-01-01T00:00Z"])
def test_the_past_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_at(text, now=NOW)
    assert caught.value.message_id == "error.at.past"


@pytest.mark.parametrize(
    "text",
    ["", "tomorrow", "2026-11-26", "2026-13-01 20:00", "25.11.2026 20:00", "0001-01-01 00:00"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_at(text, now=NOW)
    assert caught.value.message_id in {"error.at.unreadable", "error.at.past"}
    assert str(caught.value)


@pytest.mark.parametrize("text", ["2028-11-25 20:00", "2027-11-26 12:01", "9999-12-31 23:59"])
def test_a_mistyped_year_is_refused_with_the_bound(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_at(text, now=NOW)

    assert caught.value.message_id == "error.at.far"
    assert caught.value.facts == {"at": text, "bound": "2027-11-26 12:00"}


def test_a_year_ahead_is_near_enough() -> None:
    assert parse_at("2027-11-25 20:00", now=NOW) == EVENING.replace(year=2027)
