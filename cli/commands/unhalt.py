"""``broadcast unhalt``: lift the kill switch, and stops that WeChat caused."""

from __future__ import annotations

from broadcast.text import t
from cli.commands.lanes import EveryAccount, switch
from cli.commands.options import AccountName, Why, new_app
from cli.group import Command
from models.ledger import operator

app = new_app()


@app.command(cls=Command, help=t("help.unhalt"))
def unhalt(*, account: AccountName = None, every: EveryAccount = False, why: Why = None) -> None:
    """Let an account, or all, call again."""
    switch(
        operator.unhalt, account, every=every, why=why, done="unhalt.done",
        already="unhalt.already", already_all="unhalt.already_all",
    )  # fmt: skip
