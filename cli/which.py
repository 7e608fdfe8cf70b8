"""Which broadcast a person means: its id, any part that only one id has, ``@last``, ``@open``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from broadcast.errors import UnknownIdError
from cli import uploading
from cli.terminal import one_line
from cli.wiring.run import Run
from models.ledger.reading import ids, reports

#: The newest broadcast.
LAST: Final = "@last"
#: The only open broadcast: one that has not ended, or that has a batch in doubt.
OPEN: Final = "@open"
_LONGEST = 64
_MOST_NAMED = 5


def one(run: Run, text: str) -> str:
    """Return the id of the broadcast that *text* stands for.

    Raises UnknownIdError: none is meant, or several are, which are named.
    """
    if text == LAST:
        return _last(run)
    if text == OPEN:
        return _only_open(run)
    if not text.strip():
        raise UnknownIdError("error.broadcast.empty_id")
    fitting = ids.fitting(run.engine, text, most=_MOST_NAMED + 1)
    if len(fitting) > 1:
        shown = one_line(text)[:_LONGEST]
        raise UnknownIdError("error.broadcast.several", text=shown, ids=_named(fitting))
    # Where nothing fits, whoever looks it up names what is near.
    return fitting[0] if fitting else text


def stored(run: Run, text: str) -> str:
    """Return the id of a broadcast whose list is stored whole. Raises UnknownIdError."""
    broadcast_id = one(run, text)
    uploading.refuse(reports.report(run.engine, broadcast_id, whole=False))
    return broadcast_id


def _last(run: Run) -> str:
    newest = ids.newest(run.engine)
    if newest is None:
        raise UnknownIdError("error.broadcast.none")
    return newest


def _only_open(run: Run) -> str:
    found = ids.of_open(run.engine, most=_MOST_NAMED + 1)
    if not found:
        raise UnknownIdError("error.broadcast.none_open")
    if len(found) > 1:
        raise UnknownIdError("error.broadcast.several_open", ids=_named(found))
    return found[0]


def _named(found: Sequence[str]) -> str:
    return ", ".join(found[:_MOST_NAMED]) + (", …" if len(found) > _MOST_NAMED else "")
