"""``broadcast halt``: the kill switch."""

from __future__ import annotations

from broadcast.text import t
from cli.commands.lanes import EveryAccount, switch
from cli.commands.options import AccountName, new_app
from cli.group import Command
from models.ledger import controls

app = new_app()


@app.command(cls=Command, help=t("help.halt"))
def halt(*, account: AccountName = None, every: EveryAccount = False) -> None:
    """Start no new call of an account, or of all."""
    switch(controls.halt, account, every=every, done="halt.done", already="halt.already")
