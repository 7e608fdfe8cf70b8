"""``broadcast explain CODE``: what one of WeChat's errcodes means, and what happens then."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from broadcast.call import waits
from broadcast.call.outcomes import SPLITTABLE, Endpoint, Outcome, meaning
from broadcast.errors import InputError
from broadcast.text import t
from cli import output, words
from cli.commands.options import new_app
from cli.group import Command
from wechat.errcodes import errcodes

app = new_app()


@app.command(
    cls=Command,
    help=t("help.explain"),
    # -1 is a code and no option.
    context_settings={"ignore_unknown_options": True},
)
def explain(
    *,
    code: Annotated[str, typer.Argument(metavar="CODE", help=t("help.code"), show_default=False)],
) -> None:
    """Tell what a code means."""
    try:
        number = int(code)
    except ValueError:
        raise InputError("error.usage.code", text=output.one_line(code)[:40]) from None
    ended = meaning(Endpoint.MASS_SEND, number).outcome
    known = errcodes().get(number)
    if known is None:
        output.say(t("explain.unlisted", code=number))
    else:
        output.say(t("explain.code", code=number, errmsg=known.errmsg or "-"))
        output.say(t("explain.meaning", meaning=t(f"errcode.{number}")))
    output.say(t("explain.outcome", outcome=words.outcome(ended)))
    output.say(mend(number))


def mend(errcode: int) -> str:
    """Return what to do about a mass send that ended with *errcode*, or what is done by itself."""
    ended = meaning(Endpoint.MASS_SEND, errcode).outcome
    if ended is Outcome.BAD_RECIPIENTS and errcode not in SPLITTABLE:
        return t("mend.bad_list")
    if ended is Outcome.UNKNOWN:
        return t(
            "mend.unknown",
            tries=waits.UNKNOWN_TRIES,
            hours=round(waits.asked_for(waits.UNKNOWN_TRIES) / timedelta(hours=1)),
            window=waits.REPEAT_WINDOW // timedelta(hours=1),
        )
    return t(f"mend.{ended}")
