"""Webhooks as programs read them."""

from __future__ import annotations

from typing import Any

from broadcast.call.waits import Waits
from broadcast.report_object import utc, utc_if_any
from broadcast.webhooks.event import Webhook, WebhookState
from broadcast.webhooks.schedule import last_try
from broadcast.webhooks.url import shown
from presentation.texts import Texts


def as_object(one: Webhook, texts: Texts, *, waits: Waits) -> dict[str, Any]:
    """Return a webhook as ``--json`` and HTTP have it."""
    problem = one.problem
    waiting = one.state is WebhookState.WAITING
    return {
        "id": one.id, "broadcast_id": one.broadcast_id, "version": one.version,
        "account": one.account, "type": one.kind, "state": one.state.value, "url": shown(one.url),
        "tries": one.tries, "http_status": one.http_status,
        "problem": problem and {"code": problem.id, "text": texts(problem)},
        "created_at": utc(one.created_at), "tried_at": utc_if_any(one.tried_at),
        "next_try_at": utc_if_any(one.due_at),
        "give_up_at": utc(last_try(one.since, waits=waits)) if waiting else None,
        "closed_at": utc_if_any(one.closed_at),
    }  # fmt: skip
