"""What halt and unhalt have in common."""

from __future__ import annotations

from typing import Annotated, Protocol

import typer
from sqlalchemy import Engine

from broadcast.errors import InputError
from broadcast.text import t
from cli import output, words
from cli.wiring.database import engine, settings
from cli.wiring.person import who

EveryAccount = Annotated[bool, typer.Option("--all", help=t("help.all_accounts"))]


class Switch(Protocol):
    """A human's word on an account, or on all of them."""

    def __call__(self, engine: Engine, account: str | None, *, who: str) -> list[str]:
        """Carry it out; return the accounts for which something changed."""


def switch(control: Switch, account: str | None, *, every: bool, done: str, already: str) -> None:
    """Carry out *control* for one account or all. Raises InputError for both at once."""
    if every and account is not None:
        raise InputError("error.usage.account_or_all")
    name = None if every else settings().account(account).name
    changed = control(engine(), name, who=who())
    names = words.listed(changed)
    output.say(t(done, names=names) if changed else t(already, name=name or t("accounts.all")))
