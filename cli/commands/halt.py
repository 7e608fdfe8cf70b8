"""``broadcast halt``: the kill switch."""

from __future__ import annotations

import functools
from collections.abc import Collection

from broadcast.accounts import Account
from broadcast.errors import SettingsError
from broadcast.text import t
from cli import output
from cli.commands.lanes import EveryAccount, switch
from cli.commands.options import AccountName, Why, new_app
from cli.group import Command
from cli.wiring.database import settings
from models.ledger import operator

app = new_app()


@app.command(cls=Command, help=t("help.halt"))
def halt(*, account: AccountName = None, every: EveryAccount = False, why: Why = None) -> None:
    """Start no new call of an account, or of all."""
    halt_known = functools.partial(operator.halt, known=_configured(every=every))
    switch(
        halt_known, account, every=every, why=why, done="halt.done", already="halt.already",
        already_all="halt.already_all",
    )  # fmt: skip


def _configured(*, every: bool) -> Collection[Account]:
    """Return the accounts of the settings, used or not.

    A secret that cannot be read keeps nobody from the kill switch: what has ever called is in the
    ledger. That more may exist is told where all of them are meant.
    """
    try:
        return settings().accounts().values()
    except SettingsError as error:
        if every:
            output.warn(t("halt.settings_unread", problem=str(error)))
        return ()
