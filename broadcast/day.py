"""WeChat's day, which turns at 00:00 in Shanghai (WeChat page Batch_Sends); times as text."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Final
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


#: Words for a day, in days from today.
DAYS: Final = {
    "yesterday": -1,
    "today": 0,
    "tomorrow": 1,
    "前天": -2,
    "昨天": -1,
    "今天": 0,
    "明天": 1,
    "后天": 2,
}
_YEAR, _MONTH, _DAY = "年月日"
_COLONS = ":："
_ON = (
    rf"(?:(?P<word>{'|'.join(DAYS)})"
    rf"|(?:(?P<year>\d{{4}})[-/.{_YEAR}])?(?P<month>\d{{1,2}})[-/.{_MONTH}](?P<day>\d{{1,2}}){_DAY}?)"
)
_AT = rf"(?P<hour>\d{{1,2}})[{_COLONS}](?P<minute>\d{{2}})"
_WRITTEN_DAY = re.compile(_ON, re.IGNORECASE)
#: Digits that follow digits need a blank between them, and a day of digits alone its year.
_WRITTEN = re.compile(rf"(?:(?!\d\d?[-/.]){_ON}(?:\s+|(?<!\d)))?{_AT}", re.IGNORECASE)


def written_moment(text: str, now: datetime, *, back: bool = False) -> datetime:
    """Return the moment in Shanghai that a person wrote, such as ``23:30`` or ``明天 8:00``.

    A time alone is one of today, past or to come, as of *now* (aware); *back* as in
    :func:`written_day`. Raises ValueError.
    """
    found = _found(_WRITTEN, text)
    at = time(int(found["hour"]), int(found["minute"]))
    on = _day(found, now.astimezone(SHANGHAI).date(), back=back)
    return datetime.combine(on, at, tzinfo=SHANGHAI)


def written_day(text: str, today: date, *, back: bool = False) -> date:
    """Return the day that a person wrote, such as ``昨天`` or ``12-24``. Raises ValueError.

    One without a year is the next, of which today is the first; *back*: the last, as of today.
    """
    return _day(_found(_WRITTEN_DAY, text), today, back=back)


def _found(form: re.Pattern[str], text: str) -> re.Match[str]:
    found = form.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is no time")
    return found


def _day(found: re.Match[str], today: date, *, back: bool) -> date:
    if found["month"]:
        on = month, day = int(found["month"]), int(found["day"])
        here = today.month, today.day
        year = found["year"] or today.year + (-(on > here) if back else on < here)
        return date(int(year), month, day)
    days = DAYS[(found["word"] or "today").lower()]
    return today + timedelta(days=days)


def is_night(moment: datetime) -> bool:
    """Return whether it is night in Shanghai at *moment*: 22:00 to 08:00."""
    return not 8 <= moment.astimezone(SHANGHAI).hour < 22  # noqa: PLR2004 - as written above


def first_of(*moments: datetime | None) -> datetime | None:
    """Return the first of the moments that are there."""
    return min((moment for moment in moments if moment is not None), default=None)


def last_of(*moments: datetime | None) -> datetime | None:
    """Return the last of the moments that are there."""
    return max((moment for moment in moments if moment is not None), default=None)


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
