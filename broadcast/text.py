"""Every text a person reads, from one catalogue in Chinese and English.

``t("send.ask", account="default")`` looks the id up in ``locale/<lang>/LC_MESSAGES/broadcast.mo``
and fills the ``{placeholders}``. The ``.po`` files are the source; ``make catalogue`` compiles
them.
"""

from __future__ import annotations

import gettext
import locale
import os
from functools import cache
from pathlib import Path

LANGUAGES = ("zh", "en")
LOCALE_DIR = Path(__file__).parent / "locale"


def language() -> str:
    """Return ``zh`` or ``en``: ``BROADCAST_LANG``, else the locale, else ``en``."""
    wanted = os.environ.get("BROADCAST_LANG", "").strip().lower()
    if wanted in LANGUAGES:
        return wanted
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "zh" if (locale.getlocale()[0] or "").lower().startswith(("zh", "chinese")) else "en"


@cache
def _catalogue(lang: str) -> gettext.GNUTranslations:
    with (LOCALE_DIR / lang / "LC_MESSAGES" / "broadcast.mo").open("rb") as file:
        return gettext.GNUTranslations(file)


def t(message_id: str, /, **facts: object) -> str:
    """Return the text of *message_id* in the person's language, filled with *facts*.

    Raises ``KeyError`` when the catalogue has no such id: a missing text is a bug, not a blank.
    """
    text = _catalogue(language()).gettext(message_id)
    if text == message_id:
        raise KeyError(message_id)
    return text.format(**facts) if facts else text
