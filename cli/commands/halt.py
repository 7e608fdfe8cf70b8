"""``broadcast halt``: the kill switch."""

from __future__ import annotations

import functools

from broadcast.text import t
from cli.commands.lanes import EveryAccount, switch
from cli.commands.options import AccountName, Why, new_app
from cli.group import Command
from cli.wiring.database import settings
from models.ledger import controls

app = new_app()


@app.command(cls=Command, help=t("help.halt"))
def halt(*, account: AccountName = None, every: EveryAccount = False, why: Why = None) -> None:
    """Start no new call of an account, or of all."""
    known = settings().accounts().values()
    halt_known = functools.partial(controls.halt, known=known)
    switch(
        halt_known, account, every=every, why=why, done="halt.done", already="halt.already",
        already_all="halt.already_all",
    )  # fmt: skip
