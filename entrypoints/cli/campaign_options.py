"""Options of a campaign: its times, its policy, and the request of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.rules.campaigns.campaign import CampaignPlan
from broadcast.rules.campaigns.template import OF_FILE
from broadcast.rules.plan.audience import Everyone, Followers, Tag
from broadcast.rules.plan.selection import Excluded
from entrypoints.cli.content_options import ContentOptions
from entrypoints.cli.group import OptionGroup
from entrypoints.cli.person_terminal import is_terminal
from entrypoints.cli.run import Run
from entrypoints.cli.send_options import (
    AudienceOptions,
    ListFile,
    NarrowingOptions,
    Target,
    late_by_of,
)
from producer.audience import openid_list
from producer.audience.source import regular
from producer.campaigns import campaign_drafts, said_plans
from producer.campaigns.campaign_forms import ByPerson, CampaignMembers
from producer.campaigns.said_plans import NONE
from producer.request import shape
from producer.submit.order import HIGHEST_PRIORITY

if TYPE_CHECKING:
    from entrypoints.cli.tag_lookup import Tags


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
class SaidPlan:
    """A campaign as a command says it, checked."""

    plan: CampaignPlan
    #: What is doubtful in its content.
    doubts: Sequence[Message] = ()
    #: How many the file of its list has now, if it has one.
    size: int | None = None


@frozen
class PlanOptions(OptionGroup):
    """What a command says of a campaign."""

    audience: AudienceOptions
    narrowing: NarrowingOptions
    content: ContentOptions
    times: TimeOptions
    policy: PolicyOptions
    rest: RunOptions

    def plan(self, run: Run, account: Account, old: CampaignPlan | None) -> SaidPlan:
        """Return what is said, checked; what is not is as in *old*. Raises InputError."""
        from entrypoints.cli.tag_lookup import Tags

        tags, said, doubts = Tags(run, account), self._plain(), list[Message]()
        if old is None or is_given(self.audience):
            self.audience.check(asks=is_terminal())
            said |= _audience(self.audience.target(tags.id_of), account)
        said |= self._narrowing(run, account, tags)
        if old is None or self.rest.article or is_given(self.content):
            said |= self._content(limit=run.settings.text_limit, doubts=doubts)
        files = {one.name: said.pop(one.name, None) for one in fields(ByPerson)}
        plan = said_plans.plan_of(
            shape.parse_as(CampaignMembers, said),
            account,
            old,
            settings=run.settings,
            engine=run.engine,
            person=ByPerson(**files),
        )
        return replace(_with_files(plan), doubts=doubts)

    def _plain(self) -> dict[str, Any]:
        """Return the members that are said in the words of a program."""
        if self.policy.late_by is not None:
            late_by_of(self.policy.late_by)
        forms = CampaignMembers.model_fields
        return {
            forms[one.name].alias or one.name: value
            for group in (self.times, self.policy, self.rest)
            for one in fields(group)
            if one.name in forms and (value := getattr(group, one.name)) is not None
        }

    def _narrowing(self, run: Run, account: Account, tags: Tags) -> dict[str, Any]:
        given, said = _without_none(self.narrowing)
        given.check()
        names = ("sample", "only_current", "ignore_suppression")
        said |= {name: one for name in names if (one := getattr(given, name))}
        if given.exclude:
            with given.read(run, account, key=NONE, tag_id=tags.id_of) as narrowed:
                exclude = narrowed.selection.exclude
            others = [f"{one.kind}:{one.value}" for one in exclude if one.kind is not Excluded.FILE]
            files = [str(Path(one).absolute()) for one in given.files]
            said |= {"exclude": others, "exclude_files": files}
        return said

    def _content(self, *, limit: int, doubts: list[Message]) -> dict[str, Any]:
        """Return the members of the content, and add to *doubts* what is doubtful in it."""
        if self.rest.article is not None:
            if is_given(self.content):
                raise InputError("error.usage.two_contents")
            return {"article_file": str(Path(self.rest.article).absolute())}
        self.content.check()
        if self.content.draft:
            reprint = {"send_ignore_reprint": 1} if self.content.send_ignore_reprint else {}
            return {"draft": self.content.draft[0], "content": reprint}
        content = self.content.read(limit=limit)
        if content.names:
            raise InputError("error.campaign.content_file")
        doubts += content.notices
        return {"content": content.value}


def _without_none(given: NarrowingOptions) -> tuple[NarrowingOptions, dict[str, Any]]:
    """Return the options without those that are none, and the members that these say."""
    said: dict[str, Any] = {}
    if given.exclude == [NONE]:
        given = replace(given, exclude=None)
        said |= {"exclude": [], "exclude_files": []}
    if given.sample == NONE:
        given = replace(given, sample=None)
        said["sample"] = None
    return given, said


def _audience(target: Target, account: Account) -> dict[str, Any]:
    match target:
        case ListFile(source="-"):
            raise InputError("error.campaign.stdin")
        case ListFile(source=source):
            return {"audience": OF_FILE, "audience_file": str(Path(source).absolute())}
        case Followers(tag_id=tag_id):
            with_tag = {} if tag_id is None else {"with_tag": tag_id}
            return {"audience": {"followers": True}, **with_tag}
        case Tag(tag_id=tag_id):
            return {"audience": {"tag_id": tag_id}}
        case Everyone():
            return {"audience": {"to_all": True, "confirm_to_all": account.name}}


def _with_files(plan: CampaignPlan) -> SaidPlan:
    """Return a plan with its list as it is now. Raises InputError: a file cannot be read."""
    template = plan.template
    if template.article_file is not None:
        campaign_drafts.articles_of(template.article_file)
    if template.audience_file is not None:
        with openid_list.read(Path(regular(template.audience_file))) as listed:
            template = replace(template, audience_digest=listed.digest)
            return SaidPlan(plan=replace(plan, template=template), size=listed.planned)
    return SaidPlan(plan=plan)
