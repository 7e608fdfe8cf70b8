"""Options of a campaign: its times, its policy, and the request of its runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.rules.accounts import Account
from broadcast.rules.campaigns.campaign import CampaignPlan
from broadcast.rules.campaigns.launches import Policy
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
from producer.audience.source import regular
from producer.campaigns import said_plans
from producer.campaigns import template as templates
from producer.campaigns.said_plans import NONE
from producer.campaigns.template import OF_FILE, Template
from producer.submit.order import HIGHEST_PRIORITY, checked_title

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
        late_by = None if self.policy.late_by is None else late_by_of(self.policy.late_by)
        plan = CampaignPlan(
            account=account.name, schedule=said_plans.schedule_of(self.times, schedule, now=now),
            policy=said_plans.policy_of(self.policy, policy, late_by=late_by),
            template=self._template(run, account, tags, old=template).stored,
        )  # fmt: skip
        _check_files(templates.load(plan.template))
        said_plans.check(plan, account, settings=run.settings, who=who(), now=now)
        return plan

    def _template(
        self, run: Run, account: Account, tags: Tags, *, old: Template | None
    ) -> Template:
        found = old or Template(request={"account": account.name})
        if old is None or is_given(self.audience):
            self.audience.check(asks=is_terminal())
            found = _with_audience(found, self.audience.target(tags.id_of), account)
        if is_given(self.narrowing) or is_given(self.audience):
            files = [str(Path(one).absolute()) for one in self.narrowing.files]
            narrowing = self._narrowing(run, account, tags)
            found = replace(_with(found, **narrowing), exclude_files=files)
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
        with self.narrowing.read(run, account, key=NONE, tag_id=tags.id_of) as narrowed:
            selection = narrowed.selection
        return {
            "exclude": [
                f"{one.kind.value}:{one.value}"
                for one in selection.exclude
                if one.kind is not Excluded.FILE
            ],
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


def _check_files(template: Template) -> None:
    """Raise InputError where a file of a campaign cannot be read."""
    if template.article_file is not None:
        # Markdown, nh3 and Pillow, for this alone.
        from producer.articles import added_drafts, article_files  # noqa: PLC0415

        file = Path(template.article_file)
        added_drafts.checked(article_files.read_article(file), where=file.name)
    if template.audience_file is not None:
        openid_list.read(Path(regular(template.audience_file))).close()
