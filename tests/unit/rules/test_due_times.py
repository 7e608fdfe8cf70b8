"""Due times: by cron in a zone, the same from wherever they are asked for."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, date, datetime, timedelta

import pytest

from broadcast.errors import InputError
from broadcast.rules.campaigns import due_times
from broadcast.rules.campaigns.due_times import Schedule

DAY = timedelta(days=1)
START = datetime(2026, 12, 1, tzinfo=UTC)
ZONES = (
    "Europe/Berlin",
    "Africa/Cairo",
    "Asia/Shanghai",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Havana",
)
CRONS = (
    "30 2 * * *",
    "*/15 * * * *",
    "0 0 * * *",
    "0 * * * *",
    "0,30 2-3 * * *",
    "15 0 1 * *",
    "*/30 2 * * *",
    "0 9 13 * 5",
    "5 */2 * * *",
    "0 0,1,2,3 * * 0",
)
CHANGES = (
    datetime(2026, 3, 26, tzinfo=UTC),
    datetime(2026, 4, 22, tzinfo=UTC),
    datetime(2026, 10, 23, tzinfo=UTC),
    datetime(2026, 10, 29, tzinfo=UTC),
)


def shanghai(cron: str, **more: object) -> Schedule:
    return Schedule(zone="Asia/Shanghai", cron=cron, **more)  # type: ignore[arg-type]


def firsts(schedule: Schedule, n: int, since: datetime = START) -> list[str]:
    """Return the first due times as the zone's clocks show them."""
    times = itertools.islice(schedule.after(since), n)
    return [f"{due.astimezone(schedule.tzinfo):%m-%d %H:%M}" for due in times]


def refused(schedule: Schedule) -> str:
    with pytest.raises(InputError) as error:
        due_times.check(schedule, START)
    return error.value.message_id


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("cron", CRONS)
def test_they_rise_and_are_the_same_from_whichever_moment_they_are_asked_for(
    zone: str, cron: str
) -> None:
    dice, schedule = random.Random(1), Schedule(zone=zone, cron=cron)
    for start in CHANGES:
        end = start + 5 * DAY
        known = list(itertools.takewhile(lambda due: due < end, schedule.after(start)))  # noqa: B023
        assert known == sorted(set(known))
        for _ in range(5):
            asked = start + dice.random() * 5 * DAY
            found = itertools.takewhile(lambda due: due < end, schedule.after(asked))  # noqa: B023
            assert list(found) == [due for due in known if due > asked]


def test_a_time_that_the_clocks_skip_comes_after_it_and_one_that_comes_twice_comes_once() -> None:
    berlin = Schedule(zone="Europe/Berlin", cron="30 2 * * *")

    assert firsts(berlin, 3, datetime(2026, 3, 28, tzinfo=UTC)) == [
        "03-28 02:30",
        "03-29 03:00",
        "03-30 02:30",
    ]
    assert firsts(berlin, 3, datetime(2026, 10, 24, tzinfo=UTC)) == [
        "10-24 02:30",
        "10-25 02:30",
        "10-26 02:30",
    ]


def test_days_from_until_and_left_out_are_those_of_the_zone() -> None:
    exceptions = due_times.parse_exceptions(["2026-12-25..2026-12-26", "2026-12-24"], None)
    daily = shanghai(
        "0 0 * * *", first=date(2026, 12, 23), last=date(2026, 12, 28), exceptions=exceptions
    )

    assert firsts(daily, 9) == ["12-23 00:00", "12-27 00:00", "12-28 00:00"]
    assert due_times.check(daily, START) == datetime(2026, 12, 22, 16, tzinfo=UTC)


def test_day_of_the_month_and_weekday_are_read_as_cron_does() -> None:
    assert firsts(shanghai("0 20 * * 5"), 2) == ["12-04 20:00", "12-11 20:00"]
    # Either; but both where one begins with a star.
    assert firsts(shanghai("0 9 13 * 5"), 3) == ["12-04 09:00", "12-11 09:00", "12-13 09:00"]


@pytest.mark.parametrize(
    ("cron", "message_id"),
    [
        ("0 20 * *", "error.campaign.cron_fields"),
        ("0 0 20 * * 5", "error.campaign.cron_fields"),
        ("@daily", "error.campaign.cron_fields"),
        ("0 25 * * *", "error.campaign.cron"),
        ("x y z 1 2", "error.campaign.cron"),
        ("0 0 30 2 *", "error.campaign.cron_no_day"),
        ("0 0 32 2 *", "error.campaign.cron"),
        ("0 0 1 1 5#6", "error.campaign.cron"),
    ],
)
def test_what_is_no_cron_expression_or_no_day_is_refused(cron: str, message_id: str) -> None:
    assert refused(shanghai(cron)) == message_id


def test_what_is_never_due_is_refused() -> None:
    everything = due_times.parse_exceptions(["2026-01-01..2027-12-31"], None)

    assert refused(shanghai("0 9 * * *", last=date(2026, 11, 30))) == "error.campaign.never_due"
    assert (
        refused(shanghai("0 9 * * *", last=date(2027, 12, 31), exceptions=everything))
        == "error.campaign.never_due"
    )
    assert refused(Schedule(zone="Asia/Shanghai", at=START)) == "error.campaign.at_past"


@pytest.mark.parametrize("text", ["2026-13-01", "yesterday", "", "2026-12-01..", "..2026-12-01"])
def test_what_is_no_day_is_refused(text: str) -> None:
    if text == "2026-12-01..":
        assert str(due_times.parse_exceptions([text], None)[0]) == "2026-12-01"
        return
    with pytest.raises(InputError) as error:
        due_times.parse_exceptions([text], None)
    assert error.value.message_id == "error.campaign.day"


def test_a_person_writes_days_without_a_year_or_by_a_word() -> None:
    said = due_times.parse_exceptions(["明天", "12-31..01-02", "2027年2月1日"], date(2026, 12, 24))

    assert list(map(str, said)) == ["2026-12-25", "2026-12-31..2027-01-02", "2027-02-01"]
    assert due_times.parse_day("12-24", date(2026, 12, 24)) == date(2026, 12, 24)


def test_days_that_end_before_they_begin_are_refused() -> None:
    with pytest.raises(InputError) as error:
        due_times.parse_exceptions(["2026-12-25..2026-12-24"], None)
    assert error.value.message_id == "error.campaign.days_backwards"


def test_days_of_a_year_back_to_ten_years_ahead_are_taken() -> None:
    today = date(2026, 12, 1)
    for day in (date(2025, 12, 1), today, date(2036, 12, 1)):
        due_times.check_day(day, today)
    for day in (date.min, date(2025, 11, 1), date(2037, 1, 1), date.max):
        with pytest.raises(InputError) as error:
            due_times.check_day(day, today)
        assert error.value.message_id == "error.campaign.day_range"


def test_a_due_time_is_written_with_its_offset_where_it_comes_twice() -> None:
    schedule = Schedule(zone="Europe/Berlin", cron="*/30 * * * *")
    since = datetime(2027, 10, 31, 0, 29, tzinfo=UTC)

    written = [schedule.written(due) for due in itertools.islice(schedule.after(since), 4)]

    assert written == [
        "2027-10-31 02:30+02:00",
        "2027-10-31 02:00+01:00",
        "2027-10-31 02:30+01:00",
        "2027-10-31 03:00",
    ]


def test_days_that_are_left_out_for_ever_end_the_due_times() -> None:
    for_ever = due_times.parse_exceptions(["2026-12-03..9999-12-31"], None)

    assert firsts(shanghai("0 9 * * *", exceptions=for_ever), 5) == ["12-01 09:00", "12-02 09:00"]


@pytest.mark.parametrize("zone", ["Asia/Peking", "", "../etc/passwd", "Asia"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(InputError):
        due_times.zone_here(zone)


def test_a_local_time_that_does_not_exist_or_comes_twice_is_refused() -> None:
    one = due_times.moment_in(datetime(2026, 12, 1, 20), "Asia/Shanghai")  # noqa: DTZ001 - local
    assert one == datetime(2026, 12, 1, 12, tzinfo=UTC)
    for local, name in (
        (datetime(2026, 3, 29, 2, 30), "time_skipped"),  # noqa: DTZ001
        (datetime(2026, 10, 25, 2, 30), "time_twice"),  # noqa: DTZ001
    ):
        with pytest.raises(InputError) as error:
            due_times.moment_in(local, "Europe/Berlin")
        assert error.value.message_id == f"error.campaign.{name}"
