"""``broadcast token [show|refresh]``: the shared access_token, never itself."""

from __future__ import annotations

import typer

from broadcast.text import t
from cli import output, words
from cli.commands.options import AccountName
from cli.group import Command, Group
from cli.wiring.database import settings
from cli.wiring.wechat import refresh_token, view_token

app = typer.Typer(
    cls=Group, add_completion=False, invoke_without_command=True, help=t("help.token")
)


@app.callback()
def token(context: typer.Context) -> None:
    """Show the token where no command is given."""
    if context.invoked_subcommand is None:
        _show(None)


@app.command(cls=Command, help=t("help.token.show"))
def show(*, account: AccountName = None) -> None:
    """Show the fingerprint of the token, its age, and when it expires."""
    _show(account)


@app.command(cls=Command, help=t("help.token.refresh"))
def refresh(*, account: AccountName = None) -> None:
    """Fetch the token now."""
    refresh_token(settings().account(account))
    _show(account)


def _show(name: str | None) -> None:
    account = settings().account(name)
    seen = view_token(account)
    if seen is None:
        output.say(t("token.none", account=account.name))
        return
    now = words.utc_now()
    output.say(
        t(
            "token.shown", account=account.name, fingerprint=seen.fingerprint, length=seen.length,
            age=words.span(seen.age), until=words.moment(seen.expires_at, now),
        )
    )  # fmt: skip
    if seen.replaced_outside_at is not None:
        at = words.moment(seen.replaced_outside_at, now)
        output.warn(t("token.drift_seen", account=account.name, at=at))
