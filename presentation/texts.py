"""The catalogue: every text a person reads, in Chinese and English.

``Texts("zh")("send.stored", id=…)`` looks the id up in ``locale/zh/LC_MESSAGES/broadcast.mo`` and
fills the ``{placeholders}``. The ``.po`` files are the source; ``make catalogue`` compiles them.
"""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, Literal, TypeAlias

from broadcast.errors import BroadcastError
from broadcast.message import Message
from presentation import words

Language: TypeAlias = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
LOCALE_DIR = Path(__file__).parent / "locale"


def choose_language(environment: Mapping[str, str | None]) -> Language:
    """Return what ``BROADCAST_LANG`` in *environment* says, else its locale, else English."""
    wanted = (environment.get("BROADCAST_LANG") or "").strip().lower()
    for known in LANGUAGES:
        if wanted == known:
            return known
    names = ("LC_ALL", "LC_MESSAGES", "LANG", "LC_CTYPE")
    locale = next((value for name in names if (value := environment.get(name))), "")
    return "zh" if locale.lower().startswith("zh") else "en"


@cache
def _catalogue(language: Language) -> gettext.GNUTranslations:
    with (LOCALE_DIR / language / "LC_MESSAGES" / "broadcast.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


class Texts:
    """The catalogue in one language."""

    def __init__(self, language: Language) -> None:
        """Take the language of whoever reads."""
        self.language = language

    def __call__(self, what: Message | BroadcastError | str, /, **facts: object) -> str:
        """Return a message, an error, or an id with its facts in words.

        Raises ``KeyError`` when the catalogue has no such id: a missing text is a bug, not a blank.
        """
        if isinstance(what, BroadcastError):
            what = what.message
        if isinstance(what, Message):
            return self(what.id, **what.facts)
        text = _catalogue(self.language).gettext(what)
        if text == what:
            raise KeyError(what)
        return text.format(**{name: words.of(fact, self) for name, fact in facts.items()})

    def has(self, message_id: str) -> bool:
        """Tell whether there is a text of this id."""
        return _catalogue(self.language).gettext(message_id) != message_id
