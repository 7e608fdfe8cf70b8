"""The broadcast that a person names: an id, any part that only one id has, ``@last``, ``@open``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from sqlalchemy import Engine

from broadcast.errors import UnknownIdError
from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.reports import Report
from broadcast.rules.states import Phase
from broadcast.views import content, report_lines
from broadcast.views.words import Joined
from entrypoints.cli.person_terminal import is_terminal
from entrypoints.cli.run import Run
from entrypoints.cli.shell_quoting import command_line, is_utf8
from models.ledger.rows import locked_rows
from models.ledger.views import broadcast_reports

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
    fitting = locked_rows.fitting(run.engine, text, most=_MOST_NAMED + 1)
    if len(fitting) > 1:
        shown = one_line(text)[:_LONGEST]
        raise UnknownIdError("error.broadcast.several", text=shown, ids=_named(fitting))
    # Where nothing fits, whoever looks it up names what is near.
    return fitting[0] if fitting else text


def stored(
    run: Run,
    text: str,
    *,
    fits: Fits | None = None,
    prefers: Fits | None = None,
    or_awaited: bool = False,
) -> str:
    """Return the id of a broadcast whose list is stored whole. Raises UnknownIdError.

    *fits*: of several open ones the one that the command can do anything to is meant; *prefers*:
    before it the one that this is true of.
    *or_awaited*: or whose list a program is to upload.
    """
    broadcast_id = _only_open(run, fits, prefers) if text == OPEN else one(run, text)
    if or_awaited:
        from models.ledger.submit import awaited_lists

        if awaited_lists.awaited_submission(run.engine, broadcast_id) is not None:
            return broadcast_id
    refuse_uploading(run.engine, broadcast_reports.report(run.engine, broadcast_id, whole=False))
    return broadcast_id


def controlled(
    run: Run,
    text: str,
    *,
    fits: Fits,
    prefers: Fits | None = None,
    or_awaited: bool = False,
    ended: bool = False,
) -> str:
    """Return the id of the broadcast that a control acts on, as :func:`stored`.

    Where no person can be asked it must be named: raises UnknownIdError with those that fit.
    *ended*: one that has ended may fit as well.
    """
    if text == OPEN and not is_terminal():
        raise unnamed(run, fits=fits, ended=ended)
    return stored(run, text, fits=fits, prefers=prefers, or_awaited=or_awaited)


def unnamed(run: Run, *, fits: Fits, ended: bool) -> UnknownIdError:
    """Return the error of a control without an id, which names the broadcasts that fit."""
    ids = locked_rows.of_open(run.engine, most=_MOST_LOOKED_AT)
    found = [broadcast_reports.report(run.engine, one, whole=False) for one in ids]
    if ended:
        found = list(broadcast_reports.reports(run.engine, most=_MOST_LOOKED_AT))
    fitting = [report for report in found if fits(report)]
    if not fitting:
        return UnknownIdError("error.broadcast.none_fits")
    return UnknownIdError("error.broadcast.unnamed", **_choices(run, fitting))


def _last(run: Run) -> str:
    newest = locked_rows.newest(run.engine)
    if newest is None:
        raise UnknownIdError("error.broadcast.none")
    return newest


def _only_open(run: Run, fits: Fits | None = None, prefers: Fits | None = None) -> str:
    found = locked_rows.of_open(run.engine, most=_MOST_LOOKED_AT + 1)
    if not found:
        raise UnknownIdError("error.broadcast.none_open")
    if len(found) == 1:
        return found[0]
    each = [broadcast_reports.report(run.engine, one, whole=False) for one in found]
    fitting = [report for report in each if fits is None or fits(report)] or each
    fitting = [report for report in each if prefers and prefers(report)] or fitting
    if len(fitting) == 1 and len(found) <= _MOST_LOOKED_AT:
        return fitting[0].id
    raise UnknownIdError("error.broadcast.several_open", **_choices(run, fitting))


def _choices(run: Run, fitting: Sequence[Report]) -> Mapping[str, object]:
    """Return the facts of an error that names broadcasts, with the command for each."""
    shown = [_choice(run, one) for one in fitting[:_MOST_NAMED]]
    more = "\n    …" if len(fitting) > _MOST_NAMED else ""
    return {"each": Joined(shown), "more": more}


def _choice(run: Run, report: Report) -> Message:
    """Return the command that means this one, with the time left before its first call."""
    words = [word for word in run.arguments if word != OPEN]
    gate = report.gate(GateKind.COOLING_OFF)
    kept_back = gate is not None and gate.is_closed(report.now)
    return Message(
        "list.choice_kept" if kept_back else "list.choice",
        state=report_lines.state(report),
        command=command_line(["broadcast", *words, report.id]),
        name=content.name(report),
        left=gate and gate.until and gate.until - report.now,
    )


def _named(found: Sequence[str]) -> str:
    return ", ".join(found[:_MOST_NAMED]) + (", …" if len(found) > _MOST_NAMED else "")


def refuse_uploading(engine: Engine, report: Report) -> None:
    """Raise UnknownIdError for a broadcast whose list is not stored yet."""
    message = uploading_message(engine, report)
    if message is not None:
        raise UnknownIdError(message.id, **message.facts)


def uploading_message(engine: Engine, report: Report) -> Message | None:
    """Return whether an upload goes on or was given up; None for a broadcast that is stored."""
    if report.phase is not Phase.UPLOADING:
        return None
    from models.ledger.lists.uploads import GIVEN_UP_AFTER
    from models.ledger.submit import awaited_lists

    beat = report.uploading_at
    if beat is None or report.now - beat >= GIVEN_UP_AFTER:
        return Message("error.broadcast.given_up", id=report.id)
    is_awaited = awaited_lists.awaited_submission(engine, report.id) is not None
    return Message(f"error.broadcast.{'awaited' if is_awaited else 'uploading'}", id=report.id)
