"""Campaigns and their launches as objects for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from broadcast.rules.campaigns.campaign import Campaign, Launch
from broadcast.rules.reports import Report
from broadcast.views.objects import coded, delivered_object, members, utc
from broadcast.views.texts import Texts


def campaign_object(campaign: Campaign) -> dict[str, Any]:
    """Return a campaign with its next due times."""
    plan = campaign.plan
    schedule, policy, template = plan.schedule, plan.policy, plan.template
    return {
        "name": campaign.name,
        "account": plan.account,
        **members(campaign, "state", "version"),
        **members(schedule, "cron", "at"),
        "timezone": schedule.zone,
        "from": schedule.first and str(schedule.first),
        "until": schedule.last and str(schedule.last),
        "except": [str(one) for one in schedule.exceptions],
        "missed": policy.missed.value,
        "late_by_s": int(policy.late_by.total_seconds()),
        "overlap": policy.overlap.value,
        "size_brake": policy.size_brake,
        "exclude_files": list(template.exclude_files),
        **members(template, "request", "audience_file", "draft_title", "article_file"),
        "next": list(map(utc, campaign.next_times())),
        **members(campaign, "created_at", "created_by", "edited_at", "edited_by"),
    }


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
    return {
        **members(launch, "due_at", "state"),
        "reason": reason and coded(reason, texts),
        **members(launch, "version", "size"),
        "broadcast": launch.broadcast_id,
        **members(launch, "released_by", "decided_at"),
        "broadcast_state": report and report.state.value,
        "recipients": report and dict(report.recipients),
        "delivered": report and delivered_object(report.delivered),
    }
