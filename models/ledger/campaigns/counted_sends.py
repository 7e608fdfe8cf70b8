"""Sends of an account, made and to come, counted against WeChat's limits."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, exists, func, or_, select

from broadcast import day
from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.rules.accounts import Account
from broadcast.rules.campaigns import launch_counts
from broadcast.rules.campaigns.campaign import CampaignPlan
from broadcast.rules.campaigns.launch_counts import EVERYBODY, Send
from broadcast.rules.campaigns.launches import LaunchState, Why
from broadcast.rules.plan.audience import Everyone, parse
from broadcast.rules.states import BatchState, Phase
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow
from models.campaign_tables import CampaignRow, LaunchRow
from models.engine import now
from models.ledger.campaigns import campaign_rows
from models.ledger.rows.transaction import reading

_AT: Final = func.coalesce(
    BroadcastRow.started_at, BroadcastRow.scheduled_at, BroadcastRow.created_at
)
_BATCH: Final = Batch.broadcast_id == BroadcastRow.id
#: All of it was refused, by WeChat or by the administrator: nobody got it.
_NOBODY: Final = and_(
    exists().where(_BATCH), ~exists().where(_BATCH, Batch.state != BatchState.REFUSED)
)
#: What was begun, or will be; with the template where a campaign launched it.
_SENDS: Final = (
    select(
        BroadcastRow.id,
        BroadcastRow.audience_kind,
        BroadcastRow.audience_spec,
        LaunchRow.template,
        CampaignRow.name,
        _AT.label("at"),
    )
    .outerjoin(LaunchRow, LaunchRow.broadcast_id == BroadcastRow.id)
    .outerjoin(CampaignRow, CampaignRow.id == LaunchRow.campaign_id)
    .where(or_(BroadcastRow.started_at.is_not(None) & ~_NOBODY, BroadcastRow.phase != Phase.ENDED))
)

#: Runs that a restored database does not know to be sent: each may have been.
_UNSURE: Final = (
    select(LaunchRow.due_at, LaunchRow.template, CampaignRow.name)
    .join(CampaignRow, CampaignRow.id == LaunchRow.campaign_id)
    .where(LaunchRow.state == LaunchState.HELD, LaunchRow.why == Why.RESTORED)
)


@reading
def excesses(
    connection: Connection,
    account: Account,
    *,
    changed: Mapping[str, CampaignPlan] = MappingProxyType({}),
) -> Sequence[Message]:
    """Return what the enabled campaigns of an account plan beyond WeChat's limits.

    Up to the end of the next month, with what was sent from here this month and what is scheduled.
    *changed*: campaigns by name that are to be stored so.
    """
    moment = now(connection)
    sends = _sends(connection, account, moment, changed=changed)
    unsure = _UNSURE.where(
        LaunchRow.account == account.name, day.month_start(moment) <= LaunchRow.due_at
    )
    sends += [
        launch_counts.send(name, template, at=due)
        for due, template, name in connection.execute(unsure)
        if template is not None
    ]
    return list(launch_counts.excesses(account.account_kind, sends))


@reading
def beside_to_all(
    connection: Connection, account: Account, at: datetime, *, name: str = ""
) -> Sequence[Message]:
    """Return what keeps a send to everybody at *at* from being the only one of its day.

    *name*: of its campaign, if it is a run.
    """
    one = Send(at=at, name=name, whom=EVERYBODY, to_all=True)
    sends = _sends(connection, account, now(connection), changed={})
    return list(launch_counts.beside(account.account_kind, one, sends))


def _sends(
    connection: Connection,
    account: Account,
    moment: datetime,
    *,
    changed: Mapping[str, CampaignPlan],
) -> list[Send]:
    """Return what was sent this month, is scheduled, and is planned."""
    mine = CampaignRow.next_due_at.is_not(None) & (CampaignRow.account == account.name)
    plans = {one.name: one.plan for one in campaign_rows.some(connection, mine)}
    made = _SENDS.where(BroadcastRow.account == account.name, day.month_start(moment) <= _AT)
    rows = connection.execute(made).all()
    sends = [_send(row) for row in rows]
    for name, plan in {**plans, **changed}.items():
        # What is wrong with its times is said where they are decided.
        with contextlib.suppress(InputError):
            sends += launch_counts.planned(name, plan, moment)
    templates = [row.template for row in rows if row.template is not None]
    templates += [plan.template for plan in (*plans.values(), *changed.values())]
    return [*launch_counts.by_people(sends, templates)]


def _send(row: Row[*tuple[Any, ...]]) -> Send:
    if row.template is not None:
        return launch_counts.send(row.name, row.template, at=row.at)
    audience = parse(row.audience_kind, row.audience_spec)
    tag = getattr(audience, "tag_id", None)
    # Of a list the digest; the file of a campaign is another list each time.
    whom = getattr(audience, "digest", EVERYBODY) if tag is None else launch_counts.with_tag(tag)
    return Send(at=row.at, name=row.id, whom=whom, to_all=isinstance(audience, Everyone))
