"""``broadcast quota``: the calls that are left today."""

from __future__ import annotations

from broadcast import plan
from broadcast.text import t
from cli import output
from cli.commands.options import AccountName, AsJSON, new_app
from cli.group import Command
from cli.wiring.database import settings
from cli.wiring.wechat import ask_quota

app = new_app()


@app.command(cls=Command, help=t("help.quota"))
def quota(*, account: AccountName = None, as_json: AsJSON = False) -> None:
    """Ask WeChat for the calls of mass/send."""
    asked = settings().account(account)
    said = ask_quota(asked)
    output.say(
        t(
            "quota.line", account=asked.name, limit=said.daily_limit, used=said.used,
            remain=said.remain, openids=f"{said.remain * plan.LARGEST:,}",
        )
    )  # fmt: skip
    if as_json:
        output.show_json(
            {
                "account": asked.name, "daily_limit": said.daily_limit, "used": said.used,
                "remain": said.remain,
            }
        )  # fmt: skip
