"""``db``, ``up``, ``simulator`` and ``demo``: the parts of this machine."""

from __future__ import annotations

import os
import socket
import sys
from typing import Annotated

import typer

from broadcast.accounts import Account
from broadcast.errors import OutOfReachError
from broadcast.message import Message
from cli.group import Command, Group
from cli.terminal import AsWritten
from cli.wiring.run import Run

app = typer.Typer(add_completion=False)
db = typer.Typer(cls=Group, help="help.db")
app.add_typer(db, name="db")


@db.callback()
def _db() -> None:
    """Make a group of one command a group all the same."""


@db.command(cls=Command, help="help.db.upgrade")
def upgrade(context: typer.Context) -> None:
    """Migrate to the newest schema."""
    from models import schema  # noqa: PLC0415 - not for the help

    run: Run = context.obj
    before, after = schema.upgrade(run.engine_to_upgrade)
    if before == after:
        run.terminal.say("db.newest", revision=after)
    else:
        run.terminal.say("db.upgraded", before=before or Message("db.empty"), after=after)


@app.command(cls=Command, help="help.demo")
def demo(context: typer.Context) -> None:
    """Run the demo."""
    from cli.embedded import demo as embedded  # noqa: PLC0415 - not for the help

    raise typer.Exit(embedded.run(context.obj.terminal))


@app.command(cls=Command, help="help.up")
def up(context: typer.Context) -> None:
    """Run Valkey, a worker and a beat in this terminal."""
    from cli.embedded import up as embedded  # noqa: PLC0415 - not for the help

    raise typer.Exit(embedded.run(context.obj.terminal))


@app.command(cls=Command, help="help.simulator")
def simulator(
    context: typer.Context,
    *,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="help.simulator.host")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="help.simulator.port", min=0, max=65535)] = 8765,
    followers: Annotated[int, typer.Option(help="help.simulator.followers", min=0)] = 1_000_000,
    latency_ms: Annotated[int, typer.Option(help="help.simulator.latency", min=0)] = 0,
) -> None:
    """Become the simulator, with the accounts of this environment."""
    from cli.embedded import parts  # noqa: PLC0415 - not for the help

    run: Run = context.obj
    accounts = list(run.settings.accounts().values())
    listener = _bound(host, port)
    if not accounts:
        accounts = [parts.TRIAL_ACCOUNT]
        _tell_trial(run, parts.TRIAL_ACCOUNT, listener)
    # It is bound here, so that the port is known, and taken, before its URL is printed.
    command = parts.simulator_command(
        "--fd", str(listener.fileno()), "--followers", str(followers),
        "--latency-ms", str(latency_ms),
    )  # fmt: skip
    listener.set_inheritable(True)
    # This process becomes the simulator, so that signals and the exit status are its own.
    os.execve(command[0], command, {**os.environ, **parts.simulator_env(accounts)})  # noqa: S606


def _bound(host: str, port: int) -> socket.socket:
    """Bind the address. Raises OutOfReachError where it is taken or not this machine's."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        reason = _reason(error)
    raise OutOfReachError("error.embedded.listen", address=f"{host}:{port}", reason=reason)


def _reason(error: Exception) -> str:
    """Return the system's own words: those of Python name the address once more."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    # A host that no name server can be asked for is a UnicodeError.
    return getattr(error, "strerror", None) or type(error).__name__


def _tell_trial(run: Run, account: Account, listener: socket.socket) -> None:
    """Print what goes into ``.env``; the secret is nobody's, so it is not masked."""
    host, port = listener.getsockname()[:2]
    base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    secret = account.appsecret.get_secret_value()
    told = run.terminal.in_words("simulator.trial", appid=account.appid, secret=secret, base=base)
    run.terminal.say(AsWritten(told))
    sys.stdout.flush()
