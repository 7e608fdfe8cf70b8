"""Launches as they are stored: taken by a worker, then launched, held or skipped.

A launch becomes *launched* in the transaction that publishes its broadcast
(:func:`mark_launched`): there is no broadcast of one that is held or skipped, and none is held or
skipped that has one, but for those that reached nobody (``unconfirmed_runs``).
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, exists, select, update

from broadcast.digests import sha256
from broadcast.errors import ConflictError, InputError, OutOfReachError, RepeatedSendError
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.campaigns.campaign import Campaign, Launch
from broadcast.rules.campaigns.launches import (
    CampaignState,
    LaunchState,
    Policy,
    Verdict,
    Why,
    check_move,
)
from broadcast.rules.campaigns.template import NOTHING, Template
from models.base import change_where, insert_row
from models.campaign_tables import CampaignRow, LaunchRow
from models.engine import now
from models.ledger.boxes import notices
from models.ledger.campaigns import campaign_rows
from models.ledger.rows import closed_gates
from models.ledger.rows.transaction import (
    reading,
    selected,
    writing,
    writing_new,
)

#: The columns of what no worker has.
NOT_TAKEN: Final[Mapping[str, None]] = MappingProxyType({"taken_at": None, "taken_by": None})
_BEGUN: Final = Verdict(state=LaunchState.BEGUN)
#: For a worker, or for the end of the last run.
_WAITING: Final = (LaunchState.BEGUN, LaunchState.QUEUED)
_DIGITS: Final = 32


class NotBegunError(OutOfReachError):
    """The launch was held, skipped or launched meanwhile: nothing was stored."""


@frozen
class ReservedLaunch:
    """A launch that a worker has taken."""

    launch: Launch
    #: The campaign's, now.
    name: str
    policy: Policy
    #: People in the audience of the run before; None: there was none, or nobody knows.
    last_size: int | None
    #: Its taker, unlike any other; empty: nobody took it.
    taken_by: str = ""
    #: Whether somebody took it before, and may have made its draft.
    was_tried: bool = False

    @property
    def origin(self) -> str:
        """The campaign, of which one launch is under way at a time."""
        return self.launch.campaign_id


def add(
    connection: Connection,
    campaign: Campaign,
    due: datetime,
    *,
    verdict: Verdict,
    moment: datetime,
    **values: object,
) -> Verdict:
    """Insert the launch of a due time, with its template unless it is skipped; return its verdict.

    One that cannot be rendered is held.
    """
    template = None
    if verdict.state is not LaunchState.SKIPPED:
        try:
            template = campaign.plan.rendered(due)
        except InputError as error:
            verdict = Verdict(state=LaunchState.HELD, reason=error.message)
    row = {
        "campaign_id": campaign.id,
        "account": campaign.plan.account,
        "due_at": due,
        "version": campaign.version,
        "template": template,
        "key": f"campaign:{campaign.id}:{due:%Y-%m-%dT%H:%M:%SZ}",
        **_decided(verdict, moment),
    }
    insert_row(connection, LaunchRow, **{**row, **values})
    return verdict


def _decided(verdict: Verdict, moment: datetime) -> dict[str, object]:
    return {
        "state": verdict.state,
        "why": verdict.why,
        "reason": verdict.reason,
        "decided_at": moment,
    }


def with_campaign(connection: Connection, campaign: Campaign, launch: Launch) -> ReservedLaunch:
    """Return a launch with what its campaign says of it now."""
    return ReservedLaunch(
        launch=launch,
        name=campaign.name,
        policy=campaign.plan.policy,
        last_size=_last_size(connection, launch),
    )


of_campaign = reading(with_campaign)


def _last_size(connection: Connection, launch: Launch) -> int | None:
    last = select(LaunchRow.size).filter_by(
        campaign_id=launch.campaign_id, state=LaunchState.LAUNCHED
    )
    size: int | None = connection.scalar(last.order_by(LaunchRow.due_at.desc()).limit(1))
    return size


@writing
def keep_template(connection: Connection, launch_id: int, template: Template) -> None:
    """Store the template of a launch with what was found for it, so that it is found once."""
    mine = update(LaunchRow).filter_by(id=launch_id, state=LaunchState.BEGUN)
    connection.execute(mine.values(template=template))


@writing
def hold(connection: Connection, launch: Launch, reason: Message) -> bool:
    """Hold a launch that is begun; return False where it is not, any more."""
    verdict = Verdict(state=LaunchState.HELD, reason=reason)
    return move(connection, launch, verdict, moment=now(connection))


def mark_launched(
    connection: Connection, launch_id: int, broadcast_id: str, *, size: int | None
) -> None:
    """Store that a launch is a broadcast, in the transaction that publishes it.

    Raises NotBegunError where the launch is none any more, or the lanes were closed meanwhile:
    nothing is to be stored then.
    """
    mine = update(LaunchRow).filter_by(id=launch_id, state=LaunchState.BEGUN)
    launched = mine.values(
        state=LaunchState.LAUNCHED,
        broadcast_id=broadcast_id,
        size=size,
        decided_at=now(connection),
        **NOT_TAKEN,
    )
    # The lane of the broadcast is locked, as it is where all are closed.
    is_closed = closed_gates.are_lanes_closed(connection)
    if is_closed or not connection.execute(launched).rowcount:
        raise NotBegunError("error.launch.not_begun")


def close_open(
    connection: Connection, campaign: Campaign, verdict: Verdict, *, moment: datetime
) -> None:
    """Hold or skip the launches of a campaign that have no broadcast yet.

    Those that wait for a person wait on, unless there is nothing any more to let go.
    """
    waiting = [*_WAITING]
    if verdict.why is Why.REMOVED:
        waiting.append(LaunchState.HELD)
    for launch in some(
        connection, LaunchRow.campaign_id == campaign.id, LaunchRow.state.in_(waiting)
    ):
        move(connection, launch, verdict, moment=moment)


def begin_queued(connection: Connection, campaign: Campaign, *, moment: datetime) -> bool:
    """Begin the first launch of a campaign that waits for the end of the last run, if any does."""
    waiting = some(
        connection, LaunchRow.campaign_id == campaign.id, LaunchRow.state == LaunchState.QUEUED
    )
    return bool(waiting) and move(connection, waiting[0], _BEGUN, moment=moment, released_at=moment)


@writing
def release(
    connection: Connection,
    campaign: Campaign,
    shown: Launch,
    *,
    who: str,
    maybe_sent: bool = False,
) -> Launch:
    """Begin a held launch as it was shown; return it. It goes, whatever went out meanwhile.

    Raises ConflictError where it is not held, and InputError unless it was said that it goes though
    it was *maybe_sent* before a restore.
    """
    if not maybe_sent and launch_of(connection, shown.id).why is Why.RESTORED:
        raise InputError("error.launch.maybe_sent", name=campaign.name, due=shown.due_at)
    template = replace(shown.template, again=True)
    released = {"template": template, "version": shown.version, "released_by": who}
    moment = now(connection)
    if not move(connection, shown, _BEGUN, moment=moment, released_at=moment, **released):
        raise not_held(campaign, launch_of(connection, shown.id))
    return launch_of(connection, shown.id)


def not_held(campaign: Campaign, launch: Launch) -> ConflictError:
    """Return the error of who would release a run that stands so."""
    facts = {"name": campaign.name, "due": launch.due_at, "id": launch.broadcast_id or "-"}
    return ConflictError(f"error.launch.{launch.state.value}", **facts)


@writing_new
def run_now(
    connection: Connection, campaign: Campaign, shown: Launch, *, key: str, who: str
) -> tuple[Launch, bool]:
    """Begin a run as it was shown; return it, and whether it is new.

    The same *key* gives the same run. Raises RepeatedSendError as :func:`check_none_waits`.
    """
    own = _key_of_run(campaign, key)
    # Two that run it at once: the second finds the run of the first.
    campaign_rows.some(connection, CampaignRow.id == campaign.id, lock=True)
    there = some(connection, LaunchRow.key == own)
    if there:
        return there[0], False
    check_none_waits_in(connection, campaign, shown)
    moment = now(connection)
    # No due time has a part of a second.
    due = moment.replace(microsecond=moment.microsecond or 1)
    add(
        connection,
        campaign,
        due,
        verdict=_BEGUN,
        moment=moment,
        key=own,
        released_at=moment,
        released_by=who,
        template=shown.template,
    )
    return some(connection, LaunchRow.key == own)[0], True


def check_none_waits_in(connection: Connection, campaign: Campaign, shown: Launch) -> None:
    """Refuse a run by hand beside one of the same version that waits for a worker.

    Whatever its day is rendered to: people would get both. What was launched, its publication
    finds. Raises RepeatedSendError unless it is to go once more.
    """
    if shown.template.again:
        return
    mine = (LaunchRow.campaign_id == campaign.id, LaunchRow.version == shown.version)
    for one in some(connection, *mine, LaunchRow.state.in_(_WAITING)):
        at = one.released_at or one.due_at
        raise RepeatedSendError("error.launch.repeated", name=campaign.name, at=at)


check_none_waits = reading(check_none_waits_in)


@reading
def under_key(connection: Connection, campaign: Campaign, key: str) -> Launch | None:
    """Return the run that a person asked for with *key*, if there is one."""
    there = some(connection, LaunchRow.key == _key_of_run(campaign, key))
    return there[0] if there else None


def _key_of_run(campaign: Campaign, key: str) -> str:
    digest = sha256(key)[:_DIGITS]
    return f"campaign:{campaign.id}:{digest}"


def launch_of(connection: Connection, launch_id: int) -> Launch:
    """Return a launch as it stands."""
    return some(connection, LaunchRow.id == launch_id)[0]


current = reading(launch_of)


@reading
def history(connection: Connection, campaign_id: str, *, most: int) -> Sequence[Launch]:
    """Return the newest launches of a campaign, the last first."""
    return some(connection, LaunchRow.campaign_id == campaign_id, most=most)


@reading
def in_minute(connection: Connection, campaign_id: str, at: datetime) -> Sequence[Launch]:
    """Return the launches of a campaign due from a moment on to a minute after it."""
    in_it = LaunchRow.due_at.between(at, at + timedelta(minutes=1))
    return some(connection, LaunchRow.campaign_id == campaign_id, in_it)


@reading
def waiting_for_a_person(connection: Connection, campaign_ids: Collection[str]) -> Sequence[Launch]:
    """Return the held launches of some campaigns, the first due first."""
    mine = LaunchRow.campaign_id.in_(list(campaign_ids))
    return some(connection, mine, LaunchRow.state == LaunchState.HELD)


def doubt_held(connection: Connection, *, before: datetime, why: Why) -> None:
    """Give the runs that were held before a moment another reason: a person may have sent them."""
    held = (LaunchRow.state == LaunchState.HELD, LaunchRow.decided_at <= before)
    change_where(connection, LaunchRow, *held, why=why, reason=None)


def move(
    connection: Connection,
    launch: Launch,
    verdict: Verdict,
    *,
    moment: datetime,
    **values: object,
) -> bool:
    """Move a launch that is still as it was read; return whether it was."""
    check_move(launch.state, verdict.state)
    mine = (LaunchRow.id == launch.id, LaunchRow.state == launch.state)
    moved = {**_decided(verdict, moment), **NOT_TAKEN, **values}
    is_moved = change_where(connection, LaunchRow, *mine, **moved) == 1
    if is_moved:
        tell(connection, verdict, LaunchRow.id == launch.id)
    return is_moved


def tell(connection: Connection, verdict: Verdict, *where: ColumnElement[bool]) -> None:
    """Add the notice of a launch of this verdict, in the transaction that decided it so."""
    if not verdict.is_news:
        return
    [one] = some(connection, *where)
    for campaign in campaign_rows.readable(connection, CampaignRow.id == one.campaign_id):
        due = campaign.plan.schedule.written(one.due_at)
        notices.add(
            connection,
            kind=f"launch_{one.state.value}",
            account=one.account,
            subject=campaign.name,
            key=_key_of_notice(one),
            due=due,
            reason=one.reason,
            command=shlex.join(["broadcast", "campaigns", "run", campaign.name, "--due", due]),
            look=shlex.join(["broadcast", "campaigns", "show", campaign.name]),
        )


def _key_of_notice(launch: Launch) -> str:
    return f"launch {launch.id} {launch.decided_at}"


@reading
def is_still_so(connection: Connection, key: str) -> bool:
    """Return whether a launch stands as its notice of this *key* says."""
    is_there = exists().where(
        CampaignRow.id == LaunchRow.campaign_id, CampaignRow.state != CampaignState.REMOVED
    )
    found = some(connection, LaunchRow.id == int(key.split()[1]), is_there)
    return any(_key_of_notice(one) == key for one in found)


def some(
    connection: Connection, *where: ColumnElement[bool], most: int | None = None
) -> Sequence[Launch]:
    """Return launches, the first due first; *most*: so many of the last, in the other order."""
    order = LaunchRow.due_at if most is None else LaunchRow.due_at.desc()
    query = selected(Launch, LaunchRow).where(*where).order_by(order).limit(most)
    return [_read(row) for row in connection.execute(query).mappings()]


def _read(row: Any) -> Launch:
    why = row["why"]
    read = {
        "reason": row["reason"] or (why and Message(f"launch.{why}")),
        "template": row["template"] or NOTHING,
    }
    return Launch(**{**row, **read})
