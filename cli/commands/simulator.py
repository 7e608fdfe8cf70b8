"""``broadcast simulator``."""

from __future__ import annotations

import os
import socket
import sys
from typing import Annotated

import typer

from broadcast.accounts import Account
from broadcast.errors import OutOfReachError
from broadcast.text import t
from cli import output
from cli.group import Command

app = typer.Typer(add_completion=False)


@app.command(cls=Command, help=t("help.simulator"))
def simulator(
    *,
    host: Annotated[str, typer.Option(help=t("help.simulator.host"))] = "127.0.0.1",
    port: Annotated[int, typer.Option(help=t("help.simulator.port"), min=0, max=65535)] = 8765,
    followers: Annotated[int, typer.Option(help=t("help.simulator.followers"), min=0)] = 1_000_000,
    latency_ms: Annotated[int, typer.Option(help=t("help.simulator.latency"), min=0)] = 0,
) -> None:
    """Become the simulator, with the accounts of this environment."""
    from cli.embedded import parts  # noqa: PLC0415 - not for the help
    from cli.wiring.database import settings  # noqa: PLC0415

    accounts = list(settings().accounts().values())
    listener = _bound(host, port)
    if not accounts:
        accounts = [parts.TRIAL_ACCOUNT]
        _tell_trial(parts.TRIAL_ACCOUNT, listener)
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


def _tell_trial(account: Account, listener: socket.socket) -> None:
    """Print what goes into ``.env``; the secret is nobody's, so it is not masked."""
    host, port = listener.getsockname()[:2]
    base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    secret = account.appsecret.get_secret_value()
    told = t("simulator.trial", appid=account.appid, secret=secret, base=base)
    output.say(output.AsWritten(told))
    sys.stdout.flush()
