"""A value that somebody else wrote, as a text for people may quote it."""

from __future__ import annotations


def one_line(text: str) -> str:
    """Return *text* without line breaks and other characters that would move the cursor."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def quoted(text: str, most: int) -> str:
    """Return *text* on one line, with a ``?`` for each sign that is not shown, cut to *most*."""
    # Cut first: a name of 4 MB would take a fifth of a second.
    line = "".join(sign if sign.isprintable() else "?" for sign in text[: most + 1])
    return line if len(line) <= most else line[: most - 1] + "…"
