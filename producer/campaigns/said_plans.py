"""What is said of a campaign, by a command or a program, and whether its runs could be sent."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Engine

from broadcast.day import SHANGHAI
from broadcast.errors import InputError, RequestError, about
from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.rules.accounts import Account, check_kind_allows
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.campaigns import due_times
from broadcast.rules.campaigns.campaign import CampaignPlan
from broadcast.rules.campaigns.due_times import Schedule
from broadcast.rules.campaigns.launches import Missed, Overlap, Policy
from broadcast.rules.campaigns.template import Template
from broadcast.settings.program_settings import Settings
from models.ledger.rows.transaction import present
from producer.campaigns.campaign_forms import ByPerson, CampaignMembers
from producer.request import shape
from producer.request.meaning import (
    ParsedRequest,
    checked_late_by,
    parsed_request,
    refuse_what_is_not_so,
)
from producer.request.shape import ListToCome, OpenIDList, SendRequest
from producer.submit.order import LONGEST_TITLE, new_key, parse_at

#: Stands for a draft that is found at each run.
A_DRAFT: Final = "A" * 43
#: Takes a value away in an edit.
NONE: Final = "none"
_SHOWN: Final = 40
_PER_CENT: Final = re.compile(r"(\d{1,4})\s*%?")
#: Of the request of each run.
_OF_A_RUN: Final = frozenset(SendRequest.model_fields) - {"account", "at", "late_by"}
#: Another audience has its own.
_NARROWING: Final = frozenset(
    {
        "exclude",
        "only_current",
        "sample",
        "with_tag",
        "ignore_suppression",
    }
)


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


def plan_of(
    said: CampaignMembers,
    account: Account,
    old: CampaignPlan | None,
    *,
    settings: Settings,
    engine: Engine,
    person: ByPerson | None = None,
) -> CampaignPlan:
    """Return the plan, checked; what is not said is as in *old*.

    *person*: what a person says beside the members; None: a program says them. Raises InputError,
    for a program also where a person is asked.
    """
    now = present(engine)
    if said.account not in {None, account.name}:
        raise RequestError("error.campaign.account", field="account", account=account.name)
    schedule, policy, template = None, Policy(late_by=settings.late_by), None
    if old is not None:
        schedule, policy, template = old.schedule, old.policy, old.template
    plan = CampaignPlan(
        account=account.name,
        schedule=_schedule(said, schedule, now=now, by_person=person is not None),
        policy=_policy(said, policy),
        template=_template(said, account, template, person=person or ByPerson()),
    )
    refuse_what_is_not_so(_first_run(plan, settings, now=now), settings=settings, engine=engine)
    if person is None and next(plan.schedule.after(now), now) - now > due_times.FAR:
        raise InputError("error.campaign.far", field="at" if plan.schedule.at else "cron")
    return plan


def _template(
    said: CampaignMembers, account: Account, old: Template | None, *, person: ByPerson
) -> Template:
    found = old or Template(request={"account": account.name})
    given = said.model_dump(mode="json", include=set(_OF_A_RUN & said.model_fields_set))
    if "audience" in given:
        if person.audience_file is None and isinstance(said.audience, OpenIDList | ListToCome):
            raise RequestError("error.campaign.list", field="audience")
        if not _is_same_audience(found, given, person.audience_file):
            _refuse_lost(found, given, person)
            kept = {name: one for name, one in found.request.items() if name not in _NARROWING}
            found = replace(found, request=kept, exclude_files=())
        found = replace(found, audience_file=person.audience_file)
    if person.exclude_files is not None:
        found = replace(found, exclude_files=tuple(person.exclude_files))
    has_content = person.article_file or {"content", "draft"} & said.model_fields_set
    if old is None and not has_content:
        raise RequestError("error.request.missing", field="content")
    if has_content:
        given["content"] = said.content
        found = replace(found, draft_title=said.draft, article_file=person.article_file)
    return replace(found, request={**found.request, **given})


def _is_same_audience(old: Template, given: Mapping[str, Any], file: str | None) -> bool:
    """Return whether the audience that is given is the one there was, of the same tag or none."""
    names = ("audience", "with_tag")
    is_same = all(old.request.get(name) == given.get(name) for name in names)
    return is_same and old.audience_file == file


def _refuse_lost(old: Template, given: Mapping[str, Any], person: ByPerson) -> None:
    """Raise InputError where another audience would go to more people than anybody named."""
    excluded = [*old.request.get("exclude", ()), *(f"file:{one}" for one in old.exclude_files)]
    if excluded and "exclude" not in given and person.exclude_files is None:
        raise InputError(
            "error.campaign.loses_exclude", field="exclude", excluded=", ".join(excluded)
        )
    sample = old.request.get("sample")
    if sample is not None and "sample" not in given:
        raise InputError("error.campaign.loses_sample", field="sample", sample=sample)


def _schedule(
    said: CampaignMembers, old: Schedule | None, *, now: datetime, by_person: bool
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
    tzinfo = due_times.zone_here(zone, problem="error.campaign.zone")
    if said.at is not None:
        known = replace(known, at=moment(said.at, zone, now=now if by_person else None), cron=None)
    elif said.cron is not None:
        known = replace(known, cron=" ".join(said.cron.split()), at=None)
    here = now.astimezone(tzinfo).date()
    today = here if by_person else None
    if said.exceptions is not None:
        days = (one for one in said.exceptions if one != NONE)
        with about("except"):
            known = replace(known, exceptions=due_times.parse_exceptions(days, today))
    with about("from"):
        first = _day(said.first, known.first, today)
    with about("until"):
        last = _day(said.last, known.last, today)
    found = replace(known, zone=zone, first=first, last=last)
    if found.at is not None and (said.first or said.last or said.exceptions):
        raise InputError(
            "error.usage.belongs_to",
            option="--from, --until, --except",
            needed="--cron",
            field="from" if said.first else "until" if said.last else "except",
        )
    for field, day in _said_days(said, found, now):
        with about(field):
            due_times.check_day(day, here)
    if found != old:
        # The time of a run that is held is past, and what it sends can still be changed.
        due_times.check(found, now)
    return found


def _said_days(said: CampaignMembers, found: Schedule, now: datetime) -> Iterator[tuple[str, date]]:
    """Yield the days that are said, each after its member; those that are stored may be older."""
    if said.at is not None and found.at is not None:
        yield "at", max(found.at, now).date()
    for field, text, day in (("from", said.first, found.first), ("until", said.last, found.last)):
        if text is not None and day is not None:
            yield field, day
    for one in found.exceptions if said.exceptions is not None else ():
        yield from (("except", one.first), ("except", one.last))


def _day(text: str | None, old: date | None, today: date | None) -> date | None:
    if text is None:
        return old
    return None if text == NONE else due_times.parse_day(text, today)


def moment(text: str, zone: str, *, now: datetime | None, option: str = "--at") -> datetime:
    """Return the moment (UTC) of a time in *zone*, unless it names another. Raises InputError.

    *now*: a person wrote it; None: a program did.
    """
    with about(option.removeprefix("--")):
        # Only a run that was due has become a held one.
        found = parse_at(text, now=now, option=option, back=option == "--due")
        return _moment(found, text, zone)


def _moment(found: datetime, text: str, zone: str) -> datetime:
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


def _policy(said: CampaignMembers, old: Policy) -> Policy:
    late_by = said.late_by
    given: dict[str, Any] = {} if late_by is None else {"late_by": checked_late_by(late_by)}
    for name, kind in (("missed", Missed), ("overlap", Overlap)):
        word = getattr(said, name)
        if word is not None and word not in set(kind):
            known = ", ".join(kind)
            raise InputError(
                "error.campaign.word",
                field=name,
                option=f"--{name}",
                text=one_line(word)[:_SHOWN],
                known=known,
            )
        given |= {} if word is None else {name: kind(word)}
    if said.size_brake is not None:
        given["size_brake"] = _per_cent(said.size_brake)
    return replace(old, **given)


def _per_cent(text: str) -> int:
    found = _PER_CENT.fullmatch(text.strip())
    if found is None:
        raise InputError("error.campaign.brake", text=one_line(text)[:_SHOWN])
    return int(found[1])


def doubts_of(plan: CampaignPlan, *, settings: Settings, engine: Engine) -> Sequence[Message]:
    """Return what a send of the content of the first run would be warned of."""
    return _first_run(plan, settings, now=present(engine)).order.content.notices


def _first_run(plan: CampaignPlan, settings: Settings, *, now: datetime) -> ParsedRequest:
    """Return the request of the first run. Raises InputError where it would be refused.

    As far as is known without WeChat and files.
    """
    first = plan.schedule.at or due_times.check(plan.schedule, now)
    template = plan.rendered(first)
    if template.article_file is not None or template.draft_title is not None:
        template = template.with_draft(A_DRAFT)
    elif plan.schedule.cron is not None and "mpnews" in template.request["content"]:
        raise InputError("error.campaign.fixed_draft")
    request = shape.parse(template.request)
    found = parsed_request(request, key=new_key(), who="", settings=settings)
    target = found.target
    path = SendPath.MASS_SEND if isinstance(target, OpenIDList | ListToCome) else target.path
    check_kind_allows(found.order.account, path)
    return found
