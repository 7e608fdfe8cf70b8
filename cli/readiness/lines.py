"""Prints what was checked: a line a check, below it the fix; with several accounts a line each."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from rich.cells import cell_len

from broadcast.message import Message
from broadcast.readiness import Check, Level, Subject, failed
from presentation.texts import Texts

_MARKS: Final = {Level.GOOD: "✓", Level.WARNING: "!", Level.FAILED: "✗"}
#: For a terminal whose encoding lacks them, such as GBK.
_PLAIN_MARKS: Final = {Level.GOOD: "+", Level.WARNING: "!", Level.FAILED: "x"}


def lines(checks: Iterable[Check], texts: Texts, *, accounts: int) -> Iterator[Message]:
    """Yield the lines of *checks*, their columns aligned as the terminal shows them.

    *accounts*: how many there are. Of several, one that can send takes one line.
    """
    rows = list(_rows(list(checks), texts) if accounts > 1 else _by_subject(checks, texts))
    width = max((cell_len(label) for label, _ in rows), default=0)
    marks = _marks(getattr(sys.stdout, "encoding", None) or "utf-8")
    for label, check in rows:
        padded = label + " " * (width - cell_len(label))
        yield Message(
            f"check.{check.level}", mark=marks[check.level], label=padded, found=check.found
        )
        if check.fix is not None:
            for line in texts(check.fix).splitlines():
                yield Message("check.indented", line=line)


def _rows(checks: list[Check], texts: Texts) -> Iterator[tuple[str, Check]]:
    """Yield each line's label and check: what is true of all, then account by account."""
    yield from _by_subject([check for check in checks if check.account is None], texts)
    for name in dict.fromkeys(check.account for check in checks if check.account is not None):
        own = [check for check in checks if check.account == name]
        yield from ((name, check) for check in failed(own) or [_in_one_line(own)])


def _by_subject(checks: Iterable[Check], texts: Texts) -> Iterator[tuple[str, Check]]:
    for check in checks:
        yield texts(f"check.subject.{check.subject}"), check


def _in_one_line(own: list[Check]) -> Check:
    """Return the checks of an account that can send as one: what is left to say are its calls."""
    calls = next(check for check in own if check.subject is Subject.CALLS)
    return replace(calls, found=Message("check.ready", calls=calls.found))


def _marks(encoding: str) -> dict[Level, str]:
    try:
        "".join(_MARKS.values()).encode(encoding)
    except UnicodeEncodeError:
        return _PLAIN_MARKS
    return _MARKS
