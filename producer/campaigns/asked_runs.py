"""Runs of campaigns that a person or a program asks for, or releases."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from broadcast.errors import BrokerAwayError, ConflictError, InputError
from broadcast.rules.campaigns.campaign import Campaign, Launch
from broadcast.rules.campaigns.launches import Agreed, LaunchState
from broadcast.rules.campaigns.template import NOTHING
from broadcast.rules.reports import Report
from models.ledger.campaigns import launch_rows
from models.ledger.gates import restores
from models.ledger.rows.transaction import present
from models.ledger.views import broadcast_reports
from producer.campaigns import campaign_drafts, launching
from producer.campaigns.said_plans import A_DRAFT, moment
from producer.request.door import SubmitService
from producer.submit.order import checked_key, new_key
from producer.submit.prepare import Prepared

if TYPE_CHECKING:
    from producer.wiring.wechat import WeChat


def held_at(door: SubmitService, campaign: Campaign, due: str, *, now: datetime | None) -> Launch:
    """Return the held run of a due time, as the API gives it or to the minute.

    *now*: a person wrote it; None: a program did. Raises InputError, and ConflictError for a run
    that is not held.
    """
    at = moment(due, campaign.plan.schedule.zone, now=now, option="--due")
    each = launch_rows.in_minute(door.engine, campaign.id, at)
    found = [one for one in each if _is_written(one.due_at, at)]
    held = [one for one in found if one.state is LaunchState.HELD]
    if not found:
        raise InputError("error.launch.none", name=campaign.name, due=at)
    if not held:
        raise launch_rows.not_held(campaign, found[-1])
    return held[-1]


def _is_written(due: datetime, at: datetime) -> bool:
    """Return whether *at* is a due time, to the millisecond, the second or the minute."""
    second = due.replace(microsecond=0)
    exact = due.replace(microsecond=due.microsecond // 1000 * 1000)
    return at in {due, exact, second, second.replace(second=0)}


def refuse_unanswered(door: SubmitService) -> None:
    """Raise ConflictError where a run would wait for an answer about a restored database."""
    if restores.are_lanes_closed(door.engine):
        raise ConflictError("error.database.restored")


def held_run(campaign: Campaign, held: Launch, *, edited: bool) -> Launch:
    """Return a held run as it is released; *edited*: with the campaign's template of now."""
    if held.template != NOTHING and not edited:
        return held
    return replace(held, template=campaign.plan.rendered(held.due_at), version=campaign.version)


def run_of_now(door: SubmitService, campaign: Campaign) -> Launch:
    """Return a run that nobody has begun yet."""
    return Launch.to_come(campaign, present(door.engine), key=new_key())


def next_run(door: SubmitService, campaign: Campaign) -> Launch:
    """Return the run of the next due time, to be tried; without one a run of now."""
    moment = present(door.engine)
    due = campaign.next_due_at or moment
    found = Launch.to_come(campaign, due, key=new_key())
    # The time that is shown, and the calls that are left, are those of its due time.
    return replace(found, template=found.template.at(due)) if due > moment else found


def prepared_run(
    campaign: Campaign,
    launch: Launch,
    door: SubmitService,
    *,
    wechat: WeChat | None,
    again: bool,
) -> launching.PreparedLaunch:
    """Return a run as it would be stored; without *wechat* no draft is looked for.

    Raises as :func:`producer.campaigns.launching.prepared`. Not *again*: a run that waits for a
    worker counts, too.
    """
    if not again:
        launch_rows.check_none_waits(door.engine, campaign, launch)
    # What was agreed to before it was held says nothing now.
    template = replace(launch.template, agreed=None)
    if template.article_file or (template.draft_title and wechat is None):
        # Nobody makes a draft of a file before its run.
        template, door = template.with_draft(A_DRAFT), replace(door, looks=None)
    elif wechat is not None:
        account = door.settings.account(launch.account)
        template = campaign_drafts.with_its_draft(
            template, account, engine=door.engine, wechat=wechat
        )
    reserved = launch_rows.of_campaign(door.engine, campaign, launch)
    with launching.prepared(reserved, template, door, again=again) as found:
        return found


def begin(
    door: SubmitService,
    campaign: Campaign,
    launch: Launch,
    *,
    key: str | None,
    agreed: Agreed | None = None,
    again: bool,
    maybe_sent: bool = False,
    who: str,
) -> Launch:
    """Begin a run as it was shown or proved; return it.

    *agreed*: what a person saw of it and agreed to; None: a program asks. *again*: it goes though
    the same went to the same audience within 24 hours, as a held run always does.
    *maybe_sent*: it goes though it may have been sent before the database was restored. Raises
    RepeatedSendError, ConflictError, InputError.
    """
    shown = replace(launch, template=replace(launch.template, agreed=agreed, again=again))
    if launch.id:
        return launch_rows.release(door.engine, campaign, shown, who=who, maybe_sent=maybe_sent)
    return launch_rows.run_now(door.engine, campaign, shown, key=key or new_key(), who=who)[0]


def run_for_program(
    door: SubmitService,
    campaign: Campaign,
    *,
    key: str | None,
    due: str | None,
    edited: bool,
    again: bool,
    maybe_sent: bool,
    who: str,
    wake: Callable[[], None],
    check: Callable[[Launch], None] = lambda _: None,
) -> Launch:
    """Run a campaign now, or release its run of *due*, and return the run; *wake* a worker.

    *check* raises where the program may not have this run launched: the template of a held one is
    not that of its campaign. Raises InputError where the command would ask as well,
    RepeatedSendError, ConflictError.
    """
    if due is None:
        if edited:
            raise InputError(
                "error.usage.belongs_to", option="--edited", needed="--due", field="edited"
            )
        known = key and launch_rows.under_key(door.engine, campaign, checked_key(key))
        if known:
            return known
    held = None if due is None else held_at(door, campaign, due, now=None)
    refuse_unanswered(door)
    launch = held_run(campaign, held, edited=edited) if held else run_of_now(door, campaign)
    check(launch)
    if not launch.template.reads_lists:
        found = prepared_run(campaign, launch, door, wechat=None, again=again or held is not None)
        for doubt in () if held else found.doubts:
            raise InputError(doubt.id, **doubt.facts)
    elif held is None:
        refuse_files(campaign)
    begun = begin(door, campaign, launch, key=key, again=again, maybe_sent=maybe_sent, who=who)
    # Where the broker is away, beat has it launched.
    with contextlib.suppress(BrokerAwayError):
        wake()
    return begun


def refuse_files(campaign: Campaign) -> None:
    """Raise InputError where a run reads files, which its worker alone may have."""
    template = campaign.plan.template
    if template.reads_lists or template.article_file is not None:
        raise InputError("error.campaign.run_file", name=campaign.name)


def plan_for_program(door: SubmitService, campaign: Campaign) -> Prepared:
    """Return the next run as it would be stored now; what a person would be asked is a notice.

    Raises InputError where it reads lists of files, and what refuses it.
    """
    refuse_files(campaign)
    found = prepared_run(campaign, next_run(door, campaign), door, wechat=None, again=True)
    return replace(found.ready, notices=(*found.doubts, *found.ready.notices))


def with_reports(
    engine: Engine, launches: Sequence[Launch]
) -> Sequence[tuple[Launch, Report | None]]:
    """Return launches, each with the report of its broadcast, if it has one that is still there."""
    ids = [one.broadcast_id for one in launches]
    found = broadcast_reports.reports(engine, ids=ids, most=len(ids))
    known: dict[str | None, Report] = {one.id: one for one in found}
    return [(one, known.get(one.broadcast_id)) for one in launches]
