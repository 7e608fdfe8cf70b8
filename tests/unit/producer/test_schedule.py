from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from broadcast.errors import InputError
from broadcast.views.texts import Texts
from entrypoints.cli import send_options
from producer.submit.order import parse_at, refuse_what_is_not_ahead

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
    assert parse_at(text) == EVENING


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("23:30", "2026-11-25 23:30"),
        ("8:05", "2026-11-25 08:05"),
        ("今天 20:00", "2026-11-25 20:00"),
        ("明天20：00", "2026-11-26 20:00"),
        ("后天 9:00", "2026-11-27 09:00"),
        ("Tomorrow 20:00", "2026-11-26 20:00"),
        ("2026-12-1 3:30", "2026-12-01 03:30"),
        ("2026/12/01 20:00", "2026-12-01 20:00"),
        ("2026年12月1日20:00", "2026-12-01 20:00"),
        ("12月1日 20:00", "2026-12-01 20:00"),
        ("1月2日8:00", "2027-01-02 08:00"),
    ],
)
def test_a_person_writes_a_time_of_today_or_of_a_day_by_its_word(text: str, meant: str) -> None:
    # In UTC, where it is another day than in Shanghai.
    now = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)

    assert parse_at(text, now=now) == parse_at(meant)
    with pytest.raises(InputError):
        parse_at(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "20",
        "24:00",
        "8:5",
        "8pm",
        "12-01 20:00",
        "2026-12-013:30",
        "2026-02-30 8:00",
        "tomorrow 20:00 sharp",
    ],
)
def test_what_may_mean_two_times_or_none_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_at(text, now=NOW)

    assert caught.value.message_id == "error.at.unreadable_here"


def test_a_time_counted_from_today_is_repeated_as_a_date() -> None:
    at = parse_at("明天 20:00", now=NOW)

    assert send_options.absolute("明天 20:00", at) == "2026-11-26 20:00"
    assert send_options.absolute("2026-11-26T12:00Z", at) == "2026-11-26T12:00Z"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026-11-26",
        "2026-13-01 20:00",
        "25.11.2026 20:00",
        "0001-01-01 00:00",
        "9999-12-31T23:59Z",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_at(text)
    assert caught.value.message_id == "error.at.unreadable"
    assert f"“{text}”" in Texts("en")(caught.value)


def test_what_is_no_time_is_quoted_short_and_on_one_line() -> None:
    with pytest.raises(InputError) as caught:
        parse_at("tomorrow\n\x1b[31m" + "!" * 100)

    told = Texts("en")(caught.value)
    assert "“tomorrow??[31m!!" in told
    assert "…”" in told
    assert len(told) < 200


def refused(text: str, *, machine_now: datetime = NOW) -> InputError:
    """Return why a time is refused."""
    with pytest.raises(InputError) as caught:
        refuse_what_is_not_ahead(parse_at(text), now=NOW, machine_now=machine_now)
    return caught.value


@pytest.mark.parametrize("text", ["2026-11-25 11:59", "2026-11-25 12:00", "2025-01-01T00:00Z"])
@pytest.mark.parametrize("off_s", [-5, 0, 5])
def test_the_past_is_refused(text: str, off_s: int) -> None:
    told = refused(text, machine_now=NOW + timedelta(seconds=off_s))

    assert told.message_id == "error.at.past"


@pytest.mark.parametrize(
    ("off_s", "wanted", "off"),
    [
        (-6, "error.at.past_slow", "0:00:06"),
        (6, "error.at.past_fast", "0:00:06"),
        (3 * 86400 + 61, "error.at.past_fast", "72:01:01"),
    ],
)
def test_who_went_by_a_clock_that_is_off_is_told_by_how_much(
    off_s: int, wanted: str, off: str
) -> None:
    told = refused("2026-11-25 11:59", machine_now=NOW + timedelta(seconds=off_s))

    assert told.message_id == wanted
    assert told.facts == {"at": "2026-11-25 11:59", "now": "2026-11-25 12:00:00", "off": off}


@pytest.mark.parametrize("off_s", [-86400, 0, 86400])
def test_what_is_ahead_by_the_databases_clock_is_ahead(off_s: int) -> None:
    refuse_what_is_not_ahead(EVENING, now=NOW, machine_now=NOW + timedelta(seconds=off_s))


@pytest.mark.parametrize("text", ["2028-11-25 20:00", "2027-11-26 12:01", "9999-12-31 23:59"])
def test_a_mistyped_year_is_refused_with_the_bound(text: str) -> None:
    told = refused(text)

    assert told.message_id == "error.at.far"
    assert told.facts == {"at": text, "bound": "2027-11-26 12:00"}


def test_a_year_ahead_is_near_enough() -> None:
    year = parse_at("2027-11-25 20:00")

    assert year == EVENING.replace(year=2027)
    refuse_what_is_not_ahead(year, now=NOW, machine_now=NOW)
