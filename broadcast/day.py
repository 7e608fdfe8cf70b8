"""WeChat's day, which turns at 00:00 in Shanghai (WeChat page Batch_Sends); durations as text."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")


def start(moment: datetime) -> datetime:
    """Return the beginning of the day in which *moment* (aware) lies."""
    return _midnight(moment).astimezone(moment.tzinfo)


def turn(moment: datetime) -> datetime:
    """Return the end of the day in which *moment* (aware) lies."""
    return (_midnight(moment) + timedelta(days=1)).astimezone(moment.tzinfo)


def month_start(moment: datetime) -> datetime:
    """Return the beginning of the calendar month in which *moment* (aware) lies."""
    return _midnight(moment).replace(day=1).astimezone(moment.tzinfo)


def month_turn(moment: datetime) -> datetime:
    """Return the end of the calendar month in which *moment* (aware) lies."""
    first = _midnight(moment).replace(day=1)
    # No month has more than 31 days, and none that follows it fewer than 28.
    return (first + timedelta(days=32)).replace(day=1).astimezone(moment.tzinfo)


def _midnight(moment: datetime) -> datetime:
    """Return the midnight in Shanghai, where days are counted: other places' differ in length."""
    return moment.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)


_PARTS = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
LONGEST = timedelta(days=366)


def in_seconds(value: object) -> object:
    """Return the seconds of a length of time, and a number as it is: it says seconds already."""
    try:
        return int(parse_duration(value).total_seconds())
    except ValueError:
        return value


def parse_duration(text: object) -> timedelta:
    """Return the length that *text* names. Raises ValueError."""
    if isinstance(text, timedelta):
        return text
    found = _PARTS.fullmatch(str(text).strip())
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r} is no length of time")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    if max(days, hours, minutes, seconds) > LONGEST.total_seconds():
        raise ValueError(f"{text!r} is longer than {LONGEST.days} days")
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if length > LONGEST:
        raise ValueError(f"{text!r} is longer than {LONGEST.days} days")
    return length
