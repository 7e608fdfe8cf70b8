"""Values that a person can choose from while typing, each with what it is.

Read from the ledger and the settings as they are, and nothing is made: where they are away, the
error goes to whoever asked (:mod:`entrypoints.cli.completing`), who is silent.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Final, TypeAlias

import typer

from broadcast.views.words import Meaning
from entrypoints.cli.group import COMMANDS, help_id
from entrypoints.cli.run import Run

Candidates: TypeAlias = list[tuple[str, str]]

#: Broadcasts that are offered; who means an older one knows its id.
MOST: Final = 20
#: A database that takes longer is as good as away: typing is faster than choosing.
PATIENCE_S: Final = 1.0


def broadcasts(context: typer.Context) -> Candidates:
    """Return the newest broadcasts, with their titles or first words."""
    from broadcast.views import content
    from models.ledger.views import broadcast_reports

    run, found = _run(context), Candidates()

    def read() -> None:
        with suppress(Exception):
            newest = broadcast_reports.reports(run.engine, most=MOST)
            found.extend((one.id, content.name(one)) for one in newest)

    # A server that is away does not refuse: it says nothing, for as long as the driver waits.
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    return [*found, ("@last", run.texts("completion.last"))] if found else []


def accounts(context: typer.Context) -> Candidates:
    """Return the accounts of the settings, with their AppIDs."""
    return [(one.name, one.appid) for one in _run(context).settings.accounts().values()]


def sets() -> list[str]:
    """Return the sets of followers."""
    from models.ledger.lists.recipients import NAMES

    return list(NAMES)


def until() -> list[str]:
    """Return the states that can be waited for."""
    from entrypoints.cli.following import Until

    return list(Until)


def errcodes(context: typer.Context) -> Candidates:
    """Return WeChat's codes, with their meanings."""
    from broadcast.wechat.errcodes import errcodes as listed

    texts = _run(context).terminal.texts
    return [(str(code), texts("together", parts=Meaning(code))) for code in sorted(listed())]


def commands(context: typer.Context) -> Candidates:
    """Return every command with its description."""
    texts = _run(context).terminal.texts
    return [(name, texts(help_id(name))) for name in COMMANDS]


def shells() -> list[str]:
    """Return the shells for which there is a script."""
    from entrypoints.cli.completing import SHELLS

    return list(SHELLS)


def _run(context: typer.Context) -> Run:
    run = context.find_root().obj
    assert isinstance(run, Run)
    return run
