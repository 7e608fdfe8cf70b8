"""``prune``: what ended long ago keeps figures and keys, and loses people, calls and history."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Final

import typer

from broadcast.errors import InputError
from entrypoints.cli.commands.options import Yes, counted, new_app
from entrypoints.cli.run import Run
from models.ledger.steer import prunes

app = new_app()

#: A century.
_MOST_DAYS: Final = 36_500


@app.command(help="help.prune")
def prune(
    run: Run,
    *,
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="DAYS", help="help.prune.older_than")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="help.prune.dry_run")] = False,
    yes: Yes = False,
) -> None:
    """Say what would go; remove it once that is confirmed."""
    days = counted(older_than.removesuffix("d"), "error.prune.days", most=_MOST_DAYS)
    if timedelta(days=days) < prunes.LEAST:
        raise InputError("error.prune.too_young", least=prunes.LEAST.days)
    age = timedelta(days=days)
    found = prunes.prunable(run.engine, age)
    run.say("prune.found", days=days, **asdict(found))
    done = 0
    if not dry_run:
        run.confirm("prune.question", "prune.declined", "error.prune.unasked", yes=yes, days=days)
        done = prunes.prune(run.engine, age)
        run.say("prune.done", n=done)
    run.show_done({"older_than_days": days, **asdict(found), "pruned": done})
