"""``notices`` to people: what became of the newest; a test of the addresses. And ``ack``."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

import typer

from broadcast.errors import InputError, UnknownIdError
from broadcast.rules.states import NoticeState
from broadcast.views import json_objects
from broadcast.views import notices as views_notices
from entrypoints.cli import exits, which
from entrypoints.cli.commands.options import new_group
from entrypoints.cli.run import Run
from models.ledger.boxes import notices as boxes_notices
from models.ledger.campaigns import campaign_rows
from models.ledger.rows import known_accounts

app, notices = new_group("notices")

#: Notices that are listed.
_MOST = 50


@notices.command("list", help="help.notices.list")
def list_(run: Run) -> None:
    """List the newest notices."""
    found = boxes_notices.newest(run.engine, list(NoticeState), _MOST)
    texts, now = run.texts, datetime.now(UTC)
    if run.as_json:
        each = [json_objects.notice_object(one, texts) for one in found]
        run.show_done({"notices": each})
        return
    run.say_all(views_notices.in_a_list(one, texts, now=now) for one in found)
    if not found:
        run.say("notices.none")


@notices.command(help="help.notices.retry", json=False)
def retry(run: Run) -> None:
    """Have every notice that was given up sent again."""
    n = boxes_notices.retry_given_up(run.engine)
    run.say("notices.again", n=n)


@notices.command(help="help.notices.test", json=False)
def test(run: Run) -> int:
    """Post one line to every receiver now. Raises InputError, SettingsError."""
    from broadcast.outbound import bots
    from broadcast.outbound.posting import Poster

    settings, terminal, status = run.settings, run.terminal, exits.DONE
    receivers = settings.receivers()
    if not receivers:
        raise InputError("error.notice.no_receivers")
    poster = Poster(timeout_s=settings.webhook_timeout_s, allowed=settings.allowed_networks)
    for name, receiver in receivers.items():
        problem = bots.say(poster, receiver, terminal.texts("notice.test")).problem
        if problem is None:
            terminal.say("notices.confirmed", name=name)
        else:
            status = terminal.fail(
                "notices.refused", name=name, problem=problem, status=exits.FAILED
            )
    return status


@app.command(help="help.ack", json=False)
def ack(
    run: Run,
    subject: Annotated[str | None, typer.Argument(metavar="ID", help="help.ack.id")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="help.ack.all")] = False,
) -> None:
    """End the repeated posts of notices. Raises InputError, UnknownIdError."""
    if (subject is None) is not every:
        raise InputError("error.ack.which")
    n = boxes_notices.acknowledge(run.engine, subject)
    if not n and subject is not None:
        n = boxes_notices.acknowledge(run.engine, _meant(run, subject))
    if n:
        run.say("notices.acknowledged", n=n)
    elif subject is None:
        run.say("notices.not_repeated")
    else:
        run.say("notices.not_repeated_of", subject=subject)


def _meant(run: Run, text: str) -> str:
    """Return the account, campaign or broadcast that *text* stands for. Raises UnknownIdError."""
    if known_accounts.is_known(run.engine, text):
        return text
    with suppress(UnknownIdError):
        return campaign_rows.named(run.engine, text).name
    return which.stored(run, text)
