"""Dead letters as programs read them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from broadcast.dead_letters import KeptLetter
from broadcast.message import Message
from presentation.for_programs import refusal
from presentation.report_json import utc
from presentation.texts import Texts


def as_object(one: KeptLetter, texts: Texts) -> dict[str, Any]:
    """Return a dead letter as ``--json`` and HTTP have it."""
    return {
        "id": one.id, "state": one.state.value, "source": one.source.value, "key": one.key,
        "account": one.account, "reason": _reason(one.reason, texts), "times": one.times,
        "first_at": utc(one.first_at), "last_at": utc(one.last_at),
        "broadcast_id": one.broadcast_id,
        "closed_at": _utc_if_any(one.closed_at), "closed_by": one.closed_by, "error": None,
    }  # fmt: skip


def _reason(reason: Message, texts: Texts) -> dict[str, object]:
    field = reason.facts.get("field")
    return {"code": reason.id, "field": field, "text": refusal(reason, texts)}


def _utc_if_any(moment: datetime | None) -> str | None:
    return None if moment is None else utc(moment)


def body_of(text: str) -> object:
    """Return a body as JSON where it is such, else as its text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
