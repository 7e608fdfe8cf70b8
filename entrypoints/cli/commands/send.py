"""``broadcast send AUDIENCE CONTENT``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated

import typer

from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.rules import reports
from entrypoints.cli import draft_looks, showing
from entrypoints.cli.asking import Ask, SendRequest, ask_of, is_said
from entrypoints.cli.commands.options import AccountName, UntilWordIfAny, Yes, new_app
from entrypoints.cli.content_options import ContentOptions
from entrypoints.cli.following import Until
from entrypoints.cli.group import grouped
from entrypoints.cli.person_terminal import is_terminal
from entrypoints.cli.run import Run
from entrypoints.cli.send_options import AudienceOptions, NarrowingOptions, OrderOptions, absolute
from entrypoints.cli.sending import Sending
from entrypoints.cli.shell_quoting import command_line
from entrypoints.cli.terminal import clean

app = new_app()


@app.command(help="help.send")
@grouped
def send(
    run: Run,
    *,
    audience: AudienceOptions,
    narrowing: NarrowingOptions,
    content: ContentOptions,
    account: AccountName = None,
    order: OrderOptions,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="help.send.dry_run")] = False,
    yes: Yes = False,
    confirm: Annotated[
        list[str] | None, typer.Option("--confirm", metavar="ID", help="help.send.confirm")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="help.send.wait")] = False,
    until: UntilWordIfAny = None,
) -> int:
    """Submit a broadcast."""
    from entrypoints.cli.tag_lookup import Tags

    audience.check(asks=dry_run or is_terminal())
    narrowing.check()
    content.check()
    if audience.openids == ["-"] == content.text_file:
        raise InputError("error.usage.stdin_twice")
    goal = showing.until_of(until or Until.ACCEPTED.value)
    if until is not None and not wait:
        raise InputError("error.usage.until_without_wait")
    whose = run.account(account)
    tags = Tags(run, whose)
    target = audience.target(tags.id_of)
    read_content = content.read(
        limit=run.settings.text_limit,
        draft=lambda name: draft_looks.media_id_of(run, whose, name, key=order.key),
    )
    ordered = order.order(run.settings, whose, draft_looks.read_at_submit(run, whose, read_content))
    ask = ask_of(said=is_said(to_all=audience.to_all, yes=yes, yes_to_all=audience.yes_to_all))
    asks = dry_run or (ask is Ask.ASK and not confirm)
    arguments = run.arguments
    if (at := ordered.scheduled_at) is not None:
        # The same command means the same tomorrow.
        arguments = _with_value(arguments, "--at", lambda text: absolute(text, at))
    wish = SendRequest(
        target=target,
        narrowing=narrowing,
        tags=tags,
        order=ordered,
        ask=ask,
        cooling_off=order.kept_back(run.settings, asks=asks),
        confirmed=confirm or (),
        to_the_rest=_to_the_rest(arguments),
        repeat=_repeat(arguments, ordered.key),
    )
    sending = Sending(run, wish)
    return sending.dry_run() if dry_run else sending.send(goal if wait else None)


def _with_value(
    arguments: Sequence[str], option: str, value: Callable[[str], str]
) -> Sequence[str]:
    """Return *arguments* with another value for *option*, said as ``--at X`` or ``--at=X``."""
    words: list[str] = []
    for word in arguments:
        name, equals, text = word.partition("=")
        if words[-1:] == [option]:
            words.append(value(word))
        elif equals and name == option:
            words.append(f"{option}={value(text)}")
        else:
            words.append(word)
    return words


def _to_the_rest(arguments: Sequence[str]) -> str | Message:
    """Return this command for the rest of an earlier broadcast in the place of its list."""
    words = _with_value(arguments, "--openids", lambda _: reports.REST_FILE)
    line = command_line(["broadcast", *(word for word in words if word != "--dry-run")])
    return line if clean(line) == line else Message("overlap.same_words", file=reports.REST_FILE)


def _repeat(arguments: Sequence[str], key: str) -> str | Message:
    """Return this command as a line that can be run again and finds what it stored."""
    words = ["broadcast", *arguments]
    named = any(word == "--key" or word.startswith("--key=") for word in words)
    line = command_line(words if named else [*words, "--key", key])
    # With a part of it masked, whoever ran the line would send the mask to everybody.
    return line if clean(line) == line else Message("send.same_words", key=key)
