"""``accounts`` and ``token``: the accounts that can send; never a secret."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from broadcast.errors import BroadcastError, OutOfReachError
from broadcast.message import Message
from broadcast.redaction import redact
from broadcast.rules.accounts import Account, no_account
from broadcast.rules.reports import LaneView
from broadcast.views.blocker_lines import Lanes
from broadcast.views.json_objects import forbidden
from broadcast.views.objects import members
from broadcast.views.words import Moment
from entrypoints.cli import exits, ledger_facts
from entrypoints.cli.commands.options import AccountName, alone, new_app
from entrypoints.cli.group import App, Group
from entrypoints.cli.pushed import push_lines, pushes_json
from entrypoints.cli.run import Run
from entrypoints.cli.showing import absent
from models.ledger.boxes.pushes import PushCounts, push_counts
from models.ledger.rows.known_accounts import with_work
from producer.wiring.wechat import WeChatRefusedError

app = new_app()


@app.command(help="help.accounts")
def accounts(run: Run) -> int:
    """List the accounts of the settings, and those that are missing there."""
    terminal, configured = run.terminal, list(run.settings.accounts().values())
    (lanes, worked), problem = _looked_up(run)
    pushed = _pushed(run, configured, problem)
    missing = sorted(set(worked) - {account.name for account in configured})
    if run.as_json:
        each = [
            _as_json(one, lanes.by_account.get(one.name)) | pushes_json(pushed.get(one.name))
            for one in configured
        ]
        error = problem and terminal.in_words(problem)
        run.show_json({"accounts": each, "missing": missing, "error": error})
    else:
        _say(run, configured, lanes, pushed=pushed)
        for name in missing:
            terminal.say(absent(run, name))
    if problem is None:
        return exits.DONE
    terminal.warn("accounts.blockers_unknown", problem=problem)
    return exits.OUT_OF_REACH


def _looked_up(run: Run) -> tuple[tuple[Lanes, list[str]], BroadcastError | None]:
    """Return which accounts are off and which have work left, or why that is unknown.

    The accounts of the settings are known without it.
    """
    try:
        engine = run.engine
        return (ledger_facts.lanes(engine), with_work(engine)), None
    except OutOfReachError as error:
        # Without tables nobody can have halted or sent anything yet.
        problem = None if error.message_id == "error.schema.missing" else error
        return (Lanes(by_account={}, now=datetime.now(UTC)), []), problem


def _pushed(
    run: Run, accounts: list[Account], problem: BroadcastError | None
) -> Mapping[str, PushCounts]:
    """Return the accounts' pushes of WeChat, as far as they are known."""
    if problem is not None:
        return {}
    with suppress(OutOfReachError):
        return push_counts(run.engine, [account.name for account in accounts])
    return {}


def _say(
    run: Run, configured: list[Account], lanes: Lanes, *, pushed: Mapping[str, PushCounts]
) -> None:
    terminal = run.terminal
    if not configured:
        terminal.say(no_account())
    for account in configured:
        kind = Message(f"account_kind.{account.account_kind}")
        terminal.say(
            "accounts.line",
            name=account.name,
            appid=account.appid,
            kind=kind,
            mode=Message(f"token_mode.{account.token_mode}"),
            pace=_pace(account),
            base=redact(account.api_base),
        )
        for line in (*lanes.stops(account.name), *push_lines(account, pushed.get(account.name))):
            terminal.say_below(line)


def _pace(account: Account) -> Message:
    """Return the pace of an account's calls."""
    if account.calls_per_minute == 0:
        return Message("accounts.unpaced")
    n = account.calls_per_minute
    return Message("accounts.pace", n=n)


def _as_json(account: Account, lane: LaneView | None) -> dict[str, object]:
    return {
        **members(account, "name", "appid"),
        "kind": account.account_kind.value,
        **members(account, "token_mode", "calls_per_minute"),
        "api_base": redact(account.api_base),
        **forbidden(lane),
    }


token = App(cls=Group, help="help.token")
app.add_typer(token, name="token")


@alone(token, json=False)
@token.command(help="help.token.show", json=False)
def show(run: Run, *, account: AccountName = None) -> None:
    """Show the fingerprint of the token, its age, and when it expires."""
    whose = run.account(account)
    seen = run.wechat.view_token(whose)
    if seen is None:
        run.say("token.none", account=whose.name)
        return
    now = datetime.now(UTC)
    run.say(
        "token.shown",
        account=whose.name,
        fingerprint=seen.fingerprint,
        length=seen.length,
        age=seen.age,
        until=Moment(seen.expires_at, now),
    )
    if seen.replaced_outside_at is not None:
        at = Moment(seen.replaced_outside_at, now)
        run.warn("token.drift_seen", account=whose.name, at=at)


@token.command(help="help.token.refresh", json=False)
def refresh(run: Run, *, account: AccountName = None) -> None:
    """Fetch the token now."""
    from entrypoints.cli import asking, readiness_checks

    whose = run.account(account)
    try:
        readiness_checks.refresh_token(run.wechat, whose, reason="by hand")
    except BroadcastError as error:
        facts = asking.broken(run, whose, error)
        if facts is None:
            raise
        raise WeChatRefusedError("error.send.account_broken", **facts) from error
    show(run, account=account)
