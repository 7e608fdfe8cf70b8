"""``broadcast send AUDIENCE CONTENT``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from broadcast import content as contents
from broadcast.content import Content
from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.plan.submission import Terms, parse_late_by
from cli import content_file, showing
from cli.commands.options import AccountName, AsJSON, UntilWordIfAny, new_app
from cli.following import Until
from cli.group import Command
from cli.sending import Ask, Sending, Wish
from cli.terminal import clean, command_line, is_terminal, one_line
from cli.wiring.person import who
from cli.wiring.run import Run
from producer.schedule import parse_at
from producer.submit import HIGHEST_PRIORITY, Order, checked_key, checked_title, new_key

app = new_app()

Priority = Annotated[
    int,
    typer.Option(
        "--priority", min=-HIGHEST_PRIORITY, max=HIGHEST_PRIORITY, help="help.send.priority"
    ),
]


@app.command(cls=Command, help="help.send")
def send(
    context: typer.Context,
    *,
    openids: Annotated[
        list[str] | None, typer.Option("--openids", metavar="FILE", help="help.send.openids")
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", metavar="TEXT", help="help.send.text")
    ] = None,
    content: Annotated[
        list[Path] | None, typer.Option("--content", metavar="FILE", help="help.send.content")
    ] = None,
    account: AccountName = None,
    title: Annotated[
        str | None, typer.Option("--title", metavar="TEXT", help="help.send.title")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", metavar="KEY", help="help.send.key")] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="help.send.at")] = None,
    late_by: Annotated[
        str | None, typer.Option("--late-by", metavar="D", help="help.send.late_by")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="help.send.dry_run")] = False,
    spread_days: Annotated[
        bool, typer.Option("--spread-days", help="help.send.spread_days")
    ] = False,
    priority: Priority = 0,
    again: Annotated[bool, typer.Option("--again", help="help.send.again")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="help.send.yes")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="help.send.wait")] = False,
    until: UntilWordIfAny = None,
    as_json: AsJSON = False,
) -> None:
    """Submit a broadcast."""
    run: Run = context.obj
    source = _audience(openids or [])
    _one_content([*(text or []), *(content or [])])
    goal = showing.until_of(until or Until.ACCEPTED.value)
    if until is not None and not wait:
        raise InputError("error.usage.until_without_wait")
    order = Order(
        account=run.settings.account(account),
        content=_content(run.settings.text_limit, text or [], content or []),
        key=checked_key(new_key() if key is None else key),
        scheduled_at=None if at is None else parse_at(at),
        terms=Terms(
            who=who(),
            again=again,
            spread_days=spread_days,
            priority=priority,
            batch_size=run.settings.batch_size,
            title=None if title is None else checked_title(title),
            late_by=run.settings.late_by if late_by is None else _late_by(late_by),
        ),
    )
    wish = Wish(source=source, order=order, ask=_ask(yes=yes), as_json=as_json)
    sending = Sending(run, wish, repeat=_repeat(run.arguments, order.key))
    raise typer.Exit(sending.dry_run() if dry_run else sending.send(goal if wait else None))


def _late_by(text: str) -> timedelta:
    try:
        return parse_late_by(text)
    except ValueError:
        raise InputError("error.usage.late_by", text=one_line(text)[:40]) from None


def _audience(sources: list[str]) -> str:
    if not sources:
        raise InputError("error.usage.no_audience")
    if len(sources) > 1:
        raise InputError("error.usage.two_audiences")
    if not sources[0]:
        raise InputError("error.usage.empty_audience")
    return sources[0]


def _one_content(given: list[object]) -> None:
    if not given:
        raise InputError("error.usage.no_content")
    if len(given) > 1:
        raise InputError("error.usage.two_contents")


def _content(limit: int, text: list[str], files: list[Path]) -> Content:
    if text:
        return contents.of_text(text[0], limit=limit)
    return contents.of_object(content_file.read(files[0]), limit=limit)


def _ask(*, yes: bool) -> Ask:
    if not is_terminal():
        return Ask.NOBODY
    return Ask.TELL if yes else Ask.ASK


def _repeat(arguments: Sequence[str], key: str) -> str | Message:
    """Return this command as a line that can be run again and finds what it stored."""
    words = ["broadcast", *arguments]
    named = any(word == "--key" or word.startswith("--key=") for word in words)
    line = command_line(words if named else [*words, "--key", key])
    # With a part of it masked, whoever ran the line would send the mask to everybody.
    return line if clean(line) == line else Message("send.same_words", key=key)
