"""Words of a command line, as a shell writes and reads them."""

from __future__ import annotations

import shlex


def command_line(words: list[str]) -> str:
    """Return *words* as one line that a shell reads back as them."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    # $'…' is what bash, zsh and ksh read line breaks from.
    return "$'" + "".join(map(_escaped, word)) + "'"


def _escaped(character: str) -> str:
    if character in {"\\", "'"}:
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x80 else f"\\U{code:08x}"  # noqa: PLR2004 - ASCII


def is_utf8(word: str) -> bool:
    """Return whether a word of the command line is UTF-8: other bytes are kept as surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in word)
