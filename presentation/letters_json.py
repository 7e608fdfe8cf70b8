"""Dead letters as programs read them."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any, Final

from broadcast.dead_letters import KeptLetter
from broadcast.fields import field_of
from broadcast.message import Message
from presentation.for_programs import refusal
from presentation.report_json import utc
from presentation.texts import Texts

#: Deeper than any request; writers of JSON end at some depth.
_DEEPEST: Final = 50


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
    return {"code": reason.id, "field": field_of(reason), "text": refusal(reason, texts)}


def _utc_if_any(moment: datetime | None) -> str | None:
    return None if moment is None else utc(moment)


def body_of(text: str) -> object:
    """Return a body as JSON where it is such that every program can read it, else as its text."""
    try:
        value = json.loads(text, parse_constant=_refuse)
        return value if _is_plain(value) else text
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _is_plain(value: object, depth: int = 0) -> bool:
    """Return whether a value is of plain numbers and whole characters, and not too deep."""
    if depth > _DEEPEST:
        return False
    match value:
        case str():
            value.encode()
        case int():
            return -(2**63) <= value < 2**63
        case float():
            return math.isfinite(value)
        case list():
            return all(_is_plain(one, depth + 1) for one in value)
        case dict():
            return all(_is_plain(each, depth + 1) for one in value.items() for each in one)
    return True
