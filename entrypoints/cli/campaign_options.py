"""Options of a campaign: its times, its policy, and the request of its runs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from broadcast.day import SHANGHAI
from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.quoting import one_line
from broadcast.rules.accounts import Account, check_kind_allows
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.campaigns import due_times
from broadcast.rules.campaigns.campaign import CampaignPlan
from broadcast.rules.campaigns.due_times import Schedule
from broadcast.rules.campaigns.launches import Missed, Overlap, Policy
from broadcast.rules.campaigns.variables import rendered_template
from broadcast.rules.plan.audience import Everyone, Followers, Tag
from broadcast.rules.plan.selection import Excluded
from entrypoints.cli.content_options import ContentOptions
from entrypoints.cli.group import OptionGroup
from entrypoints.cli.run import Run, who
from entrypoints.cli.send_options import (
    AudienceOptions,
    ListFile,
    NarrowingOptions,
    Target,
    late_by_of,
)
from entrypoints.cli.terminal import is_terminal
from models.ledger.rows.transaction import present
from producer.audience import openid_list
from producer.campaigns import template as templates
from producer.campaigns.template import OF_FILE, Template
from producer.request import shape
from producer.request.meaning import parsed_request
from producer.request.shape import ListToCome, OpenIDList
from producer.submit.order import HIGHEST_PRIORITY, checked_title, new_key, parse_at

if TYPE_CHECKING:
    from entrypoints.cli.tag_lookup import Tags

#: Stands for a draft that is found at each run.
A_DRAFT: Final = "A" * 43
#: Takes a value away in an edit.
NONE: Final = "none"
_SHOWN: Final = 40
_PER_CENT: Final = re.compile(r"(\d{1,4})\s*%?")


@frozen
class TimeOptions(OptionGroup):
    """Options for when a campaign is due."""

    cron: Annotated[
        str | None, typer.Option("--cron", metavar="'M H D M W'", help="help.campaigns.cron")
    ] = None
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="help.campaigns.at")] = None
    timezone: Annotated[
        str | None, typer.Option("--timezone", metavar="ZONE", help="help.campaigns.timezone")
    ] = None
    first: Annotated[
        str | None, typer.Option("--from", metavar="DAY", help="help.campaigns.from")
    ] = None
    last: Annotated[
        str | None, typer.Option("--until", metavar="DAY", help="help.campaigns.until")
    ] = None
    exceptions: Annotated[
        list[str] | None,
        typer.Option("--except", metavar="DAY|DAY..DAY", help="help.campaigns.except"),
    ] = None

    def schedule(self, old: Schedule | None, *, now: datetime) -> Schedule:
        """Return the schedule; what is not given is as in *old*. Raises InputError."""
        if self.cron is not None and self.at is not None:
            raise InputError("error.campaign.two_times")
        if old is None and self.cron is None and self.at is None:
            raise InputError("error.campaign.no_time")
        known = old or Schedule(zone=SHANGHAI.key)
        zone = self.timezone or known.zone
        due_times.check_zone(zone)
        if self.at is not None:
            known = replace(known, at=moment(self.at, zone, now=now), cron=None)
        elif self.cron is not None:
            known = replace(known, cron=" ".join(self.cron.split()), at=None)
        found = replace(
            known, zone=zone, first=_day(self.first, known.first),
            last=_day(self.last, known.last), exceptions=self._exceptions(known),
        )  # fmt: skip
        if found.at is not None and (self.first or self.last or self.exceptions):
            needed = "--cron"
            raise InputError(
                "error.usage.belongs_to", option="--from, --until, --except", needed=needed
            )
        due_times.check(found, now)
        return found

    def _exceptions(self, old: Schedule) -> tuple[due_times.Days, ...]:
        if self.exceptions is None:
            return old.exceptions
        return due_times.parse_exceptions(one for one in self.exceptions if one != NONE)


def _day(text: str | None, old: date | None) -> date | None:
    if text is None:
        return old
    return None if text == NONE else due_times.parse_day(text)


def moment(text: str, zone: str, *, now: datetime) -> datetime:
    """Return the moment (UTC) of a time in *zone*, unless it names another. Raises InputError."""
    found = parse_at(text, now=now)
    try:
        is_zoned = datetime.fromisoformat(text.strip()).tzinfo is not None
    except ValueError:
        is_zoned = False
    if is_zoned:
        return found
    return due_times.moment_in(found.astimezone(SHANGHAI).replace(tzinfo=None), zone)


@frozen
class PolicyOptions(OptionGroup):
    """Options for a run that cannot be as planned."""

    missed: Annotated[
        str | None, typer.Option("--missed", metavar="ask|late|skip", help="help.campaigns.missed")
    ] = None
    late_by: Annotated[
        str | None, typer.Option("--late-by", metavar="D", help="help.campaigns.late_by")
    ] = None
    overlap: Annotated[
        str | None, typer.Option("--overlap", metavar="skip|queue", help="help.campaigns.overlap")
    ] = None
    size_brake: Annotated[
        str | None, typer.Option("--size-brake", metavar="P%", help="help.campaigns.size_brake")
    ] = None

    def policy(self, old: Policy) -> Policy:
        """Return the policy; what is not given is as in *old*. Raises InputError."""
        given: dict[str, Any] = {}
        for name, kind in (("missed", Missed), ("overlap", Overlap)):
            word = getattr(self, name)
            if word is not None and word not in set(kind):
                known = ", ".join(kind)
                raise InputError(
                    "error.campaign.word", option=f"--{name}", text=one_line(word)[:_SHOWN],
                    known=known,
                )  # fmt: skip
            given |= {} if word is None else {name: kind(word)}
        if self.late_by is not None:
            given["late_by"] = late_by_of(self.late_by)
        if self.size_brake is not None:
            given["size_brake"] = _per_cent(self.size_brake)
        return replace(old, **given)


def _per_cent(text: str) -> int:
    found = _PER_CENT.fullmatch(text.strip())
    if found is None:
        raise InputError("error.campaign.brake", text=one_line(text)[:_SHOWN])
    return int(found[1])


@frozen
class RunOptions(OptionGroup):
    """Other options of the request of a campaign's runs."""

    article: Annotated[
        str | None, typer.Option("--article", metavar="FILE", help="help.campaigns.article")
    ] = None
    title: Annotated[
        str | None, typer.Option("--title", metavar="TEXT", help="help.campaigns.title")
    ] = None
    priority: Annotated[
        int | None,
        typer.Option(
            "--priority", min=-HIGHEST_PRIORITY, max=HIGHEST_PRIORITY, help="help.send.priority"
        ),
    ] = None
    spread_days: Annotated[
        bool | None, typer.Option("--spread-days/--no-spread-days", help="help.send.spread_days")
    ] = None


def is_given(group: OptionGroup) -> bool:
    """Return whether any option of a group is."""
    return any(getattr(group, one.name) for one in fields(group))  # type: ignore[arg-type]


@frozen
class PlanOptions:
    """What a command says of a campaign."""

    audience: AudienceOptions
    narrowing: NarrowingOptions
    content: ContentOptions
    times: TimeOptions
    policy: PolicyOptions
    rest: RunOptions

    def plan(self, run: Run, account: Account, old: CampaignPlan | None) -> CampaignPlan:
        """Return the plan, checked; what is not said is as in *old*. Raises InputError."""
        from entrypoints.cli.tag_lookup import Tags  # noqa: PLC0415 - not for the help

        now, tags = present(run.engine), Tags(lambda: run.wechat, account)
        schedule, policy, template = None, Policy(late_by=run.settings.late_by), None
        if old is not None:
            schedule, policy, template = old.schedule, old.policy, templates.load(old.template)
        plan = CampaignPlan(
            account=account.name, schedule=self.times.schedule(schedule, now=now),
            policy=self.policy.policy(policy),
            template=self._template(run, account, tags, old=template).stored,
        )  # fmt: skip
        _check(run, account, plan, now=now)
        return plan

    def _template(
        self, run: Run, account: Account, tags: Tags, *, old: Template | None
    ) -> Template:
        found = old or Template(request={"account": account.name})
        if old is None or is_given(self.audience):
            self.audience.check(asks=is_terminal())
            found = _with_audience(found, self.audience.target(tags.id_of), account)
        if is_given(self.narrowing) or is_given(self.audience):
            found = _with(found, **self._narrowing(run, account, tags))
        if old is None or self.rest.article or is_given(self.content):
            found = self._with_content(found, run)
        given = {
            "title": self.rest.title, "priority": self.rest.priority,
            "spread_days": self.rest.spread_days,
        }  # fmt: skip
        if self.rest.title is not None:
            checked_title(self.rest.title)
        return _with(found, **{name: one for name, one in given.items() if one is not None})

    def _narrowing(self, run: Run, account: Account, tags: Tags) -> dict[str, Any]:
        self.narrowing.check()
        exclude = self.narrowing.exclude or ()
        if any(one.partition(":")[0] == Excluded.FILE for one in exclude):
            raise InputError("error.campaign.exclude_file")
        with self.narrowing.read(run, account, key=NONE, tag_id=tags.id_of) as narrowed:
            selection = narrowed.selection
        return {
            "exclude": [f"{one.kind.value}:{one.value}" for one in selection.exclude],
            "only_current": selection.only_current, "sample": self.narrowing.sample,
            "ignore_suppression": selection.ignore_suppression,
        }  # fmt: skip

    def _with_content(self, old: Template, run: Run) -> Template:
        bare = replace(old, draft_title=None, article_file=None)
        if self.rest.article is not None:
            if is_given(self.content):
                raise InputError("error.usage.two_contents")
            return replace(
                _with(bare, content={}), article_file=str(Path(self.rest.article).absolute())
            )
        self.content.check()
        if self.content.draft:
            reprint = {"send_ignore_reprint": 1} if self.content.send_ignore_reprint else {}
            return replace(_with(bare, content=reprint), draft_title=self.content.draft[0])
        content = self.content.read(limit=run.settings.text_limit)
        if content.names:
            raise InputError("error.campaign.content_file")
        return _with(bare, content=json.loads(content.canonical))


def _with(template: Template, **members: object) -> Template:
    return replace(template, request={**template.request, **members})


def _with_audience(template: Template, target: Target, account: Account) -> Template:
    audience: Mapping[str, Any]
    file: str | None = None
    with_tag: int | None = None
    match target:
        case ListFile(source="-"):
            raise InputError("error.campaign.stdin")
        case ListFile(source=source):
            audience, file = OF_FILE, str(Path(source).absolute())
        case Followers():
            audience, with_tag = {"followers": True}, target.tag_id
        case Tag(tag_id=tag_id):
            audience = {"tag_id": tag_id}
        case Everyone():
            audience = {"to_all": True, "confirm_to_all": account.name}
    changed = _with(template, audience=dict(audience), with_tag=with_tag)
    return replace(changed, audience_file=file)


def _check(run: Run, account: Account, plan: CampaignPlan, *, now: datetime) -> None:
    """Raise InputError where a run would be refused, as far as is known without WeChat."""
    first = due_times.check(plan.schedule, now)
    template = templates.load(rendered_template(plan.template, first, plan.schedule.zone))
    if template.article_file is not None:
        # Markdown, nh3 and Pillow, for this alone.
        from producer.articles import added_drafts, article_files  # noqa: PLC0415

        file = Path(template.article_file)
        added_drafts.checked(article_files.read_article(file), where=file.name)
    elif plan.schedule.cron is not None and "mpnews" in template.request["content"]:
        raise InputError("error.campaign.fixed_draft")
    if template.article_file is not None or template.draft_title is not None:
        template = template.with_draft(A_DRAFT)
    request = shape.parse(template.request)
    target = parsed_request(request, key=new_key(), who=who(), settings=run.settings).target
    match target:
        case OpenIDList() | ListToCome():
            check_kind_allows(account, SendPath.MASS_SEND)
        case _:
            check_kind_allows(account, target.path)
    if template.audience_file is not None:
        openid_list.read(Path(template.audience_file)).close()
