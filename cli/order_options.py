"""The options that say how and when a broadcast goes out: its key, its time, its place in line."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from broadcast.accounts import Account
from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.gates.late import parse_late_by
from broadcast.plan.submission import Terms
from broadcast.settings import Settings
from broadcast.shown import one_line
from cli.option_group import OptionGroup
from cli.wiring.person import who
from producer.draft_check import Read
from producer.order import HIGHEST_PRIORITY, Order, checked_key, checked_title, new_key
from producer.schedule import parse_at

Priority = Annotated[
    int,
    typer.Option(
        "--priority", min=-HIGHEST_PRIORITY, max=HIGHEST_PRIORITY, help="help.send.priority"
    ),
]


@frozen
class OrderOptions(OptionGroup):
    """All of an order but its account, its audience and its content."""

    title: Annotated[
        str | None, typer.Option("--title", metavar="TEXT", help="help.send.title")
    ] = None
    key: Annotated[str | None, typer.Option("--key", metavar="KEY", help="help.send.key")] = None
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="help.send.at")] = None
    late_by: Annotated[
        str | None, typer.Option("--late-by", metavar="D", help="help.send.late_by")
    ] = None
    spread_days: Annotated[bool, typer.Option("--spread-days", help="help.send.spread_days")] = (
        False
    )
    priority: Priority = 0
    again: Annotated[bool, typer.Option("--again", help="help.send.again")] = False

    def order(self, settings: Settings, account: Account, said: Read) -> Order:
        """Return the order of what is *said*. Raises InputError."""
        return Order(
            account=account, content=said.content, draft=said.draft,
            key=checked_key(new_key() if self.key is None else self.key),
            scheduled_at=None if self.at is None else parse_at(self.at),
            terms=Terms(
                who=who(), again=self.again, spread_days=self.spread_days, priority=self.priority,
                batch_size=settings.batch_size,
                title=said.title if self.title is None else checked_title(self.title),
                late_by=settings.late_by if self.late_by is None else _late_by(self.late_by),
            ),
        )  # fmt: skip


def _late_by(text: str) -> timedelta:
    try:
        return parse_late_by(text)
    except ValueError:
        raise InputError("error.usage.late_by", text=one_line(text)[:40]) from None
