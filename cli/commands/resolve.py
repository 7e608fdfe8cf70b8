"""``broadcast resolve ID --batch N (--sent MSG_ID | --not-sent)``: a person's word on a doubt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from broadcast.call.result import LARGEST_MSG_ID
from broadcast.call.rules import Rules
from broadcast.call.waits import Waits
from broadcast.errors import InputError
from broadcast.text import t
from cli import output, words
from cli.commands.options import BroadcastID, Why, new_app
from cli.commands.steering import remains
from cli.group import Command
from cli.wiring.database import engine, settings
from cli.wiring.person import in_one_line, who
from models.ledger import resolves
from models.ledger.reading import in_flight
from models.ledger.resolves import Resolved

app = new_app()


@app.command(cls=Command, help=t("help.resolve"))
def resolve(
    *,
    broadcast_id: BroadcastID,
    batch: Annotated[str, typer.Option("--batch", metavar="N", help=t("help.resolve.batch"))],
    sent: Annotated[
        str | None, typer.Option("--sent", metavar="MSG_ID", help=t("help.resolve.sent"))
    ] = None,
    not_sent: Annotated[bool, typer.Option("--not-sent", help=t("help.resolve.not_sent"))] = False,
    why: Why = None,
) -> None:
    """Close a batch in doubt: it was sent, as WeChat's console shows, or it was not."""
    n = _number(batch, "error.resolve.batch")
    if not_sent == (sent is not None):
        raise InputError("error.resolve.which", id=broadcast_id, n=n)
    msg_id = None if sent is None else _number(sent, "error.resolve.msg_id")
    ledger = engine()
    done = resolves.resolve(
        ledger, broadcast_id, n, msg_id=msg_id, who=who(), why=in_one_line(why),
        rules=Rules(waits=Waits(settings().wait_scale)),
    )  # fmt: skip
    for line in lines(broadcast_id, done, msg_id):
        output.say(line)
    remains(ledger, *in_flight.beside_report(ledger, broadcast_id))


def _number(text: str, message_id: str) -> int:
    """Read a number that the ledger can hold, above 0. Raises InputError with what it is for."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 0 < number <= LARGEST_MSG_ID:
        raise InputError(message_id, text=output.one_line(text)[:40])
    return number


def lines(broadcast_id: str, done: Resolved, msg_id: int | None) -> Iterator[str]:
    """Yield what the word did, and whether calling the batch again could send it twice."""
    yield _said(broadcast_id, done, msg_id)
    if msg_id is None and done.forgotten is not None and not done.cancelled:
        yield t("resolve.forgotten", n=done.n, age=words.span(done.forgotten))


def _said(broadcast_id: str, done: Resolved, msg_id: int | None) -> str:
    facts = {"id": broadcast_id, "n": done.n, "size": f"{done.size:,}"}
    if msg_id is not None:
        name = "resolve.sent" if done.changed else "resolve.sent_already"
        return t(name, msg_id=msg_id, **facts)
    if not done.changed:
        return t("resolve.not_sent_already", **facts)
    return t("resolve.not_sent_cancelled" if done.cancelled else "resolve.not_sent", **facts)
