"""A rehearsal: a run is prepared as its launch will prepare it, and nothing is stored or sent."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import datetime

from broadcast.errors import BroadcastError, DatabaseAwayError, InputError, OutOfReachError
from broadcast.message import Message
from broadcast.rules.accounts import Account, paths_of
from broadcast.rules.campaigns import rehearsals
from broadcast.rules.campaigns.campaign import Campaign, Launch
from broadcast.rules.campaigns.template import Template
from models.ledger.campaigns import counted_sends, launch_rows
from models.ledger.gates import restores
from models.ledger.views import broadcast_reports
from producer.campaigns import campaign_drafts, launching
from producer.request.door import SubmitService
from producer.submit.order import new_key
from producer.wiring.wechat import WeChat


def rehearse(
    campaign: Campaign,
    due: datetime,
    *,
    door: SubmitService,
    wechat: WeChat,
    by_worker: bool = False,
    unheard: type[OutOfReachError] = DatabaseAwayError,
) -> list[Message]:
    """Return what would keep the run of a due time ahead from going as it is meant.

    *by_worker*: one is at work, for it asks. *unheard*: what is no finding, and raised.

    Each finding says what to do. What one finding hides is looked at all the same, as far as that
    can be.
    """
    findings: list[Message] = []
    with _noting(findings, unheard):
        account = door.settings.account(campaign.plan.account)
        findings += _standing(door, account)
        findings += [] if by_worker else _nobody(door)
        template = campaign.plan.rendered(due)
        whole = template.without_article()
        with _noting(findings, unheard):
            # Without a token nothing else can be asked.
            wechat.quota(account, paths_of(account)[0])
            whole = campaign_drafts.rehearsed(template, account, wechat=wechat)
            findings += wechat.gone(account, template.request["content"])
        findings += _plan(campaign, due, whole, door=door)
    return findings


def next_due(campaign: Campaign) -> datetime:
    """Return the time of the run that is rehearsed at a word. Raises InputError: there is none."""
    if campaign.next_due_at is None:
        raise InputError("error.campaign.no_next", name=campaign.name)
    return campaign.next_due_at


@contextlib.contextmanager
def _noting(findings: list[Message], unheard: type[OutOfReachError]) -> Iterator[None]:
    """Add what is raised inside to the findings, but for what is *unheard*."""
    try:
        yield
    except BroadcastError as error:
        # What WeChat refused another process has its errcode.
        if isinstance(error, unheard) and error.facts.get("errcode") is None:
            raise
        findings.append(error.message)


def _standing(door: SubmitService, account: Account) -> Iterator[Message]:
    """Yield that the account is stopped."""
    lanes, _ = broadcast_reports.lanes(door.engine)
    lane = lanes.get(account.name)
    if lane is not None and lane.is_off:
        yield Message("rehearsal.stopped", account=account.name)


def _nobody(door: SubmitService) -> Iterator[Message]:
    """Yield that no worker is at work."""
    facts = restores.facts(door.engine, ())
    if rehearsals.nobody_at_work(facts.seen_at, facts.now):
        at = facts.seen_at
        yield Message("rehearsal.nobody", at=at) if at else Message("rehearsal.never")


def _plan(
    campaign: Campaign, due: datetime, template: Template, *, door: SubmitService
) -> Iterator[Message]:
    """Yield what is doubtful in the plan of a run. Raises what refuses it."""
    launch = Launch.to_come(campaign, due, key=new_key())
    run = launch_rows.of_campaign(door.engine, campaign, launch)
    # The calls that are left, and how long its media live, are those of its time.
    with launching.prepared(run, template.at(due), door, again=True) as found:
        yield from found.doubts
        telling = [one for one in found.ready.notices if rehearsals.is_telling(one)]
        yield from telling
        yield from beyond(campaign, due, telling, door=door)
        after, estimate = rehearsals.fresh_from(due), found.ready.estimate
        synced_at = None if estimate is None else estimate.synced_at
        if synced_at is not None and synced_at < after:
            # Another copy would be too old by then as well, before that.
            name = "rehearsal.stale" if after <= found.ready.now else "rehearsal.stale_then"
            yield Message(name, account=launch.account, at=synced_at, after=after)


def beyond(
    campaign: Campaign, due: datetime, notices: Iterable[Message], *, door: SubmitService
) -> Iterator[Message]:
    """Yield the limit of WeChat's beyond which a run is, with the runs before it.

    Unless the *notices* of its plan say so.
    """
    if any(map(rehearsals.is_limit, notices)):
        return
    account = door.settings.account(campaign.plan.account)
    changed = {campaign.name: campaign.plan}
    for one in counted_sends.excesses(door.engine, account, changed=changed):
        if (one.facts["name"], one.facts["at"]) == (campaign.name, due):
            yield one
