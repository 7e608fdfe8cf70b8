"""When a broadcast shall start, as a person writes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from broadcast import day
from broadcast.errors import InputError

#: Beyond it a mistyped year is likelier than a plan.
FARTHEST = timedelta(days=366)


def parse_at(text: str, *, now: datetime) -> datetime:
    """Return the moment (UTC) that *text* names, after *now* and within a year.

    *text* is ISO 8601 or ``YYYY-MM-DD HH:MM``; without a zone it is Shanghai's, the account's own.
    Raises InputError.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=day.SHANGHAI)
        utc = zoned.astimezone(UTC)
    except (ValueError, OverflowError):
        utc = None
    # A date alone is midnight to the parser, and hardly ever to the person.
    if utc is None or (":" not in text and "T" not in text.upper()):
        raise InputError("error.at.unreadable", text=" ".join(text.split())[:60])
    if utc <= now:
        raise InputError("error.at.past", at=_local(utc))
    if utc > now + FARTHEST:
        raise InputError("error.at.far", at=_local(utc), bound=_local(now + FARTHEST))
    return utc


def _local(moment: datetime) -> str:
    return moment.astimezone(day.SHANGHAI).strftime("%Y-%m-%d %H:%M")
