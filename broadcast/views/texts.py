"""The catalogue: every text a person reads, in Chinese and English.

``Texts("zh")("send.stored", id=…)`` looks the id up in ``locale/zh/LC_MESSAGES/broadcast.mo`` and
fills the ``{placeholders}``. The ``.po`` files are the source; ``make catalogue`` compiles them.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final, Literal, TypeAlias

from broadcast.errors import BroadcastError
from broadcast.message import Message
from broadcast.views import words

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


class _InWords:
    """Facts in words, each when a text asks for it: in the order in which they are read."""

    def __init__(self, facts: Mapping[str, object], texts: Texts) -> None:
        self._facts, self._texts = facts, texts

    def __getitem__(self, name: str) -> object:
        return words.fact_words(self._facts[name], self._texts)


class Texts:
    """The catalogue in one language."""

    def __init__(self, language: Language, *, distances: bool = True) -> None:
        """*language* is the reader's; without *distances* it is read some time after it is said."""
        self.language = language
        self.has_distances = distances
        #: None: each moment is written with its zone; else whether one was already.
        self._zone_named: bool | None = None

    def __call__(self, what: Message | BroadcastError | str, /, **facts: object) -> str:
        """Return a message, an error, or an id with its facts in words.

        Raises ``KeyError`` when the catalogue has no such id: a missing text is a bug, not a blank.
        """
        if isinstance(what, BroadcastError):
            what = what.message
        if isinstance(what, Message):
            return self(what.id, **what.facts)
        return self.template(what).format_map(_InWords(facts, self))

    @contextmanager
    def zone_once(self) -> Iterator[None]:
        """Name the zone with the first moment only: the lines of one report are read together."""
        before, self._zone_named = self._zone_named, bool(self._zone_named)
        try:
            yield
        finally:
            self._zone_named = before

    def names_zone(self) -> bool:
        """Return whether the moment that is written now names its zone."""
        named, self._zone_named = self._zone_named, None if self._zone_named is None else True
        return not named

    def template(self, message_id: str) -> str:
        """Return the text of this id with its ``{placeholders}``. Raises KeyError."""
        text = _catalogue(self.language).gettext(message_id)
        if text == message_id:
            raise KeyError(message_id)
        return text

    def has(self, message_id: str) -> bool:
        """Return whether there is a text of this id."""
        return _catalogue(self.language).gettext(message_id) != message_id
