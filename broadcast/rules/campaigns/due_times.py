"""Due times: once, or by a cron expression in a time zone, between days and but for days.

CronSim reads the expression as Debian's cron does, where the two differ from others: a time in the
hour that summer time repeats comes once, one in the hour that it skips comes right after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from cronsim.cronsim import FIELD_NAMES

from broadcast import day
from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.quoting import quoted

#: Minute, hour, day of the month, month, day of the week.
FIELDS: Final = 5
#: A first due time that is further away is likelier a slip than a plan.
FAR: Final = timedelta(days=396)
#: Days that are further from today are slips: nobody plans for them.
_DAYS_BEFORE: Final = 366
_DAYS_AFTER: Final = 3_653
_SHOWN: Final = 60
_DAY_FIELD: Final = 3
_DAY: Final = timedelta(days=1)
_LEAST: Final = timedelta(seconds=1)


@frozen
class Days:
    """Days of the calendar, from the first to the last."""

    first: date
    last: date

    def __str__(self) -> str:
        """Return them as they are written: ``2026-12-25`` or ``2026-12-25..2026-12-28``."""
        return f"{self.first}" if self.first == self.last else f"{self.first}..{self.last}"


@frozen
class Schedule:
    """When a campaign is due. Days are those of its zone."""

    zone: str
    #: The one due time; None: it has a cron expression.
    at: datetime | None = None
    cron: str | None = None
    first: date | None = None
    last: date | None = None
    exceptions: tuple[Days, ...] = ()

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the due times after *moment* (aware), the next first, in UTC.

        They are the same from whichever moment on they are asked for. Raises InputError where they
        cannot be worked out.
        """
        try:
            yield from self._after(moment)
        except OverflowError:
            raise InputError("error.campaign.no_times", zone=self.zone) from None

    def _after(self, moment: datetime) -> Iterator[datetime]:
        if self.at is not None:
            yield from [self.at] if self.at > moment else []
            return
        known = moment
        if self.first is not None:
            known = max(known, self._midnight(self.first) - _LEAST)
        while True:
            for fire in CronSim(self.cron or "", known.astimezone(self.tzinfo)):
                if self.last is not None and fire.date() > self.last:
                    return
                left_out = self._exception(fire.date())
                if left_out is not None and left_out.last == date.max:
                    return
                if left_out is not None:
                    known = max(known, self._midnight(left_out.last + _DAY) - _LEAST)
                    break
                due = fire.astimezone(UTC)
                # From within the repeated hour on, its first time comes again.
                if due > known:
                    known = due
                    yield due
            else:
                return

    def written(self, due: datetime) -> str:
        """Return a due time as ``--due`` takes it, with its offset where it comes twice.

        In UTC where this machine lacks the zone.
        """
        try:
            local = due.astimezone(self.tzinfo)
        except InputError:
            return due.astimezone(UTC).isoformat(sep=" ", timespec="minutes")
        if local.replace(fold=1 - local.fold).utcoffset() != local.utcoffset():
            return local.isoformat(sep=" ", timespec="minutes")
        return f"{local:%Y-%m-%d %H:%M}"

    @property
    def tzinfo(self) -> ZoneInfo:
        """The zone. Raises InputError where this machine lacks it."""
        return zone_here(self.zone)

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), tzinfo=self.tzinfo).astimezone(UTC)

    def _exception(self, day: date) -> Days | None:
        return next((one for one in self.exceptions if one.first <= day <= one.last), None)


def parse_exceptions(texts: Iterable[str], today: date | None) -> tuple[Days, ...]:
    """Return the days that are left out. Raises InputError."""
    return tuple(sorted((_days(text, today) for text in texts), key=lambda one: one.first))


def _days(text: str, today: date | None) -> Days:
    first, _, last = text.strip().partition("..")
    begin = parse_day(first, today)
    end = parse_day(last, today) if last else begin
    if end < begin:
        raise InputError("error.campaign.days_backwards", text=quoted(text, _SHOWN))
    return Days(first=begin, last=end)


def parse_day(text: str, today: date | None) -> date:
    """Return the day that *text* names, such as ``2026-12-25``. Raises InputError.

    *today*: a person wrote it, also as ``tomorrow`` or ``12-25``; None: a program did.
    """
    try:
        if today is not None:
            return day.written_day(text, today)
        return date.fromisoformat(text.strip())
    except ValueError:
        raise InputError("error.campaign.day", text=quoted(text, _SHOWN)) from None


def check_day(one: date, today: date) -> None:
    """Raise InputError for a day that is further than a year back, or than ten years ahead."""
    if not -_DAYS_BEFORE <= (one - today).days <= _DAYS_AFTER:
        raise InputError("error.campaign.day_range", day=str(one))


def zone_here(zone: str, *, problem: str = "error.campaign.no_times") -> ZoneInfo:
    """Return a time zone. Raises InputError where this machine lacks it, by the id *problem*.

    That of a stored campaign was there once.
    """
    try:
        return ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise InputError(problem, zone=quoted(zone, _SHOWN)) from None


def check(schedule: Schedule, now: datetime) -> datetime:
    """Return the first due time after *now*. Raises InputError where there will be none.

    Also for an expression that is none: five fields, as cron has them.
    """
    if schedule.cron is not None:
        _check_cron(schedule.cron, now)
    first = next(schedule.after(now), None)
    if first is None:
        raise InputError("error.campaign.never_due" if schedule.cron else "error.campaign.at_past")
    return first


def _check_cron(cron: str, now: datetime) -> None:
    # CronSim takes a sixth field for seconds, and other programs have it at the other end.
    fields = cron.split()
    if len(fields) != FIELDS:
        raise InputError("error.campaign.cron_fields", text=quoted(cron, _SHOWN), n=len(fields))
    try:
        first = next(iter(CronSim(cron, now)), None)
    except CronSimError as error:
        n = FIELD_NAMES.index(str(error).removeprefix("Bad "))
        if n == _DAY_FIELD:
            _refuse_day(*fields[2:4], now=now)
        raise InputError("error.campaign.cron", text=quoted(cron, _SHOWN), n=n) from None
    if first is None:
        raise InputError("error.campaign.cron_never", text=quoted(cron, _SHOWN))


def _refuse_day(days: str, months: str, *, now: datetime) -> None:
    """Raise InputError for days that other months have; CronSim does not say which is wrong."""
    with suppress(CronSimError):
        CronSim(f"0 0 {days} * *", now)
        CronSim(f"0 0 * {months} *", now)
        raise InputError("error.campaign.cron_no_day", day=days, month=months)


def moment_in(local: datetime, zone: str) -> datetime:
    """Return the moment (UTC) of a local time without a zone.

    Raises InputError for one that the zone's clocks skip, or show twice.
    """
    zoned = local.replace(tzinfo=ZoneInfo(zone), fold=0)
    earlier, later = zoned.utcoffset(), zoned.replace(fold=1).utcoffset()
    if earlier is None or later is None or earlier == later:
        return zoned.astimezone(UTC)
    problem = "skipped" if earlier < later else "twice"
    offsets = [zoned.isoformat(), zoned.replace(fold=1).isoformat()]
    raise InputError(
        f"error.campaign.time_{problem}",
        time=f"{local:%Y-%m-%d %H:%M}",
        zone=zone,
        offsets=offsets,
    )
