"""Moments ahead of the clock by which a test runs, whatever day it is."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

BEIJING = ZoneInfo("Asia/Shanghai")
FRIDAY, SUNDAY = 4, 6


def ahead(days: int, at: str = "20:00") -> datetime:
    """Return the time *at* of Beijing on the day that comes in so many days."""
    day = datetime.now(BEIJING).date() + timedelta(days)
    return datetime.combine(day, time.fromisoformat(at), BEIJING)


def next_friday(at: str = "20:00") -> datetime:
    """Return the time *at* of Beijing on the next Friday that is a day ahead or more."""
    tomorrow = ahead(1, at)
    return tomorrow + timedelta((FRIDAY - tomorrow.weekday()) % 7)


def typed(moment: datetime) -> str:
    """Return *moment* as a person types it after ``--at``."""
    return f"{moment.astimezone(BEIJING):%Y-%m-%d %H:%M}"


def in_utc(moment: datetime, *, timespec: str = "seconds") -> str:
    """Return *moment* as an answer to a program has it."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def last_sunday_of(month: int) -> date:
    """Return the next last Sunday of *month* that is ahead: Europe changes its clocks on it."""
    today = datetime.now(BEIJING).date()
    for year in (today.year, today.year + 1):
        # The months of the change have 31 days.
        last = date(year, month, 31)
        sunday = last - timedelta((last.weekday() - SUNDAY) % 7)
        if sunday > today + timedelta(1):
            return sunday
    raise AssertionError(month)
