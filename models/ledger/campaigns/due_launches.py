"""Due times of campaigns: each gets its one launch, taken by one of any number of workers at once.

One short transaction locks a campaign and decides the due times since the last look, up to now by
the database's clock. How far it came, the row says, and that only grows: a clock that is set back
makes no due time come twice.
"""

from __future__ import annotations

import itertools
import logging
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, exists, or_, select

from broadcast.errors import OutOfReachError
from broadcast.rules.campaigns.campaign import Campaign
from broadcast.rules.campaigns.launches import (
    IN_LINE_FOR,
    CampaignState,
    DueTime,
    LaunchState,
    Verdict,
    decide,
)
from broadcast.rules.states import Phase
from models.base import change, change_where, is_so
from models.broadcast_tables import BroadcastRow
from models.campaign_tables import CampaignRow, LaunchRow
from models.engine import is_long_past, now
from models.ledger.campaigns import campaign_rows, launch_rows
from models.ledger.campaigns.launch_rows import ReservedLaunch
from models.ledger.rows import closed_gates
from models.ledger.rows.transaction import read, reading, writing

log = logging.getLogger(__name__)

#: Due times of one transaction: after an outage there may be thousands.
AT_ONCE: Final = 200
#: The newest so many have notices; `campaigns show` has the others.
_NEWS_AT_ONCE: Final = 20
#: A worker that took a launch and died leaves it to the others after this.
TAKEN_FOR: Final = timedelta(seconds=30)
#: A launch that was given back is tried again with the next look of beat.
_AGAIN_AFTER: Final = timedelta(seconds=3)
#: How often a launch in line is decided again: each time a write.
_DECIDED_EVERY: Final = timedelta(seconds=20)


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
        try:
            while _decide_some(engine, campaign_id):
                pass
        except OutOfReachError:
            raise
        except Exception:
            log.exception("campaign %s: its due times cannot be decided", name)


@writing
def _decide_some(connection: Connection, campaign_id: str) -> bool:
    """Decide some due times of a campaign; return whether more have come."""
    [campaign] = campaign_rows.some(connection, CampaignRow.id == campaign_id, lock=True)
    moment = now(connection)
    if campaign.state is not CampaignState.ENABLED or closed_gates.are_lanes_closed(connection):
        return False
    answered_at = closed_gates.answered_at(connection)
    is_open = _is_open(connection, campaign_id) or launch_rows.begin_queued(
        connection, campaign, moment=moment
    )

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
        found = launch_rows.add(connection, campaign, due, verdict=found, moment=moment)
        if due in times[-_NEWS_AT_ONCE:]:
            its_own = (LaunchRow.campaign_id == campaign.id, LaunchRow.due_at == due)
            launch_rows.tell(connection, found, *its_own)
    if times:
        following = next(campaign.plan.schedule.after(times[-1]), None)
        change(connection, CampaignRow, campaign.id, decided_until=times[-1], next_due_at=following)
    return len(known) > len(times)


def _is_open(connection: Connection, campaign_id: str) -> bool:
    """Return whether a run of a campaign was begun and its broadcast is not at rest."""
    mine = LaunchRow.campaign_id == campaign_id
    begun = exists().where(mine, LaunchRow.state == LaunchState.BEGUN)
    sending = exists().where(
        mine,
        LaunchRow.state == LaunchState.LAUNCHED,
        BroadcastRow.id == LaunchRow.broadcast_id,
        BroadcastRow.phase != Phase.ENDED,
    )
    return is_so(connection, or_(begun, sending))


@reading
def to_launch(
    connection: Connection, *, accounts: Collection[str], busy: Collection[str] = ()
) -> Sequence[int]:
    """Return the launches of some accounts that are begun and free, the first due first.

    None of the campaigns in *busy*.
    """
    mine = (LaunchRow.account.in_(accounts), LaunchRow.campaign_id.not_in(busy))
    return connection.scalars(_BEGUN.where(_is_free(now(connection)), *mine)).all()


@reading
def to_decide(connection: Connection) -> Sequence[int]:
    """Return the launches that are begun and free, and were not decided of late."""
    moment = now(connection)
    late = LaunchRow.decided_at < moment - _DECIDED_EVERY
    return connection.scalars(_BEGUN.where(_is_free(moment), late)).all()


_BEGUN: Final = (
    select(LaunchRow.id)
    .where(LaunchRow.state == LaunchState.BEGUN, ~closed_gates.LANES_CLOSED)
    .order_by(LaunchRow.due_at, LaunchRow.id)
)


def _is_free(moment: datetime) -> ColumnElement[bool]:
    """Return the condition that nobody took it of late."""
    left = is_long_past(LaunchRow.taken_at, moment, after=TAKEN_FOR)
    tried = LaunchRow.taken_by.is_(None) & (LaunchRow.taken_at < moment - _AGAIN_AFTER)
    return or_(left, tried)


@writing
def reserve_launch(connection: Connection, launch_id: int) -> ReservedLaunch | None:
    """Take a launch for this worker for a while.

    None where another was quicker, or where it came too late and is held or skipped now.
    """
    moment, token = now(connection), secrets.token_hex(16)
    found = _decided(connection, launch_id, moment=moment)
    if found is None:
        return None
    change(connection, LaunchRow, launch_id, taken_at=moment, taken_by=token)
    return replace(found, taken_by=token)


@writing
def decide_again(
    connection: Connection,
    launch_id: int,
    *,
    accounts: Collection[str],
) -> None:
    """Hold or skip a launch that is begun and came too late.

    What is in line for the threads of workers with these *accounts* has not, for a while.
    """
    moment = now(connection)
    found = _decided(connection, launch_id, moment=moment)
    if found is not None and found.launch.account in accounts:
        since = found.launch.released_at or found.launch.due_at
        if moment - since <= IN_LINE_FOR:
            change(connection, LaunchRow, launch_id, decided_at=moment)


def _decided(connection: Connection, launch_id: int, *, moment: datetime) -> ReservedLaunch | None:
    """Return a launch that is still to be launched, with its row locked; None: it is not."""
    begun = (LaunchRow.id == launch_id, LaunchRow.state == LaunchState.BEGUN, _is_free(moment))
    row = connection.execute(_TAKEN.where(*begun).with_for_update()).first()
    # What a database has that was restored may have been launched since.
    if row is None or closed_gates.are_lanes_closed(connection):
        return None
    launch = launch_rows.launch_of(connection, launch_id)
    [campaign] = campaign_rows.some(connection, CampaignRow.id == launch.campaign_id)
    had_at = launch.decided_at if row.taken_at is None else row.taken_at if row.taken_by else None
    newer = exists().where(
        LaunchRow.campaign_id == launch.campaign_id,
        LaunchRow.due_at > launch.due_at,
        LaunchRow.released_by.is_(None),
        LaunchRow.state != LaunchState.SKIPPED,
    )
    one = DueTime(
        due=launch.due_at,
        now=moment,
        released_at=launch.released_at,
        answered_at=closed_gates.answered_at(connection),
        by_person=launch.released_by is not None,
        had_at=had_at,
        newest=not is_so(connection, newer),
    )
    verdict = decide(one, campaign.plan.policy)
    if verdict.state is LaunchState.BEGUN:
        found = launch_rows.with_campaign(connection, campaign, launch)
        return replace(found, was_tried=row.taken_at is not None)
    launch_rows.move(connection, launch, verdict, moment=moment)
    return None


_TAKEN: Final = select(LaunchRow.taken_at, LaunchRow.taken_by)


@writing
def renew(connection: Connection, taken: ReservedLaunch) -> bool:
    """Keep a launch for longer; return False where it is not this worker's any more."""
    return _change_taken(connection, taken)


@writing
def give_back(connection: Connection, taken: ReservedLaunch) -> None:
    """Leave a launch to whoever comes next: what it needs is out of reach."""
    _change_taken(connection, taken, taken_by=None)


def _change_taken(connection: Connection, taken: ReservedLaunch, **values: None) -> bool:
    mine = (LaunchRow.id == taken.launch.id, LaunchRow.taken_by == taken.taken_by)
    return change_where(connection, LaunchRow, *mine, taken_at=now(connection), **values) == 1
