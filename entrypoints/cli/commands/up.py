"""``db``, ``up``, ``simulator`` and ``demo``: the parts of this machine."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from broadcast.message import Message
from broadcast.rules.accounts import Account
from entrypoints.cli.commands.callback import with_token
from entrypoints.cli.commands.options import new_group
from entrypoints.cli.listening import CALLBACK_PORT, bound
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import AsWritten

app, db = new_group("db")


@db.callback()
def _db() -> None:
    """Make a group of one command a group all the same."""


@db.command(help="help.db.upgrade", json=False)
def upgrade(run: Run) -> None:
    """Migrate to the newest schema."""
    from models import schema

    before, after = schema.upgrade(run.engine_to_upgrade)
    if before == after:
        run.say("db.newest", revision=after)
    else:
        run.say("db.upgraded", before=before or Message("db.empty"), after=after)


@app.command(help="help.demo", json=False)
def demo(run: Run) -> int:
    """Run the demo."""
    from entrypoints.cli.embedded import embedded_demo

    return embedded_demo.run(run.terminal)


@app.command(help="help.up", json=False)
def up(
    run: Run,
    *,
    skip_checks: Annotated[bool, typer.Option("--skip-checks", help="help.up.skip_checks")] = False,
    simulated: Annotated[bool, typer.Option("--simulator", help="help.up.simulator")] = False,
    callback_port: Annotated[
        int, typer.Option(min=0, max=65535, help="help.up.callback_port")
    ] = CALLBACK_PORT,
) -> int:
    """Run Valkey, a worker and a beat in this terminal."""
    from entrypoints.cli.embedded import embedded_stack

    return embedded_stack.run(
        run.terminal,
        checked=not skip_checks,
        simulated=simulated,
        callback_port=callback_port,
    )


@app.command(help="help.simulator", json=False)
def simulator(
    run: Run,
    *,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="help.simulator.host")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="help.simulator.port", min=0, max=65535)] = 8765,
    followers: Annotated[int, typer.Option(help="help.simulator.followers", min=0)] = 1_000_000,
    latency_ms: Annotated[int, typer.Option(help="help.simulator.latency", min=0)] = 0,
    scenario: Annotated[
        Path | None, typer.Option("--scenario", metavar="FILE", help="help.simulator.scenario")
    ] = None,
    callback: Annotated[
        str | None, typer.Option("--callback", metavar="URL", help="help.simulator.callback")
    ] = None,
) -> None:
    """Become the simulator, with the accounts of this environment."""
    from entrypoints.cli.embedded import embedded_parts

    embedded_parts.require_simulator()
    given = list(run.settings.accounts().values())
    accounts = given or [embedded_parts.LONE_ACCOUNT]
    pushes = embedded_parts.simulator_callbacks(with_token(accounts), callback) if callback else {}
    listener = bound(host, port)
    if not given:
        _tell_trial(
            run,
            embedded_parts.LONE_ACCOUNT,
            listener,
            followers=followers,
            listed=embedded_parts.TRIAL_FOLLOWERS,
            pushes=bool(pushes),
        )
    # It is bound here, so that the port is known, and taken, before its URL is printed.
    command = embedded_parts.simulator_command(
        "--fd",
        str(listener.fileno()),
        "--followers",
        str(followers),
        "--latency-ms",
        str(latency_ms),
        *(("--scenario", str(scenario)) if scenario else ()),
        *(() if given else embedded_parts.FOLLOWERS_OF_TRIAL),
    )
    listener.set_inheritable(True)
    # This process becomes the simulator, so that signals and the exit status are its own.
    environment = {**os.environ, **pushes, **embedded_parts.simulator_env(accounts)}
    os.execve(command[0], command, environment)  # noqa: S606 - the simulator, in our place: no shell


def _tell_trial(
    run: Run,
    account: Account,
    listener: socket.socket,
    *,
    followers: int,
    listed: int,
    pushes: bool,
) -> None:
    """Print the lines for ``.env``; the secret is nobody's, so it is not masked."""
    from entrypoints.serving.server import url_of

    settings_lines = run.terminal.in_words(
        "simulator.trial",
        n=followers,
        listed=listed,
        appid=account.appid,
        secret=account.appsecret.get_secret_value(),
        base=url_of(listener),
    )
    run.say(AsWritten(settings_lines))
    if pushes and account.callback_token is not None:
        token = account.callback_token.get_secret_value()
        run.say(AsWritten(f"WECHAT_CALLBACK_TOKEN={token}"))
    sys.stdout.flush()
