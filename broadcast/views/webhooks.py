"""Webhooks in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from broadcast.message import Message
from broadcast.rules.webhooks import shown_url
from broadcast.views.objects import Webhook
from broadcast.views.words import Moment


def lines(one: Webhook, *, now: datetime) -> Iterator[Message]:
    """Yield the state of a webhook, and why its last try failed."""
    yield Message(
        "webhooks.line",
        id=one.id,
        at=Moment(one.created_at, now),
        kind=one.kind,
        state=Message(f"webhooks.state.{one.state}", at=one.due_at and Moment(one.due_at, now)),
        tries=Message("webhooks.tries", n=one.tries),
        url=shown_url(one.url),
    )
    if one.problem is not None:
        yield Message("webhooks.line_problem", problem=one.problem)
