"""A value that somebody else wrote, as a text for people may quote it."""

from __future__ import annotations

import unicodedata
from typing import Final


def visible(text: str, instead: str = "?") -> str:
    """Return *text* with *instead* for each sign that moves the cursor or is not shown."""
    return "".join(sign if sign.isprintable() else instead for sign in text)


def escaped(text: str) -> str:
    """Return *text* with an escape for each sign that moves the cursor or is not shown."""
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text
    )


def one_line(text: str) -> str:
    """Return *text* without line breaks and other characters that would move the cursor."""
    return " ".join(visible(text, " ").split())


def quoted(text: str, most: int) -> str:
    """Return *text* on one line, with a ``?`` for each sign that is not shown, cut to *most*."""
    # Cut first: a name of 4 MB would take a fifth of a second.
    line = visible(text[: most + 1])
    return line if len(line) <= most else line[: most - 1] + "…"


#: Controls, formats (zero-width space and joiners, byte order mark, tags) and separators.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
#: Letters, marks and symbols without ink: fillers of Hangul, vowels of Khmer, the joiner of
#: graphemes, variation selectors, the blank of Braille (Unicode, Default_Ignorable_Code_Point).
_WITHOUT_INK: Final = frozenset(
    map(
        chr,
        [
            0x034F,
            0x115F,
            0x1160,
            0x17B4,
            0x17B5,
            0x180B,
            0x180C,
            0x180D,
            0x180F,
            0x2800,
            0x3164,
            0xFFA0,
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ],
    )
)


def is_blank(text: str) -> bool:
    """Return whether nobody would see anything of *text*; an empty one is blank."""
    return all(
        unicodedata.category(character) in _UNSEEN or character in _WITHOUT_INK
        for character in text
    )
