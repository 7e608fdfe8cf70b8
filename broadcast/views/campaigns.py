"""Campaigns and their launches as objects for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from broadcast.rules.campaigns.campaign import Campaign, Launch
from broadcast.rules.reports import Report
from broadcast.views.objects import delivered_object, utc, utc_if_any
from broadcast.views.texts import Texts


def campaign_object(campaign: Campaign) -> dict[str, Any]:
    """Return a campaign with its next due times."""
    plan = campaign.plan
    schedule, policy, template = plan.schedule, plan.policy, plan.template
    return {
        "name": campaign.name, "account": plan.account, "state": campaign.state.value,
        "version": campaign.version, "cron": schedule.cron, "at": utc_if_any(schedule.at),
        "timezone": schedule.zone, "from": schedule.first and str(schedule.first),
        "until": schedule.last and str(schedule.last),
        "except": [str(one) for one in schedule.exceptions], "missed": policy.missed.value,
        "late_by_s": int(policy.late_by.total_seconds()), "overlap": policy.overlap.value,
        "size_brake": policy.size_brake, "exclude_files": list(template.exclude_files),
        "request": template.request, "audience_file": template.audience_file,
        "draft_title": template.draft_title, "article_file": template.article_file,
        "next": list(map(utc, campaign.next_times())),
        "created_at": utc(campaign.created_at), "created_by": campaign.created_by,
        "edited_at": utc(campaign.edited_at), "edited_by": campaign.edited_by,
    }  # fmt: skip


def listed(
    campaigns: Iterable[Campaign], held: Sequence[tuple[Launch, Mapping[str, Any]]]
) -> list[dict[str, Any]]:
    """Return campaigns with their held launches, which are given with their objects."""
    return [
        campaign_object(one) | {"held": [run for of, run in held if of.campaign_id == one.id]}
        for one in campaigns
    ]


def launch_object(launch: Launch, report: Report | None, texts: Texts) -> dict[str, Any]:
    """Return a launch, with the sums of its broadcast where it has one."""
    reason = launch.reason
    why: Mapping[str, str] | None = None if reason is None else {
        "code": reason.id, "text": texts(reason),
    }  # fmt: skip
    return {
        "due_at": utc(launch.due_at), "state": launch.state.value, "reason": why,
        "version": launch.version, "size": launch.size, "broadcast": launch.broadcast_id,
        "released_by": launch.released_by, "decided_at": utc(launch.decided_at),
        "broadcast_state": report and report.state.value,
        "recipients": report and dict(report.recipients),
        "delivered": report and delivered_object(report.delivered),
    }  # fmt: skip
