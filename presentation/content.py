"""A content in a few words, so that broadcasts can be told apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

#: Characters; about what fits beside an id in a terminal.
LONGEST_PREVIEW = 40


def as_json(canonical: str | None) -> dict[str, str] | None:
    """Return ``msgtype`` and ``preview`` of WeChat's content object as JSON; None for None."""
    if canonical is None:
        return None
    value = json.loads(canonical)
    return {"msgtype": value["msgtype"], "preview": preview(value)}


def preview(value: Mapping[str, Any]) -> str:
    """Return the first words of a text; of anything else its title, or by which id WeChat has it.

    *value* is WeChat's content object.
    """
    part = value.get("images" if value["msgtype"] == "image" else value["msgtype"], {})
    named = next((part[name] for name in _NAMES if part.get(name)), "")
    first = named[0] if isinstance(named, list) else named
    words = " ".join(str(first).split())
    return words if len(words) <= LONGEST_PREVIEW else words[: LONGEST_PREVIEW - 1] + "…"


#: Of a part of the content object, the telling ones first.
_NAMES = ("content", "title", "media_id", "media_ids", "card_id")
