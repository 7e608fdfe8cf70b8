"""``broadcast accounts``: who can send, never with which secret."""

from __future__ import annotations

from broadcast.accounts import Account
from broadcast.redaction import redact
from broadcast.text import t
from cli import output
from cli.commands.options import AsJSON, new_app
from cli.group import Command
from cli.wiring.database import settings

app = new_app()


@app.command(cls=Command, help=t("help.accounts"))
def accounts(*, as_json: AsJSON = False) -> None:
    """List the accounts of the environment or the accounts file."""
    known = settings().accounts().values()
    if as_json:
        output.show_json({"accounts": [_as_json(account) for account in known]})
        return
    if not known:
        output.say(t("accounts.none"))
    for account in known:
        output.say(
            t(
                "accounts.line", name=account.name, appid=account.appid,
                kind=t(f"account_kind.{account.account_kind}"), mode=account.token_mode,
                pace=pace(account), base=redact(account.api_base),
            )
        )  # fmt: skip


def pace(account: Account) -> str:
    """Return how fast the account calls."""
    if account.calls_per_minute == 0:
        return t("accounts.unpaced")
    return t("accounts.pace", n=account.calls_per_minute)


def _as_json(account: Account) -> dict[str, object]:
    return {
        "name": account.name, "appid": account.appid, "kind": account.account_kind.value,
        "token_mode": account.token_mode, "calls_per_minute": account.calls_per_minute,
        "api_base": redact(account.api_base),
    }  # fmt: skip
