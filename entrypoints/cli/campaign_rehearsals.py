"""Rehearsals of campaigns: made by a command, shown beside a campaign."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from broadcast.message import Message
from broadcast.rules.campaigns import rehearsals
from broadcast.rules.campaigns.campaign import Campaign
from broadcast.views.objects import utc
from entrypoints.cli import campaign_lines, exits
from entrypoints.cli.run import Run
from models.ledger.campaigns import rehearsal_rows
from models.ledger.rows.transaction import present
from producer.campaigns import rehearsing


def rehearse(run: Run, campaign: Campaign) -> int:
    """Rehearse the next run of a campaign and say what was found; return the exit status."""
    due, door = rehearsing.next_due(campaign), run.door()
    findings = rehearsing.rehearse(campaign, due, door=door, wechat=run.wechat)
    run.say_all(_findings_of(campaign, due, findings, now=present(run.engine)))
    texts = run.texts
    each = [{"code": one.id, "text": texts(one)} for one in findings]
    run.show_done({"due_at": utc(due), "findings": each})
    return exits.FAILED if rehearsals.in_the_way(findings) else exits.DONE


def found(run: Run, campaign: Campaign, now: datetime) -> Iterator[Message]:
    """Yield what the newest rehearsal of the next run of a campaign found."""
    for one in rehearsal_rows.history(run.engine, campaign, most=1, of_next=True):
        if one.findings:
            yield from _findings_of(campaign, one.due_at, one.findings, now=now)


def _findings_of(
    campaign: Campaign, due: datetime, findings: Sequence[Message], *, now: datetime
) -> Iterator[Message]:
    at = campaign_lines.moment_words(due, campaign.plan.schedule.zone, now)
    noted = "noted" if rehearsals.is_to_be_known(findings) else "well"
    name = "found" if rehearsals.in_the_way(findings) else noted
    yield Message(f"rehearsal.{name}", name=campaign.name, at=at)
    yield from findings
