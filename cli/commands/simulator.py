"""``broadcast simulator``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from broadcast.text import t
from cli.group import Command

app = typer.Typer()


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

    command = parts.simulator_command(
        "--host", host, "--port", str(port), "--followers", str(followers),
        "--latency-ms", str(latency_ms),
    )  # fmt: skip
    accounts = list(settings().accounts().values())
    # This process becomes the simulator, so that signals and the exit status are its own.
    os.execve(command[0], command, {**os.environ, **parts.simulator_env(accounts)})  # noqa: S606
