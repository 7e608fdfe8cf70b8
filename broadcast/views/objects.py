"""Objects for programs, with sums alone: a broadcast in lists, and the event of a webhook.

Moments are in UTC, counts are numbers, and no word depends on a language.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from broadcast.digests import sha256
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.content import preview
from broadcast.rules.finish_events import Counts, Delivered
from broadcast.rules.gates import blockers
from broadcast.rules.gates.blockers import Blocker
from broadcast.rules.reports import Report
from broadcast.rules.states import BroadcastState, WebhookState
from broadcast.views.texts import Texts


def object_of(report: Report) -> dict[str, Any]:
    """Return the object. Raises ValueError if the report's content is none."""
    return {
        **members(report, "id", "state"),
        "reason": _plain(report.failed_uncalled),
        **members(report, "account", "key", "title"),
        "content": _content(report.content),
        **members(report, "created_by", "priority"),
        "to": _to(report),
        "selection": json.loads(report.selection or "{}"),
        **members(report, "audience", "recipients", "batches"),
        "blockers": [_blocker(one) for one in blockers.blockers_of(report)],
        "calls": report.calls,
        "delivered": delivered_object(report.delivered),
        **members(report, "created_at", "scheduled_at", "started_at", "finished_at", "pruned_at"),
        "error": None,
    }


def members(one: object, *names: str) -> dict[str, Any]:
    """Return these members of *one* as programs read them: moments in UTC, of an enum its word.

    Of None each is null.
    """
    return {name: one and _plain(getattr(one, name)) for name in names}


def _plain(value: object) -> object:
    match value:
        case datetime():
            return utc(value)
        case Enum():
            # Of a reason there may be none: programs are promised null.
            return value.value or None
        case tuple():
            return list(value)
    return value


def _content(canonical: str) -> dict[str, str]:
    value = json.loads(canonical)
    return {"msgtype": value["msgtype"], "preview": preview(value)}


def _to(report: Report) -> dict[str, Any]:
    """Return the audience as a request says it; a list is not repeated."""
    audience = json.loads(report.audience_spec)
    match report.audience_kind:
        case "followers":
            tag = audience.get("tag_id")
            return {"followers": True} if tag is None else {"followers": True, "with_tag": tag}
        case "tag":
            return {"tag_id": audience.get("tag_id")}
        case "everyone":
            return {"to_all": True}
        case "openids":
            return {"openids": True}
    # Of a newer release.
    return {report.audience_kind: True}


def _blocker(one: Blocker) -> dict[str, Any]:
    return members(
        one,
        "cause",
        "reason",
        "errcode",
        "errmsg",
        "since",
        "until",
        "who",
        "why",
        "count",
        "broadcasts",
        "batch",
        "command",
        "path",
    )


def delivered_object(figures: Delivered) -> dict[str, Any]:
    """Return WeChat's counts; without any each is null, never 0."""
    return {**asdict(figures.counts if figures.jobs else Counts()), "jobs": figures.jobs}


def utc(moment: datetime, *, timespec: str = "milliseconds") -> str:
    """Return a moment as programs read it; *timespec* is that of ``datetime.isoformat``."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def utc_if_any(moment: datetime | None) -> str | None:
    """Return the same of a moment that there may be none of."""
    return None if moment is None else utc(moment)


def coded(message: Message, texts: Texts) -> dict[str, str]:
    """Return a message: its id, and its text."""
    return {"code": message.id, "text": texts(message)}


def event_id(broadcast_id: str, version: int) -> str:
    """Return the id of an event, the same at each try: of which broadcast, and which version."""
    return f"{broadcast_id}-{version}"


def event_kind(state: BroadcastState) -> str:
    """Return the ``type`` of an event."""
    return f"broadcast.{state.value}"


def event_body(kind: str, data: Mapping[str, Any], *, version: int, at: datetime) -> str:
    """Return the body to post, in ASCII, so that every database gives back the signed bytes."""
    event = {
        "type": kind,
        "timestamp": utc(at),
        "version": version,
        "data": data,
    }
    return json.dumps(event, separators=(",", ":"))


def event_digest(
    state: BroadcastState, recipients: Mapping[str, int | None], batches: Mapping[str, int]
) -> str:
    """Return the digest of the facts reported once: state and sets, not WeChat's later counts."""
    sets = {name: n for name, n in batches.items() if name != "finished"}
    facts = [state.value, recipients, sets]
    return sha256(json.dumps(facts, sort_keys=True))


@frozen
class Webhook:
    """An event as it is stored."""

    broadcast_id: str
    version: int
    account: str
    kind: str
    state: WebhookState
    url: str = field(repr=False)
    #: Since then.
    tries: int
    #: Of the last answer; None: there was none.
    http_status: int | None
    #: Why the last try failed.
    problem: Message | None
    created_at: datetime
    tried_at: datetime | None
    #: When it is tried next; None: it is not.
    due_at: datetime | None
    #: From when on the day is counted in which it is tried: the event, or a person's retry.
    since: datetime
    closed_at: datetime | None

    @property
    def id(self) -> str:
        """The webhook's id as the receiver knows it."""
        return event_id(self.broadcast_id, self.version)
