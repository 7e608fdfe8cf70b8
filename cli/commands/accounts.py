"""``broadcast accounts``: who can send, and who stands still; never with which secret."""

from __future__ import annotations

import typer

from broadcast.accounts import Account, no_account
from broadcast.errors import BroadcastError, OutOfReachError
from broadcast.redaction import redact
from broadcast.report_json import utc
from broadcast.reports import LaneView
from broadcast.text import t
from cli import absent, exits, output, standing, words
from cli.commands.options import AsJSON, new_app
from cli.group import Command
from cli.standing import Lanes
from cli.wiring.database import engine, settings
from cli.words import utc_now
from models.ledger.reading.known import with_work

app = new_app()


@app.command(cls=Command, help=t("help.accounts"))
def accounts(*, as_json: AsJSON = False) -> None:
    """List the accounts of the settings, and those that are missing there."""
    known = list(settings().accounts().values())
    (lanes, worked), problem = _looked_up()
    missing = sorted(set(worked) - {account.name for account in known})
    if as_json:
        told = [_as_json(account, lanes.by_account.get(account.name)) for account in known]
        output.show_json(
            {"accounts": told, "missing": missing, "error": problem and str(problem)}
        )  # fmt: skip
    else:
        _say(known, lanes)
        for name in missing:
            output.say(absent.line(name))
    if problem is not None:
        output.warn(t("accounts.standing_unknown", problem=problem))
        raise typer.Exit(exits.OUT_OF_REACH)


def _looked_up() -> tuple[tuple[Lanes, list[str]], BroadcastError | None]:
    """Return who stands still and who has work left, or why that cannot be told.

    The accounts of the settings are known without it.
    """
    try:
        return (standing.lanes(engine()), with_work(engine())), None
    except OutOfReachError as error:
        # Without tables nobody can have halted or sent anything yet.
        problem = None if error.message_id == "error.schema.missing" else error
        return (Lanes(by_account={}, now=utc_now()), []), problem


def _say(known: list[Account], lanes: Lanes) -> None:
    if not known:
        output.say(str(no_account()))
    for account in known:
        output.say(
            t(
                "accounts.line", name=account.name, appid=account.appid,
                kind=t(f"account_kind.{account.account_kind}"), mode=account.token_mode,
                pace=pace(account), base=redact(account.api_base),
            )
        )  # fmt: skip
        for line in lanes.stops(account.name):
            output.say(f"    {line}")


def pace(account: Account) -> str:
    """Return how fast the account calls."""
    if account.calls_per_minute == 0:
        return t("accounts.unpaced")
    return t(f"accounts.pace{words.suffix(account.calls_per_minute)}", n=account.calls_per_minute)


def _as_json(account: Account, lane: LaneView | None) -> dict[str, object]:
    return {
        "name": account.name, "appid": account.appid, "kind": account.account_kind.value,
        "token_mode": account.token_mode, "calls_per_minute": account.calls_per_minute,
        "api_base": redact(account.api_base), "halted": _halt(lane), "stopped": _stop(lane),
    }  # fmt: skip


def _halt(lane: LaneView | None) -> dict[str, object] | None:
    if lane is None or lane.halted_at is None:
        return None
    return {"at": utc(lane.halted_at), "by": lane.halted_by, "why": lane.halted_why}


def _stop(lane: LaneView | None) -> dict[str, object] | None:
    if lane is None or lane.stopped_at is None:
        return None
    return {
        "at": utc(lane.stopped_at), "reason": lane.stop_reason and lane.stop_reason.value,
        "errcode": lane.stop_errcode, "errmsg": lane.stop_errmsg,
    }  # fmt: skip
