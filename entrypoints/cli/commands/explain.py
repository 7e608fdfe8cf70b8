"""``explain``: the meaning of a code or text of WeChat's, and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Final

import typer

from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.rules import finish_events
from broadcast.rules.calls.outcomes import Endpoint, meaning
from broadcast.views import delivered, errcode_words
from broadcast.views.words import Meaning, Moment
from broadcast.wechat.errcodes import errcodes, recognised
from entrypoints.cli import candidates
from entrypoints.cli.commands.options import new_app
from entrypoints.cli.group import help_at
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import short

app = new_app()

_NUMBER: Final = re.compile(r"-?[0-9]{1,10}")
#: What reads as an option; -1 is a code.
_OPTION: Final = re.compile(r"--?[A-Za-z][\w-]*(=.*)?", re.DOTALL)
#: Where a reply, or a line of ours, has the code; what follows a rid is none.
_IN_A_REPLY: Final = re.compile(r'"errcode"\s*:\s*(-?[0-9]{1,10})(?![0-9])')
_IN_A_LINE: Final = re.compile(r"(?<![\w.:-])(-1|\d{5}|9001001)(?![\w.:-])")
#: The first group is the second of the call.
_RID: Final = re.compile(r"\b([0-9a-f]{8})-[0-9a-f]{8}-[0-9a-f]{8}\b")


@app.command(
    help="help.explain",
    # -1 is a code and no option.
    context_settings={"ignore_unknown_options": True},
)
def explain(
    context: typer.Context,
    *,
    code: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CODE|TEXT",
            help="help.code",
            show_default=False,
            autocompletion=candidates.errcodes,
        ),
    ] = None,
) -> None:
    """Print the meaning of a code or text of WeChat's; without one list all codes."""
    run: Run = context.obj
    _refuse_options(context, code or ())
    if not code:
        for each in sorted(errcodes()):
            run.say("explain.row", code=each, meaning=Meaning(each))
        run.note("explain.one")
        if run.as_json:
            each_code = [_as_json(run, number) for number in sorted(errcodes())]
            run.show_done({"codes": each_code, "end": None})
        return
    text = " ".join(code)
    ended = list(of_the_end(text))
    numbers = () if ended else meant(text)
    explanations = [list(explained(number)) for number in numbers]
    run.terminal.say_each([*ended, *chain.from_iterable(explanations), *called_at(text)])
    if run.as_json:
        each_code = [_as_json(run, number) for number in numbers]
        run.show_done(
            {
                "codes": each_code,
                "end": [run.terminal.in_words(line) for line in ended] or None,
            }
        )


def _refuse_options(context: typer.Context, words: Sequence[str]) -> None:
    """Refuse an option that is none: Typer takes it for a part of the text."""
    for word in words:
        if _OPTION.fullmatch(word):
            raise InputError("error.usage.no_option", name=word, help=help_at(context))


def _as_json(run: Run, errcode: int) -> dict[str, object]:
    """Return a code with its explanation in the person's language."""
    known = errcodes().get(errcode)
    of_sends = not errcode_words.is_of_others(errcode)
    return {
        "code": errcode,
        "listed": known is not None,
        "errmsg": (known and known.errmsg) or None,
        "meaning": run.terminal.in_words("together", parts=Meaning(errcode)),
        "outcome": meaning(Endpoint.MASS_SEND, errcode).outcome.value if of_sends else None,
        "lines": [run.terminal.in_words(line) for line in explained(errcode)],
    }


def of_the_end(text: str) -> Iterator[Message]:
    """Yield the meaning of a job's end, ``err(20001)`` or ``SEND_FAIL`` say: no errcode."""
    text = one_line(text).strip()
    known = finish_events.REVIEWS | finish_events.UNDOCUMENTED
    if _NUMBER.fullmatch(text) and int(text) in known and int(text) not in errcodes():
        # As `status` shows the number of a review; no errcode has it.
        text = f"err({text})"
    word = finish_events.plain(text)
    if finish_events.review(text) is None and word not in {
        finish_events.SUCCESS,
        finish_events.FAIL,
    }:
        return
    yield Message("explain.end", status=delivered.meaning(text))
    if word == finish_events.SUCCESS:
        yield Message("explain.end_good")
    else:
        yield Message("explain.end_refused", fix=delivered.fix(text))


def meant(text: str) -> Sequence[int]:
    """Return the codes that *text* is, names or words. Raises InputError where it is none."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return (int(text),)
    if in_a_reply := _IN_A_REPLY.search(text):
        return (int(in_a_reply[1]),)
    known = [int(found) for found in _IN_A_LINE.findall(_RID.sub(" ", text))]
    if named := [number for number in known if number in errcodes()]:
        return tuple(dict.fromkeys(named))
    if found := recognised(text):
        return found
    raise InputError("error.usage.code", text=short(text))


def explained(errcode: int) -> Iterator[Message]:
    """Yield the meaning of *errcode*, its call, and the fix."""
    known = errcodes().get(errcode)
    if known is None:
        yield Message("explain.unlisted", code=errcode)
    else:
        yield Message("explain.code", code=errcode, errmsg=known.errmsg or "-")
        yield Message("explain.meaning", meaning=Meaning(errcode))
    if errcode_words.is_of_others(errcode):
        yield from errcode_words.of_others(errcode)
        return
    yield Message("explain.outcome", outcome=meaning(Endpoint.MASS_SEND, errcode).outcome)
    yield from errcode_words.lines(errcode)
    yield from errcode_words.beside(errcode)


def called_at(text: str) -> Iterator[Message]:
    """Yield when the call was made whose rid stands in *text*."""
    if rid := _RID.search(text):
        at = datetime.fromtimestamp(int(rid[1], 16), tz=UTC)
        yield Message("explain.rid", rid=rid[0], at=Moment(at, datetime.now(UTC)))
