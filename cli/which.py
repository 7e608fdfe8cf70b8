"""Which broadcast a person means: its id, any part that only one id has, ``@last``, ``@open``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from broadcast.errors import UnknownIdError
from broadcast.message import Message
from broadcast.reports import Report
from broadcast.shown import one_line
from cli import uploading
from cli.terminal import is_utf8
from cli.wiring.run import Run
from models.ledger.reading import ids, reports
from presentation import content, headline
from presentation.words import Joined

#: The newest broadcast.
LAST: Final = "@last"
#: The only open broadcast: one that has not ended, or that has a batch in doubt.
OPEN: Final = "@open"
_LONGEST = 64
_MOST_NAMED = 5
_MOST_LOOKED_AT = 50

#: Whether a command can do anything to a broadcast.
Fits: TypeAlias = Callable[[Report], bool]


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
    if len(text) > _LONGEST or not is_utf8(text):
        raise UnknownIdError("error.broadcast.unknown", id=one_line(text)[:_LONGEST])
    fitting = ids.fitting(run.engine, text, most=_MOST_NAMED + 1)
    if len(fitting) > 1:
        shown = one_line(text)[:_LONGEST]
        raise UnknownIdError("error.broadcast.several", text=shown, ids=_named(fitting))
    # Where nothing fits, whoever looks it up names what is near.
    return fitting[0] if fitting else text


def stored(run: Run, text: str, *, fits: Fits | None = None, or_awaited: bool = False) -> str:
    """Return the id of a broadcast whose list is stored whole. Raises UnknownIdError.

    *fits*: of several open ones the one that the command can do anything to is meant.
    *or_awaited*: or whose list a program is to upload.
    """
    broadcast_id = _only_open(run, fits) if text == OPEN else one(run, text)
    if or_awaited:
        from models.ledger import awaited_lists  # noqa: PLC0415 - few commands ask for it

        if awaited_lists.of(run.engine, broadcast_id) is not None:
            return broadcast_id
    uploading.refuse(run.engine, reports.report(run.engine, broadcast_id, whole=False))
    return broadcast_id


def _last(run: Run) -> str:
    newest = ids.newest(run.engine)
    if newest is None:
        raise UnknownIdError("error.broadcast.none")
    return newest


def _only_open(run: Run, fits: Fits | None = None) -> str:
    found = ids.of_open(run.engine, most=_MOST_LOOKED_AT + 1)
    if not found:
        raise UnknownIdError("error.broadcast.none_open")
    if len(found) == 1:
        return found[0]
    each = [reports.report(run.engine, one, whole=False) for one in found]
    fitting = [report for report in each if fits is None or fits(report)] or each
    if len(fitting) == 1 and len(found) <= _MOST_LOOKED_AT:
        return fitting[0].id
    shown = [
        Message("list.named", id=one.id, state=headline.state(one), name=content.name(one))
        for one in fitting[:_MOST_NAMED]
    ]
    more = " …" if len(fitting) > _MOST_NAMED else ""
    raise UnknownIdError("error.broadcast.several_open", ids=Joined(shown, "semicolon"), more=more)


def _named(found: Sequence[str]) -> str:
    return ", ".join(found[:_MOST_NAMED]) + (", …" if len(found) > _MOST_NAMED else "")
