"""A content in a few words, so that broadcasts can be told apart."""

from __future__ import annotations

import json

from broadcast.content import preview


def as_json(canonical: str | None) -> dict[str, str] | None:
    """Return ``msgtype`` and ``preview`` of WeChat's content object as JSON; None for None."""
    if canonical is None:
        return None
    value = json.loads(canonical)
    return {"msgtype": value["msgtype"], "preview": preview(value)}
