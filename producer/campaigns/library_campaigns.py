"""Campaigns for Python programs: ``Producer(…).campaigns``."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict

from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.rules.campaigns.campaign import Campaign, CampaignPlan, Launch
from models.ledger.campaigns import campaign_edits, campaign_rows, counted_sends, launch_rows
from producer.campaigns import asked_runs, rehearsing
from producer.campaigns.campaign_forms import CampaignChange, CampaignMembers, NewCampaign
from producer.campaigns.said_plans import check_name, plan_of
from producer.request import shape
from producer.request.door import SubmitService

log = logging.getLogger(__name__)
_Days = TypedDict("_Days", {"from": str, "until": str, "except": list[str]}, total=False)


class CampaignArguments(_Days, total=False):
    """What is said of a campaign: the members of a request over HTTP (docs/campaigns.md)."""

    account: str
    content: dict[str, Any]
    draft: str
    audience: Mapping[str, Any]
    cron: str
    at: str
    timezone: str
    missed: str
    late_by: str
    overlap: str
    size_brake: str
    title: str
    priority: int
    spread_days: bool
    exclude: list[str]
    only_current: bool
    sample: str
    with_tag: int
    ignore_suppression: bool
    notify: dict[str, str]


@frozen
class Campaigns:
    """Adds, looks at, changes, stops and runs campaigns.

    Each method raises UnknownIdError for a name that no campaign has, and what every method of
    ``Producer`` raises. What the command would ask a person is refused.
    """

    door: SubmitService
    who: str
    wake: Callable[[], None]

    def add(self, name: str, said: CampaignArguments) -> Campaign:
        """Store a campaign, enabled. Raises ConflictError where its name is taken."""
        # A name among the members would be another one.
        shape.parse_as(CampaignMembers, said)
        form = shape.parse_as(NewCampaign, {**said, "name": name})
        check_name(form.name)
        plan = self._plan(form, form.account)
        return campaign_edits.add(self.door.engine, name, plan, who=self.who)

    def _plan(
        self, form: CampaignMembers, account: str | None, old: CampaignPlan | None = None
    ) -> CampaignPlan:
        settings = self.door.settings
        return plan_of(
            form, settings.account(account), old, settings=settings, engine=self.door.engine
        )

    def edit(self, name: str, said: CampaignArguments, *, version: int | None = None) -> Campaign:
        """Change what is said; a run that was begun goes on as it was.

        Raises ConflictError where somebody else edited it meanwhile, or it has not this *version*.
        """
        old = self.get(name)
        plan = self._plan(shape.parse_as(CampaignChange, said), old.plan.account, old.plan)
        known = old if version is None else replace(old, version=version)
        if (plan, known.version) == (old.plan, old.version):
            return old
        return campaign_edits.edit(self.door.engine, known, plan, who=self.who)

    def list(self) -> Sequence[Campaign]:
        """Return the campaigns that were not removed, by their names."""
        return campaign_rows.every(self.door.engine)

    def get(self, name: str) -> Campaign:
        """Return a campaign."""
        return campaign_rows.named(self.door.engine, name)

    def over_limits(self, account: str | None = None) -> Sequence[Message]:
        """Return what the campaigns of an account plan beyond WeChat's limits of a day or month.

        Raises SettingsError for an account that is not in the settings.
        """
        return counted_sends.excesses(self.door.engine, self.door.settings.account(account))

    def enable(self, name: str) -> Campaign:
        """Enable a campaign from now on; what was due before stays as it is."""
        return campaign_edits.enable(self.door.engine, name, who=self.who)

    def disable(self, name: str) -> Campaign:
        """Start no new run of a campaign until it is enabled."""
        return campaign_edits.disable(self.door.engine, name, who=self.who)

    def remove(self, name: str) -> Campaign:
        """Remove a campaign; its runs stay in the ledger, and its name is free."""
        return campaign_edits.remove(self.door.engine, name, who=self.who)

    def run(
        self,
        name: str,
        *,
        key: str | None = None,
        due: str | None = None,
        edited: bool = False,
        again: bool = False,
        maybe_sent: bool = False,
    ) -> Launch:
        """Run a campaign now, or release its held run of *due*, and return the run.

        The same *key* gives the same run. *edited*: with the request of the campaign as it is now.
        *again*: the same content went to the same audience today, and is to go once more. Raises
        RepeatedSendError without it, and ConflictError for a run that is not held. *maybe_sent*:
        the held run may have been sent before the database was restored, and is to go.
        """
        return asked_runs.run_for_program(
            self.door,
            self.get(name),
            key=key,
            due=due,
            edited=edited,
            again=again,
            maybe_sent=maybe_sent,
            who=self.who,
            wake=self.wake,
        )

    def rehearse(self, name: str) -> Sequence[Message]:
        """Return what would keep the next run from going as it is meant; nothing is sent.

        WeChat is asked. Raises InputError where no run is to come, or where it reads files.
        """
        # WeChat's client, which few programs need.
        from producer.wiring.wechat import (
            ClientChecks,
            QuotaWithReason,
            WeChat,
        )

        campaign = self.get(name)
        asked_runs.refuse_files(campaign)
        wechat = WeChat(self.door.settings, on_drift=_warn_of_drift)
        door = replace(self.door, quota=QuotaWithReason(wechat), looks=ClientChecks(wechat))
        with contextlib.closing(wechat):
            return rehearsing.rehearse(
                campaign, rehearsing.next_due(campaign), door=door, wechat=wechat
            )

    def runs(self, name: str, *, limit: int = 20) -> Sequence[Launch]:
        """Return the newest runs of a campaign, the last first."""
        return launch_rows.history(self.door.engine, self.get(name).id, most=limit)


def _warn_of_drift(account: Account) -> None:
    log.warning("%s", account.drifted())
