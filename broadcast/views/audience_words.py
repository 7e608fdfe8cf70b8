"""Whom a broadcast goes to, in words."""

from __future__ import annotations

import json

from broadcast.message import Message
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.plan.audience import Followers
from broadcast.rules.reports import Report
from broadcast.views.words import Moment, follower_count


def in_a_question(report: Report, name: str) -> Message:
    """Return a broadcast, whose title is *name*, as a question names it."""
    return Message(
        "report.in_a_question",
        name=name,
        id=report.id,
        audience=_counted(report),
        time=_when(report),
    )


def _counted(report: Report) -> Message:
    """Return its audience, counted where that is known."""
    if report.path is SendPath.SENDALL:
        return to_all(report)
    planned = report.audience["planned"]
    if planned is not None:
        return follower_count(planned)
    if report.audience_kind == Followers.kind:
        return followers(report)
    return Message("report.read", n=report.audience["read"])


def _when(report: Report) -> Message:
    """Return when its first call was or is due."""
    if not report.awaits_first_call:
        begun = report.started_at or report.created_at
        return Message("report.begun", at=Moment(begun, report.now))
    if report.scheduled_at is not None:
        return Message("report.due", at=Moment(report.scheduled_at, report.now))
    return Message("report.stored", at=Moment(report.created_at, report.now))


def to_all(report: Report) -> Message:
    """Return the words for everybody or a tag, of whom WeChat has the list."""
    tag = json.loads(report.audience_spec).get("tag_id")
    return Message("report.to_everyone" if tag is None else "report.to_tag", tag=tag)


def followers(report: Report) -> Message:
    """Return the words for the synced followers, or those of a tag."""
    tag = json.loads(report.audience_spec).get("tag_id")
    return Message("report.to_followers" if tag is None else "report.to_followers_tag", tag=tag)
