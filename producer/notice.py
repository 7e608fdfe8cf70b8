"""What a person should know although nothing is refused."""

from __future__ import annotations

from dataclasses import dataclass, field

from broadcast.text import t


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A warning by its catalogue id and facts, so that it can be told in any language."""

    message_id: str
    facts: dict[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        """Return the text in the person's language."""
        return t(self.message_id, **self.facts)
