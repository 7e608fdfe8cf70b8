"""Campaigns are added, edited, enabled, disabled and removed, each under its row's lock.

Due times that came before an edit and were not decided yet are what the campaign is after it. Only
where the edit takes them away are they decided with it: held, or skipped where no run is wanted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, and_, exists

from broadcast.errors import ConflictError, InputError
from broadcast.rules.campaigns import due_times
from broadcast.rules.campaigns.campaign import Campaign, CampaignPlan
from broadcast.rules.campaigns.launches import CampaignState, LaunchState, Verdict, Why
from models import base
from models.base import change, insert_row, is_so
from models.campaign_tables import CampaignRow
from models.engine import now
from models.ledger.campaigns import campaign_rows, due_launches, launch_rows
from models.ledger.rows.transaction import reading, writing, writing_new
from models.place import note_place


@writing_new
def add(connection: Connection, name: str, plan: CampaignPlan, *, who: str) -> Campaign:
    """Store a new campaign, enabled, and return it.

    Raises ConflictError where another one has its name, and InputError where it is never due.
    """
    moment = now(connection)
    refuse_taken_in(connection, name)
    note_place(connection)
    insert_row(
        connection,
        CampaignRow,
        id=f"campaign-{base.drawn()}",
        name=name,
        used_name=name,
        version=1,
        state=CampaignState.ENABLED,
        decided_until=moment,
        next_due_at=due_times.check(plan.schedule, moment),
        created_at=moment,
        created_by=who,
        edited_at=moment,
        edited_by=who,
        account=plan.account,
        plan=plan.stored,
    )
    return campaign_rows.named_in(connection, name)


def refuse_taken_in(connection: Connection, name: str) -> None:
    """Raise ConflictError where a campaign has this name."""
    if is_so(connection, exists().where(CampaignRow.used_name == name)):
        raise ConflictError("error.campaign.name_taken", name=name)


refuse_taken = reading(refuse_taken_in)


def edit(engine: Engine, campaign: Campaign, plan: CampaignPlan, *, who: str) -> Campaign:
    """Replace what a campaign is; return it. A run that was begun goes on as it was.

    Raises ConflictError where somebody else edited it since it was read as *campaign*, InputError
    where it is never due, and UnknownIdError.
    """

    def work(connection: Connection, old: Campaign, moment: datetime) -> dict[str, Any]:
        if old.version != campaign.version:
            raise ConflictError("error.campaign.edited", name=old.name, who=old.edited_by)
        values: dict[str, Any] = {
            "version": old.version + 1,
            "account": plan.account,
            "plan": plan.stored,
        }
        if plan.schedule == old.plan.schedule:
            return values
        decided = _decided(old, moment)
        first = due_times.check(plan.schedule, decided["decided_until"])
        held = Verdict(state=LaunchState.HELD, why=Why.EDITED)
        _decide_rest(connection, old, moment=moment, verdict=held)
        is_enabled = old.state is CampaignState.ENABLED
        return values | decided | {"next_due_at": first if is_enabled else None}

    return _changed(engine, campaign.name, work, who=who)


def enable(engine: Engine, name: str, *, who: str) -> Campaign:
    """Enable a campaign from now on; what was due before stays as it is. Raises UnknownIdError.

    Raises InputError where it is never due any more.
    """

    def work(_connection: Connection, old: Campaign, moment: datetime) -> dict[str, Any]:
        if old.state is CampaignState.ENABLED:
            return {}
        decided = _decided(old, moment)
        first = due_times.check(old.plan.schedule, decided["decided_until"])
        return {"state": CampaignState.ENABLED, **decided, "next_due_at": first}

    return _changed(engine, name, work, who=who)


def disable(engine: Engine, name: str, *, who: str) -> Campaign:
    """Disable a campaign: after it no run begins, nor does one that has no broadcast yet.

    Raises UnknownIdError.
    """
    return _stopped(engine, name, CampaignState.DISABLED, Why.DISABLED, who=who)


def remove(engine: Engine, name: str, *, who: str) -> Campaign:
    """Remove a campaign as :func:`disable` does; its runs stay, and its name is free.

    Raises UnknownIdError.
    """
    return _stopped(engine, name, CampaignState.REMOVED, Why.REMOVED, who=who, used_name=None)


def _stopped(  # noqa: PLR0917 - whose state, and why
    engine: Engine, name: str, state: CampaignState, why: Why, *, who: str, **values: None
) -> Campaign:
    def work(connection: Connection, old: Campaign, moment: datetime) -> dict[str, Any]:
        skipped = Verdict(state=LaunchState.SKIPPED, why=why)
        stopped = _stop(connection, old, moment=moment, verdict=skipped)
        return {"state": state, **stopped, **values}

    return _changed(engine, name, work, who=who)


def _stop(
    connection: Connection, campaign: Campaign, *, moment: datetime, verdict: Verdict
) -> dict[str, Any]:
    """Decide every run that has no broadcast; return what a campaign without a next run is."""
    launch_rows.close_open(connection, campaign, verdict, moment=moment)
    _decide_rest(connection, campaign, moment=moment, verdict=verdict)
    return {"next_due_at": None, **_decided(campaign, moment)}


def disable_restored(connection: Connection, *, before: datetime, who: str) -> list[str]:
    """Disable each campaign that was edited last before a moment; return those with times ahead.

    It may have been removed or edited after the backup. A run that has come is held, as it may
    have been sent since; so may one that was held, which is said of it.
    """
    moment = now(connection)
    held = Verdict(state=LaunchState.HELD, why=Why.RESTORED)
    as_before = and_(CampaignRow.state == CampaignState.ENABLED, CampaignRow.edited_at <= before)
    found = campaign_rows.some(connection, as_before, lock=True)
    launch_rows.doubt_held(connection, before=before, why=Why.RESTORED)
    for one in found:
        stopped = _stop(connection, one, moment=moment, verdict=held)
        disabled = {"state": CampaignState.DISABLED, "edited_at": moment, "edited_by": who}
        change(connection, CampaignRow, one.id, **disabled, **stopped)
    return [one.name for one in found if _is_ahead(one, moment)]


def _is_ahead(campaign: Campaign, moment: datetime) -> bool:
    with contextlib.suppress(InputError):
        return next(campaign.plan.schedule.after(moment), None) is not None
    return False


@writing
def _changed(
    connection: Connection,
    name: str,
    work: Callable[[Connection, Campaign, datetime], dict[str, Any]],
    *,
    who: str,
) -> Campaign:
    old = campaign_rows.named_in(connection, name, lock=True)
    moment = now(connection)
    values = work(connection, old, moment)
    if values:
        edited = {"edited_at": moment, "edited_by": who}
        change(connection, CampaignRow, old.id, **values, **edited)
    return campaign_rows.some(connection, CampaignRow.id == old.id)[0]


def _decide_rest(
    connection: Connection, campaign: Campaign, *, moment: datetime, verdict: Verdict
) -> None:
    if campaign.state is not CampaignState.ENABLED:
        return
    # A campaign whose times cannot be worked out is edited and stopped all the same.
    with contextlib.suppress(InputError):
        due_launches.decide_times(
            connection, campaign, moment=moment, verdict=lambda *_: verdict, most=None
        )


def _decided(campaign: Campaign, moment: datetime) -> dict[str, datetime]:
    # The database's clock may have been set back.
    return {"decided_until": max(campaign.decided_until, moment)}
