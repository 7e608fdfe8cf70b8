"""A message: what is to be said, by the id of its text and its facts, in no language yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, init=False)
class Message:
    """The id of a text in the catalogue, and the facts that fill it.

    A fact is a value, or another message. ``broadcast.views`` turns both into words.
    """

    id: str
    facts: Mapping[str, object]

    def __init__(self, message_id: str, /, **facts: object) -> None:
        """Take the id and the facts by the names of the text's placeholders."""
        object.__setattr__(self, "id", message_id)
        object.__setattr__(self, "facts", facts)

    def __str__(self) -> str:
        """Return it as an engineer reads it in a log: ``error.key.too_long (length=200, …)``."""
        facts = ", ".join(f"{name}={fact}" for name, fact in self.facts.items())
        return f"{self.id} ({facts})" if facts else self.id
