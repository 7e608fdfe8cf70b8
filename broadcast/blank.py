"""Whether a text shows anything at all."""

from __future__ import annotations

import unicodedata
from typing import Final

#: Controls, formats (zero-width space and joiners, byte order mark, tags) and separators.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})
#: Letters, marks and symbols without ink: fillers of Hangul, vowels of Khmer, the joiner of
#: graphemes, variation selectors, the blank of Braille (Unicode, Default_Ignorable_Code_Point).
_WITHOUT_INK: Final = frozenset(
    map(
        chr,
        [
            0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800,
            0x3164, 0xFFA0, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0),
        ],
    )
)  # fmt: skip


def is_blank(text: str) -> bool:
    """Return whether nobody would see anything of *text*; an empty one is blank."""
    return all(
        unicodedata.category(character) in _UNSEEN or character in _WITHOUT_INK
        for character in text
    )
