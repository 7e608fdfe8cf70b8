"""A number on the command line, as a person writes one."""

from __future__ import annotations


def counted(text: str, *, most: int) -> int | None:
    """Return a number from 1 to *most*; None: *text* is no such number.

    To Python ``1_0`` is ten, and a number of 5,000 digits is an error of its own.
    """
    text = text.strip()
    if not text.isascii() or not text.isdigit() or len(text) > len(str(most)):
        return None
    return int(text) if 0 < int(text) <= most else None
