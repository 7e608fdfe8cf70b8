"""The caller's language, by ``Accept-Language`` (RFC 9110, 12.5.4)."""

from __future__ import annotations

from typing import Final

from presentation.texts import LANGUAGES, Language, Texts

_MOST: Final = 20


def chosen(header: str | None, *, default: Language) -> Texts:
    """Return the texts in the language that the caller likes best of those that there are."""
    best, found = 0.0, default
    for entry in (header or "").split(",")[:_MOST]:
        name, _, parameters = entry.partition(";")
        language = name.strip().lower().partition("-")[0]
        weight = _weight(parameters)
        for known in LANGUAGES:
            if language == known and weight > best:
                best, found = weight, known
    return Texts(found)


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
