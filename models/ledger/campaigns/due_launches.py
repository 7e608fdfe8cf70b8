"""Due times of campaigns: each gets its one launch, by any number of workers at once.

One short transaction locks a campaign and decides the due times since the last look, up to now by
the database's clock. How far it came, the row says, and that only grows: a clock that is set back
makes no due time come twice.
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, exists, or_, select

from broadcast.errors import OutOfReachError
from broadcast.rules.campaigns.campaign import Campaign
from broadcast.rules.campaigns.launches import (
    CampaignState,
    DueTime,
    LaunchState,
    Verdict,
    decide,
)
from broadcast.rules.states import Phase
from models.broadcast_tables import BroadcastRow
from models.campaign_tables import CampaignRow, LaunchRow
from models.engine import now
from models.ledger.campaigns import campaign_rows, launch_rows
from models.ledger.rows import closed_gates
from models.ledger.rows.transaction import change, read, write

log = logging.getLogger(__name__)

#: Due times of one transaction: after an outage there may be thousands.
AT_ONCE: Final = 200


def decide_due(engine: Engine) -> None:
    """Decide every due time that has come; what is to be launched now is *begun* then.

    None while the lanes are closed: a person must answer first. A campaign whose times cannot be
    decided keeps none of the others from theirs. Raises OutOfReachError.
    """
    with read(engine) as connection:
        queued = exists().where(
            LaunchRow.campaign_id == CampaignRow.id, LaunchRow.state == LaunchState.QUEUED
        )
        due = select(CampaignRow.id, CampaignRow.name).where(
            CampaignRow.state == CampaignState.ENABLED,
            ~closed_gates.LANES_CLOSED,
            or_(CampaignRow.next_due_at <= now(connection), queued),
        )
        found = connection.execute(due.order_by(CampaignRow.next_due_at)).all()
    for campaign_id, name in found:
        some = functools.partial(_decide_some, campaign_id=campaign_id)
        try:
            while write(engine, some):
                pass
        except OutOfReachError:
            raise
        except Exception:
            log.exception("campaign %s: its due times cannot be decided", name)


def _decide_some(connection: Connection, *, campaign_id: str) -> bool:
    """Decide some due times of a campaign; return whether more have come."""
    [campaign] = campaign_rows.some(connection, CampaignRow.id == campaign_id, lock=True)
    moment = now(connection)
    if campaign.state is not CampaignState.ENABLED or closed_gates.are_lanes_closed(connection):
        return False
    answered_at = closed_gates.answered_at(connection)
    is_open = _is_open(connection, campaign_id)
    if not is_open:
        is_open = launch_rows.begin_queued(connection, campaign, moment=moment)
    is_open = is_open or _is_queued(connection, campaign_id)

    def verdict(due: datetime, newest: bool) -> Verdict:  # noqa: FBT001 - as decide_times calls it
        nonlocal is_open
        one = DueTime(
            due=due, now=moment, newest=newest, last_is_open=is_open, answered_at=answered_at
        )
        found = decide(one, campaign.plan.policy)
        is_open = is_open or found.state in {LaunchState.BEGUN, LaunchState.QUEUED}
        return found

    return decide_times(connection, campaign, moment=moment, verdict=verdict, most=AT_ONCE)


def decide_times(
    connection: Connection,
    campaign: Campaign,
    *,
    moment: datetime,
    verdict: Callable[[datetime, bool], Verdict],
    most: int | None,
) -> bool:
    """Add the launch of each due time of a locked campaign up to *moment*, as *verdict* says.

    It is given the time, and whether it is the newest. At most *most*, None: all; return whether
    there are more.
    """
    after = itertools.takewhile(
        lambda due: due <= moment, campaign.plan.schedule.after(campaign.decided_until)
    )
    known = list(itertools.islice(after, None if most is None else most + 1))
    times = known[:most]
    for due in times:
        found = verdict(due, due == known[-1])
        launch_rows.add(connection, campaign, due, verdict=found, moment=moment)
    if times:
        following = next(campaign.plan.schedule.after(times[-1]), None)
        change(connection, CampaignRow, campaign.id, decided_until=times[-1], next_due_at=following)
    return len(known) > len(times)


def _is_open(connection: Connection, campaign_id: str) -> bool:
    """Return whether a run of a campaign was begun and its broadcast is not at rest."""
    mine = LaunchRow.campaign_id == campaign_id
    begun = exists().where(mine, LaunchRow.state == LaunchState.BEGUN)
    sending = exists().where(
        mine, LaunchRow.state == LaunchState.LAUNCHED,
        BroadcastRow.id == LaunchRow.broadcast_id, BroadcastRow.phase != Phase.ENDED,
    )  # fmt: skip
    return bool(connection.scalar(select(or_(begun, sending))))


def _is_queued(connection: Connection, campaign_id: str) -> bool:
    queued = exists().where(
        LaunchRow.campaign_id == campaign_id, LaunchRow.state == LaunchState.QUEUED
    )
    return bool(connection.scalar(select(queued)))
