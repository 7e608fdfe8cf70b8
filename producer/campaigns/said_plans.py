"""What is said of a campaign, by a command or a program, and whether its runs could be sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from broadcast.day import SHANGHAI
from broadcast.errors import InputError
from broadcast.quoting import one_line
from broadcast.rules.accounts import Account, check_kind_allows
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.campaigns import due_times
from broadcast.rules.campaigns.campaign import CampaignPlan
from broadcast.rules.campaigns.due_times import Schedule
from broadcast.rules.campaigns.launches import Missed, Overlap, Policy
from broadcast.rules.campaigns.variables import rendered_template
from broadcast.settings.program_settings import Settings
from producer.campaigns import template as templates
from producer.request import shape
from producer.request.meaning import ParsedRequest, parsed_request
from producer.request.shape import ListToCome, OpenIDList
from producer.submit.order import LONGEST_TITLE, new_key, parse_at

#: Stands for a draft that is found at each run.
A_DRAFT: Final = "A" * 43
#: Takes a value away in an edit.
NONE: Final = "none"
_SHOWN: Final = 40
_PER_CENT: Final = re.compile(r"(\d{1,4})\s*%?")


class TimesSaid(Protocol):
    """When a campaign is due, as it is written; None: it is not said."""

    @property
    def cron(self) -> str | None:
        """Minute, hour, day of the month, month, day of the week."""

    @property
    def at(self) -> str | None:
        """The one time."""

    @property
    def timezone(self) -> str | None:
        """The zone of both."""

    @property
    def first(self) -> str | None:
        """The first day."""

    @property
    def last(self) -> str | None:
        """The last day."""

    @property
    def exceptions(self) -> Sequence[str] | None:
        """Days that are left out."""


class PolicySaid(Protocol):
    """What becomes of a run that cannot be as planned; None: it is not said."""

    @property
    def missed(self) -> str | None:
        """A word of ``Missed``."""

    @property
    def overlap(self) -> str | None:
        """A word of ``Overlap``."""

    @property
    def size_brake(self) -> str | None:
        """A share, as ``30%``."""


def check_name(name: str) -> None:
    """Raise InputError for a name that no campaign can have."""
    # As an argument it would be read as an option.
    if not is_name(name) or name.startswith("-"):
        raise InputError("error.campaign.name", most=LONGEST_TITLE)


def is_name(name: str) -> bool:
    """Return whether a campaign can have this name."""
    is_plain = name.strip() == name and name.isprintable() and 0 < len(name) <= LONGEST_TITLE
    # It stands in addresses.
    return is_plain and "/" not in name and name not in {".", ".."}


def schedule_of(
    said: TimesSaid, old: Schedule | None, *, now: datetime, by_person: bool = True
) -> Schedule:
    """Return the schedule; what is not said is as in *old*. Raises InputError.

    Not *by_person*: its time and its days are ISO 8601.
    """
    if said.cron is not None and said.at is not None:
        raise InputError("error.campaign.two_times")
    if old is None and said.cron is None and said.at is None:
        raise InputError("error.campaign.no_time")
    known = old or Schedule(zone=SHANGHAI.key)
    zone = known.zone if said.timezone is None else said.timezone
    due_times.check_zone(zone)
    if said.at is not None:
        known = replace(known, at=moment(said.at, zone, now=now if by_person else None), cron=None)
    elif said.cron is not None:
        known = replace(known, cron=" ".join(said.cron.split()), at=None)
    here = now.astimezone(ZoneInfo(zone)).date()
    today = here if by_person else None
    if said.exceptions is not None:
        days = (one for one in said.exceptions if one != NONE)
        known = replace(known, exceptions=due_times.parse_exceptions(days, today))
    found = replace(
        known, zone=zone, first=_day(said.first, known.first, today),
        last=_day(said.last, known.last, today),
    )  # fmt: skip
    if found.at is not None and (said.first or said.last or said.exceptions):
        needed = "--cron"
        raise InputError(
            "error.usage.belongs_to", option="--from, --until, --except", needed=needed
        )
    due_times.check_days(_said_days(said, found, now), here)
    if found != old:
        # The time of a run that is held is past, and what it sends can still be changed.
        due_times.check(found, now)
    return found


def _said_days(said: TimesSaid, found: Schedule, now: datetime) -> Iterator[date]:
    """Yield the days that are said; those that are stored may be older."""
    if said.at is not None and found.at is not None:
        yield max(found.at, now).date()
    if said.first is not None and found.first is not None:
        yield found.first
    if said.last is not None and found.last is not None:
        yield found.last
    for one in found.exceptions if said.exceptions is not None else ():
        yield from (one.first, one.last)


def _day(text: str | None, old: date | None, today: date | None) -> date | None:
    if text is None:
        return old
    return None if text == NONE else due_times.parse_day(text, today)


def moment(text: str, zone: str, *, now: datetime | None, option: str = "--at") -> datetime:
    """Return the moment (UTC) of a time in *zone*, unless it names another. Raises InputError.

    *now*: a person wrote it; None: a program did.
    """
    found = parse_at(text, now=now, option=option)
    try:
        is_zoned = datetime.fromisoformat(text.strip()).tzinfo is not None
    except ValueError:
        is_zoned = False
    if is_zoned:
        return found
    local = found.astimezone(SHANGHAI).replace(tzinfo=None)
    try:
        return due_times.moment_in(local, zone)
    except OverflowError:
        raise InputError("error.campaign.day_range", day=str(local.date())) from None


def policy_of(said: PolicySaid, old: Policy, *, late_by: timedelta | None) -> Policy:
    """Return the policy; what is not said is as in *old*. Raises InputError."""
    given: dict[str, Any] = {} if late_by is None else {"late_by": late_by}
    for name, kind in (("missed", Missed), ("overlap", Overlap)):
        word = getattr(said, name)
        if word is not None and word not in set(kind):
            known = ", ".join(kind)
            raise InputError(
                "error.campaign.word", option=f"--{name}", text=one_line(word)[:_SHOWN],
                known=known,
            )  # fmt: skip
        given |= {} if word is None else {name: kind(word)}
    if said.size_brake is not None:
        given["size_brake"] = _per_cent(said.size_brake)
    return replace(old, **given)


def _per_cent(text: str) -> int:
    found = _PER_CENT.fullmatch(text.strip())
    if found is None:
        raise InputError("error.campaign.brake", text=one_line(text)[:_SHOWN])
    return int(found[1])


def check(
    plan: CampaignPlan, account: Account, *, settings: Settings, who: str, now: datetime
) -> ParsedRequest:
    """Return the request of the first run. Raises InputError where it would be refused.

    As far as is known without WeChat and files.
    """
    first = plan.schedule.at or due_times.check(plan.schedule, now)
    template = templates.load(rendered_template(plan.template, first, plan.schedule.zone))
    if template.article_file is not None or template.draft_title is not None:
        template = template.with_draft(A_DRAFT)
    elif plan.schedule.cron is not None and "mpnews" in template.request["content"]:
        raise InputError("error.campaign.fixed_draft")
    request = shape.parse(template.request)
    found = parsed_request(request, key=new_key(), who=who, settings=settings)
    match found.target:
        case OpenIDList() | ListToCome():
            check_kind_allows(account, SendPath.MASS_SEND)
        case _:
            check_kind_allows(account, found.target.path)
    return found
