"""Rehearsals as they are stored: one row for each that was made, with its notice.

Nobody reserves one: it changes nothing, so a killed worker leaves it to the next, and of two that
made the same the first is stored. After an edit a run is rehearsed anew.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, exists, select

from broadcast.message import Message
from broadcast.rules.campaigns import rehearsals
from broadcast.rules.campaigns.campaign import Campaign
from broadcast.rules.campaigns.launches import CampaignState
from broadcast.rules.campaigns.rehearsals import FIRST, Rehearsal, Run, Stage, runs_ahead
from models.base import insert_row
from models.campaign_tables import CampaignRow, RehearsalRow
from models.engine import now
from models.ledger.boxes import notices
from models.ledger.campaigns import campaign_rows
from models.ledger.rows import closed_gates
from models.ledger.rows.transaction import reading, selected, writing_new

#: What a rehearsal is of: no two rows have the same.
_OF: Final = ("campaign_id", "due_at", "stage", "version")


@reading
def missing(connection: Connection, *, accounts: Collection[str]) -> Sequence[Run]:
    """Return the runs of some accounts whose rehearsal has come and was not made yet.

    There are none before it is said what became of a restored database.
    """
    moment = now(connection)
    soon = campaign_rows.readable(
        connection,
        (CampaignRow.next_due_at <= moment + FIRST) & CampaignRow.account.in_(accounts),
    )
    runs = [run for one in soon for run in runs_ahead(one, moment)]
    if not runs or closed_gates.are_lanes_closed(connection):
        return []
    made = select(*(getattr(RehearsalRow, name) for name in _OF))
    ahead = connection.execute(made.where(RehearsalRow.due_at > moment))
    known = {tuple(row) for row in ahead}
    return [run for run in runs if _key(run) not in known]


def _key(run: Run) -> tuple[object, ...]:
    return run.campaign.id, run.due_at, run.stage, run.campaign.version


@writing_new
def record(connection: Connection, run: Run, findings: Sequence[Message]) -> None:
    """Store what a rehearsal found, with a notice of it, unless another worker did.

    One under way while the lanes were closed is made again after the answer.
    """
    if closed_gates.are_lanes_closed(connection):
        return
    campaign, mine = run.campaign, dict(zip(_OF, _key(run), strict=True))
    to_know, name = rehearsals.is_to_be_known(findings), shlex.quote(campaign.name)
    look = Message("rehearsal.look" if to_know else "rehearsal.show", name=name)
    kept = Message(look.id, lines=findings, **look.facts)
    if connection.scalar(select(RehearsalRow.id).filter_by(**mine)) is not None:
        return
    row = {**mine, "rehearsed_at": now(connection), "findings": kept}
    insert_row(connection, RehearsalRow, **row)
    # Who is only to be at hand hears of it once.
    if to_know or (findings and run.stage is Stage.HOUR):
        notices.add(
            connection,
            kind=_kind(findings),
            account=campaign.plan.account,
            subject=campaign.name,
            key=_key_of_notice(mine.values()),
            due=run.due_at,
            lines=[*findings, look],
        )


def _key_of_notice(of: Iterable[object]) -> str:
    return " ".join(map(str, ("rehearsal", *of)))


@reading
def is_still_so(connection: Connection, key: str) -> bool:
    """Return whether the run of a notice of this *key* is to come as it was rehearsed last."""
    campaign_id = key.split()[1]
    ahead = (RehearsalRow.campaign_id == campaign_id, RehearsalRow.due_at > now(connection))
    as_now = exists().where(
        CampaignRow.id == RehearsalRow.campaign_id,
        CampaignRow.state == CampaignState.ENABLED,
        CampaignRow.version == RehearsalRow.version,
    )
    of = select(*(getattr(RehearsalRow, name) for name in _OF)).where(*ahead, as_now)
    rows = connection.execute(of.order_by(RehearsalRow.id))
    last = {row.due_at: _key_of_notice(row) for row in rows}
    return key in last.values()


def _kind(findings: Sequence[Message]) -> str:
    if rehearsals.in_the_way(findings):
        return "rehearsal"
    return "rehearsal_noted" if rehearsals.is_to_be_known(findings) else "rehearsal_asked"


@reading
def history(
    connection: Connection, campaign: Campaign, *, most: int, of_next: bool = False
) -> Sequence[Rehearsal]:
    """Return the newest rehearsals of a campaign, the last first.

    *of_next*: of its next run alone, as it is now.
    """
    mine = selected(Rehearsal, RehearsalRow).filter_by(campaign_id=campaign.id)
    if of_next:
        mine = mine.filter_by(due_at=campaign.next_due_at, version=campaign.version)
    rows = connection.execute(mine.order_by(RehearsalRow.id.desc()).limit(most)).mappings()
    return [Rehearsal(**{**row, "findings": row["findings"].facts["lines"]}) for row in rows]
