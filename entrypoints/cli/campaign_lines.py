"""Campaigns and their runs in lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from broadcast.day import SHANGHAI, is_night
from broadcast.errors import InputError, SettingsError
from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.rules import content as contents
from broadcast.rules.accounts import ANSWERS_WITHIN
from broadcast.rules.campaigns.campaign import Campaign, CampaignPlan, Launch
from broadcast.rules.campaigns.due_times import Days, Schedule
from broadcast.rules.campaigns.launches import CampaignState, LaunchState
from broadcast.rules.campaigns.template import NOTHING, Template
from broadcast.rules.reports import Report
from broadcast.settings.program_settings import Settings
from broadcast.views import delivered, report_lines
from broadcast.views.content import kind
from broadcast.views.words import Joined, Moment, Shortened
from entrypoints.cli import public_holidays
from entrypoints.cli.shell_quoting import command_line
from producer.campaigns.said_plans import NONE

#: Characters of a text that stands beside another one.
_CUT: Final = 12
#: Members of the request that are shown as their options are written.
_OF_A_RUN: Final = ("title", "priority", "spread_days")
NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})


def due_words(due: datetime, zone: str) -> str:
    """Return a due time as ``--due`` takes it."""
    return Schedule(zone=zone).written(due)


def moment_words(due: datetime, zone: str, now: datetime) -> Message | Moment:
    """Return a due time by Beijing's clock, and by that of its own zone where it differs."""
    at = Moment(due, now)
    if zone == SHANGHAI.key:
        return at
    return Message("campaign.at_in_zone", at=at, local=due_words(due, zone), zone=zone)


def summary(campaign: Campaign, now: datetime, runs: Iterable[Launch]) -> Message:
    """Return a campaign in one line, with its next due time; *runs*: at least those held."""
    state = Message(f"campaign.state.{campaign.state.value}")
    facts = {"name": campaign.name, "state": state, "account": campaign.plan.account}
    due = campaign.next_due_at
    if due is None:
        is_held = any(one.state is LaunchState.HELD for one in runs)
        is_over = campaign.state is CampaignState.ENABLED and not is_held
        return Message("campaign.listed_over" if is_over else "campaign.listed", **facts)
    at = moment_words(due, campaign.plan.schedule.zone, now)
    return Message("campaign.listed_past" if due < now else "campaign.listed_next", **facts, at=at)


def by_limit(over: Iterable[Message], first: str | None = None) -> Iterator[Message]:
    """Yield what is beyond a limit: of a campaign and a limit one line, how often and until when.

    Those of the campaign *first* come first.
    """
    each: dict[tuple[str, object], list[Message]] = {}
    for one in over:
        each.setdefault((one.id, one.facts.get("name")), []).append(one)
    for (_, name), found in sorted(each.items(), key=lambda group: group[0][1] != first):
        if name is None or len(found) == 1:
            yield from found
        else:
            last = found[-1].facts["at"]
            yield Message("launches.repeated", first=found[0], n=len(found) - 1, last=last)


def plan_lines(
    plan: CampaignPlan,
    times: Sequence[datetime],
    now: datetime,
    *,
    settings: Settings,
    names: Mapping[str, str] = NO_NAMES,
) -> Iterator[Message]:
    """Yield what is sent to whom, and when; *names*: of files, by their media_ids."""
    schedule, policy = plan.schedule, plan.policy
    yield from request_lines(plan.template, names)
    if schedule.cron is not None:
        yield Message("campaign.cron", cron=schedule.cron, zone=schedule.zone)
    days = [
        Message(f"campaign.days.{name}", day=_day_words(day))
        for name, day in (("first", schedule.first), ("last", schedule.last))
        if day is not None
    ]
    for one in schedule.exceptions:
        first, last = _day_words(one.first), _day_words(one.last)
        name = "but" if one.first == one.last else "but_from"
        days.append(Message(f"campaign.days.{name}", day=first, last=last))
    if days:
        yield Message("campaign.days", days=Joined(days, "comma"))
    yield from next_lines(plan, times, now, settings=settings)
    yield Message(
        "campaign.policy",
        missed=Message(f"campaign.missed.{policy.missed}", late=policy.late_by),
        overlap=Message(f"campaign.overlap.{policy.overlap}"),
        brake=policy.size_brake,
    )


def _day_words(day: date) -> Message:
    weekday = Message(f"weekday.{day.isoweekday()}")
    return public_holidays.beside(Message("campaign.day", date=str(day), weekday=weekday), day)


def next_lines(
    plan: CampaignPlan, times: Iterable[datetime], now: datetime, *, settings: Settings
) -> Iterator[Message]:
    """Yield the next due times, and until when WeChat waits for the administrator then."""
    is_asked = plan.template.to_all and _is_protected(settings, plan.account)
    for due in times:
        at = public_holidays.beside(
            moment_words(due, plan.schedule.zone, now), due.astimezone(SHANGHAI).date()
        )
        until = Moment(due + ANSWERS_WITHIN, now)
        yield Message("campaign.next_asked" if is_asked else "campaign.next", at=at, until=until)


def _is_protected(settings: Settings, account: str) -> bool:
    # A campaign is shown although its account was taken out of the settings.
    with suppress(SettingsError):
        return settings.account(account).send_protection
    return False


def request_lines(template: Template, names: Mapping[str, str]) -> Iterator[Message]:
    """Yield audience and content of a request."""
    yield Message("campaign.whom", whom=whom(template))
    if options := _narrowing_of(template):
        yield Message("campaign.narrowed", options=options)
    yield content_line(template, names=names)


def content_line(
    template: Template,
    most: int = contents.LONGEST_PREVIEW,
    names: Mapping[str, str] = NO_NAMES,
) -> Message:
    """Return the content of a request, *most* characters of a text.

    *names*: of files, by their media_ids.
    """
    content = template.request["content"]
    if template.draft_title is not None:
        return Message("campaign.draft", title=one_line(template.draft_title))
    if template.article_file is not None:
        return Message("campaign.article", path=template.article_file)
    if "text" in content:
        text = contents.preview(content)
        return Message("campaign.text", text=text if len(text) <= most else f"{text[: most - 1]}…")
    what = [names.get(one, one) for one in contents.named_in(content)]
    return Message("campaign.media", kind=kind(content["msgtype"]), what=Shortened(what))


def _narrowing_of(template: Template) -> str:
    request = template.request
    words = [f"--exclude {one}" for one in request.get("exclude", ())]
    words += [f"--exclude file:{one}" for one in template.exclude_files]
    words += ["--only-current"] if request.get("only_current") else []
    words += [f"--sample {request['sample']}"] if request.get("sample") else []
    words += ["--ignore-suppression"] if request.get("ignore_suppression") else []
    return " ".join(words)


def whom(template: Template, size: int | None = None) -> Message:
    """Return the audience of a request; *size*: how many its file has now, if that is known."""
    audience, tag = template.request["audience"], template.request.get("with_tag")
    if template.audience_file is not None:
        name = "file" if size is None else "file_now"
        return Message(f"campaign.whom.{name}", path=template.audience_file, n=size)
    if "tag_id" in audience:
        return Message("campaign.whom.tag", tag=audience["tag_id"])
    if "to_all" in audience:
        return Message("campaign.whom.to_all", account=template.request["account"])
    name = "followers" if tag is None else "followers_tag"
    return Message(f"campaign.whom.{name}", tag=tag)


def changes(old: CampaignPlan, new: CampaignPlan) -> Message:
    """Return in one line what an edit changes."""
    each = [
        Message(
            "campaign.change", option=option and f"{option} ", old=was or NONE, new=to_be or NONE
        )
        for (option, was), (_, to_be) in zip(_members(old), _members(new), strict=True)
        if was != to_be
    ]
    if old.schedule.cron and new.schedule.at:
        each.append(Message("campaign.not_again", cron=old.schedule.cron))
    return Message("campaign.changes", changes=Joined(each, "separator"))


def _members(plan: CampaignPlan) -> Iterator[tuple[str, object]]:
    """Yield what can be changed of a campaign, most of it with its option."""
    schedule, policy, template = plan.schedule, plan.policy, plan.template
    at = schedule.at and due_words(schedule.at, schedule.zone)
    yield "", f"--at {at}" if at else f"--cron {schedule.cron}"
    yield "--except", " ".join(map(str, schedule.exceptions))
    yield "", content_line(template, _CUT)
    yield "", Path(template.audience_file).name if template.audience_file else whom(template)
    yield "", _narrowing_of(template)
    yield "--timezone", schedule.zone
    yield "--from", schedule.first
    yield "--until", schedule.last
    yield "--missed", policy.missed
    yield "--late-by", policy.late_by
    yield "--overlap", policy.overlap
    yield "--size-brake", str(policy.size_brake)
    for name in _OF_A_RUN:
        yield f"--{name.replace('_', '-')}", str(template.request.get(name, ""))


def no_longer_excepted(old: Schedule, new: Schedule, now: datetime) -> Iterator[Message]:
    """Yield the days ahead that an edit leaves out no more, though it names others."""
    today = now.astimezone(new.tzinfo).date()
    ended = [
        one
        for one in old.exceptions
        if today <= one.last
        and not any(each.first <= one.first and one.last <= each.last for each in new.exceptions)
    ]
    if ended and new.exceptions:
        kept = sorted({*ended, *new.exceptions}, key=str)
        yield Message(
            "campaign.no_longer_excepted",
            days=Joined(list(map(_span_words, ended)), "comma"),
            options=" ".join(f"--except {one}" for one in kept),
        )


def _span_words(span: Days) -> Message:
    first = _day_words(span.first)
    if span.first == span.last:
        return first
    return Message("campaign.day_span", first=first, last=_day_words(span.last))


def question(
    plan: CampaignPlan,
    times: Sequence[datetime],
    now: datetime,
    *,
    wish: Message,
    size: int | None,
) -> Message:
    """Return the question before a campaign is stored or enabled; *wish*: its beginning.

    For everybody the account's name is typed.
    """
    if not times:
        return Message("campaign.question_past", wish=wish)
    template, zone = plan.template, plan.schedule.zone
    at, night = moment_words(times[0], zone, now), next(filter(is_night, times), None)
    if night is not None:
        name = "campaign.at_night" if night == times[0] else "campaign.later_at_night"
        at = Message(name, at=at, night=moment_words(night, zone, now))
    return Message(
        "campaign.question" if plan.schedule.cron else "campaign.question_once",
        wish=wish,
        at=at,
        whom=whom(template, size),
        choices=Message("send.by_name" if template.to_all else "send.choices"),
    )


def enabling(campaign: Campaign) -> str:
    """Return the command that enables a campaign."""
    return command_line(["broadcast", "campaigns", "enable", campaign.name])


def run_lines(
    campaign: Campaign, launch: Launch, report: Report | None, *, now: datetime
) -> Iterator[Message]:
    """Yield a run: when it was due, what became of it, its sums, and the command that goes on."""
    due = moment_words(launch.due_at, campaign.plan.schedule.zone, now)
    state = Message(f"campaign.run.{launch.state.value}")
    if launch.reason is not None:
        yield Message("campaign.ran_not", due=due, state=state, reason=launch.reason)
    elif report is None:
        yield Message("campaign.ran", due=due, state=state)
    else:
        sums = [Message(f"set.{name}", n=n) for name, n in report.recipients.items() if n]
        sums += delivered.sums(report)
        is_open = report.results_due or not report.batches["accepted"]
        none = Message("campaign.no_sums" if is_open else "campaign.no_counts")
        shown = Joined(sums, "comma") if sums else none
        as_status = report_lines.state(report)
        yield Message("campaign.sent", due=due, id=report.id, state=as_status, sums=shown)
    if launch.state is LaunchState.HELD:
        at = due_words(launch.due_at, campaign.plan.schedule.zone)
        words = ["broadcast", "campaigns", "run", campaign.name, "--due", at]
        edited = _edited_since(campaign, launch)
        if edited is None:
            yield Message("campaign.release", command=command_line(words))
            return
        as_before, as_edited = command_line(words), command_line([*words, "--edited"])
        before = content_line(launch.template)
        yield Message("campaign.release_before", content=before, command=as_before)
        now_is = content_line(edited)
        yield Message("campaign.release_edited", content=now_is, command=as_edited)


def _edited_since(campaign: Campaign, launch: Launch) -> Template | None:
    """Return the request of a held run as its campaign is now, where it differs."""
    if launch.version == campaign.version or launch.template == NOTHING:
        return None
    # Its times may be past working out here.
    with suppress(InputError):
        edited = campaign.plan.rendered(launch.due_at)
        return None if edited == replace(launch.template, agreed=None) else edited
    return None
