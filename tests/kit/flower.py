"""Flower as a process, asked over HTTP with its login."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import requests

from tests.kit.processes import RunningProcess, python_module
from tests.kit.wait import until
from tests.servers.ports import free_port

if TYPE_CHECKING:
    from tests.kit.system import System

LOGIN = "user:word-of-the-login"


class Flower:
    """Flower of a system, which keeps what it saw in the system's folder."""

    def __init__(self, system: System, **settings: str | None) -> None:
        """Start it and wait until it answers; *settings*: variables."""
        self.port = free_port()
        env: dict[str, str | None] = {
            **system.env,
            "FLOWER_DB": str(system.folder / "flower"),
            "FLOWER_BASIC_AUTH": LOGIN,
            **settings,
        }
        self._system = system
        self.process = RunningProcess(
            python_module("celery", "-A", "worker", "flower", f"--port={self.port}"),
            log=system.folder / "flower.log",
            env=env,
            cwd=system.folder,
        )
        system.processes.append(self.process)
        self._until_ready()

    def _until_ready(self) -> None:
        until(lambda: self.ask("api/workers") == 200, 60, "an answer of Flower")

    def restart(self) -> None:
        """Stop it as a service does, and start it anew."""
        self.process.signal_group(signal.SIGTERM)
        until(lambda: self.process.exit_status is not None, 30, "the end of Flower")
        self.process = self._system.again(self.process)
        self._until_ready()

    def ask(self, path: str, body: object = None, *, login: bool = True) -> int:
        """Return the status of a request, 0 without an answer; *body*: as a post."""
        auth = (LOGIN.split(":", maxsplit=1)[0], LOGIN.split(":")[1]) if login else None
        try:
            return requests.request(
                "GET" if body is None else "POST",
                f"http://127.0.0.1:{self.port}/{path}",
                json=body,
                auth=auth,
                timeout=30,
                allow_redirects=False,
            ).status_code
        except (requests.ConnectionError, requests.Timeout):
            return 0

    def json(self, path: str, **query: str) -> Any:
        """Return what its API says."""
        auth = (LOGIN.split(":", maxsplit=1)[0], LOGIN.split(":")[1])
        return requests.get(
            f"http://127.0.0.1:{self.port}/api/{path}", params=query, auth=auth, timeout=30
        ).json()
