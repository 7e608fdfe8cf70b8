"""``broadcast simulator``."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from broadcast.text import t
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
    from cli import output  # noqa: PLC0415
    from cli.embedded import parts  # noqa: PLC0415 - not for the help
    from cli.wiring.database import settings  # noqa: PLC0415

    command = parts.simulator_command(
        "--host", host, "--port", str(port), "--followers", str(followers),
        "--latency-ms", str(latency_ms),
    )  # fmt: skip
    accounts = list(settings().accounts().values())
    if not accounts:
        accounts = [parts.TRIAL_ACCOUNT]
        output.say(
            t("simulator.trial", appid=parts.TRIAL_ACCOUNT.appid,
              secret=parts.TRIAL_ACCOUNT.appsecret.get_secret_value(),
              base=f"http://{host}:{port}")
        )  # fmt: skip
        sys.stdout.flush()
    # This process becomes the simulator, so that signals and the exit status are its own.
    os.execve(command[0], command, {**os.environ, **parts.simulator_env(accounts)})  # noqa: S606
