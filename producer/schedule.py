"""When a broadcast shall start, as a person writes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from broadcast import day
from broadcast.errors import InputError
from broadcast.shown import quoted

#: Beyond it a mistyped year is likelier than a plan.
FARTHEST = timedelta(days=366)
#: From here on a machine's clock is off, and not only the answer of the database slow.
CLOCK_OFF = timedelta(seconds=5)
#: Characters of what is no time that are shown.
_SHOWN: Final = 60


def parse_at(text: str) -> datetime:
    """Return the moment (UTC) that *text* names, past or to come.

    *text* is ISO 8601 or ``YYYY-MM-DD HH:MM``; without a zone it is Shanghai's, the account's own.
    Raises InputError.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=day.SHANGHAI)
        # A moment at the edge of the calendar has no time in every zone.
        utc = zoned.astimezone(day.SHANGHAI).astimezone(UTC)
    except (ValueError, OverflowError):
        utc = None
    # A date alone is midnight to the parser, and hardly ever to the person.
    if utc is None or (":" not in text and "T" not in text.upper()):
        raise InputError("error.at.unreadable", text=quoted(text, _SHOWN))
    return utc


def refuse_what_is_not_ahead(at: datetime, *, now: datetime, machine_now: datetime) -> None:
    """Raise InputError where *at* is not after *now*, or more than a year after it.

    *now* is the database's moment, which alone decides; *machine_now* is what this machine takes
    for it: a refusal says if this machine's clock is off.
    """
    if at > now + FARTHEST:
        raise InputError("error.at.far", at=_local(at), bound=_local(now + FARTHEST))
    if at > now:
        return
    off = machine_now - now
    if abs(off) <= CLOCK_OFF:
        raise InputError("error.at.past", at=_local(at))
    raise InputError(
        "error.at.past_slow" if off < timedelta(0) else "error.at.past_fast",
        at=_local(at), now=_local(now, "%Y-%m-%d %H:%M:%S"), off=_span(abs(off)),
    )  # fmt: skip


def _local(moment: datetime, form: str = "%Y-%m-%d %H:%M") -> str:
    return moment.astimezone(day.SHANGHAI).strftime(form)


def _span(span: timedelta) -> str:
    """Return a span as h:mm:ss."""
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
