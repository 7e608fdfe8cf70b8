"""When a broadcast shall start, as a person writes it."""

from __future__ import annotations

from datetime import UTC, datetime

from broadcast import day
from broadcast.errors import InputError


def parse_at(text: str, *, now: datetime) -> datetime:
    """Return the moment (UTC) that *text* names, which must lie after *now*.

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
        local = utc.astimezone(day.SHANGHAI).strftime("%Y-%m-%d %H:%M")
        raise InputError("error.at.past", at=local)
    return utc
