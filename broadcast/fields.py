"""Which field of a request an error is about: the same at every door for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from broadcast.message import Message

#: Where a request says its idempotency key; by HTTP that is a header.
KEY: Final = "key"
#: By the beginning of the error's id, the first that fits: these say nothing of the request around
#: what they read.
_FIELDS: Final[Mapping[str, str]] = {
    "error.key.": KEY, "error.submit.key_": KEY, "error.submit.other_options": KEY,
    "error.submit.other_time": "at", "error.submit.repeated": "again", "error.at.": "at",
    "error.title.": "title", "error.exclude.": "exclude",
    "error.settings.unknown_account": "account", "error.settings.which_account": "account",
    "error.audience.": "audience", "error.content.": "content", "error.media.": "content",
}  # fmt: skip


def field_of(reason: Message) -> str | None:
    """Return the field that a refusal names, or is known to be about; None: about none alone."""
    named = reason.facts.get("field")
    if named is not None:
        return str(named) or None
    return by_id(reason.id)


def by_id(message_id: str) -> str | None:
    """Return the field that errors of this id are about, where they name none."""
    return next((field for word, field in _FIELDS.items() if message_id.startswith(word)), None)
