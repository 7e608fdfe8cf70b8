"""A real RabbitMQ, where the machine has one, that shares nothing with the machine's own node.

It has its own node name, its own Erlang port mapper, ports, folders and cookie.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import uuid
from typing import TYPE_CHECKING, ClassVar

import amqp

from tests.kit.processes import RunningProcess
from tests.kit.wait import until
from tests.servers import binaries
from tests.servers.daemon import KEPT_PIDS, Daemon
from tests.servers.ports import LOOPBACK, free_port, listens

if TYPE_CHECKING:
    from pathlib import Path

USER = PASSWORD = "guest"
READY_LINE = "Server startup complete"


class RabbitMQ(Daemon):
    """One RabbitMQ node without plugins."""

    name: ClassVar[str] = "rabbitmq"
    start_timeout_s: ClassVar[float] = 90

    def __init__(self, *, kept: bool = False) -> None:
        super().__init__(kept=kept)
        self._mapper: RunningProcess | None = None
        self._mapper_port = free_port()
        self._distribution_port = free_port()
        self._starts = 0

    @property
    def url(self) -> str:
        """AMQP URL of the virtual host `/`."""
        return self.vhost_url("/")

    def vhost_url(self, vhost: str) -> str:
        """AMQP URL of a virtual host."""
        return f"amqp://{USER}:{PASSWORD}@{LOOPBACK}:{self.port}/{vhost}"

    def fresh_vhost(self) -> str:
        """Create an empty virtual host and return its AMQP URL."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.control("add_vhost", name)
        self.control("set_permissions", "-p", name, USER, ".*", ".*", ".*")
        return self.vhost_url(name)

    def drop_vhost(self, url: str) -> None:
        """Delete a virtual host made by `fresh_vhost`, with its queues and connections."""
        self.control("delete_vhost", url.rpartition("/")[2])

    def control(self, *arguments: str) -> str:
        """Run `rabbitmqctl` for this node and return what it printed.

        Raises:
            subprocess.CalledProcessError: it failed.
        """
        program = _beside_server("rabbitmqctl")
        done = subprocess.run(
            [program, "--quiet", *arguments],
            env=self._environment(),
            check=True,
            capture_output=True,
            text=True,
            timeout=240,
        )
        return done.stdout

    def kill(self) -> None:
        """Kill -9 of the node and of its port mapper."""
        super().kill()
        if self._mapper is not None:
            KEPT_PIDS.discard(self._mapper.pid)
            self._mapper.kill()
            self._mapper = None

    def stop(self) -> None:
        """Stop the node as an administrator would, then its port mapper."""
        super().stop()
        self.kill()

    def _prepare(self) -> None:
        # `loopback_users` and `log.console` are defaults of the broker's own; naming them keeps
        # a distribution's patches out of the tests.
        (self.folder / "rabbitmq.conf").write_text(
            "loopback_users.guest = true\nlog.console = true\nlog.file = false\n"
        )
        (self.folder / "plugins").write_text("[].\n")

    def _launch(self) -> RunningProcess:
        self._start_mapper()
        self._starts += 1
        return RunningProcess(
            [server_program()],
            log=self.folder / "log",
            env={**self._environment()},
            cwd=self.folder,
        )

    def _start_mapper(self) -> None:
        # Erlang would start a port mapper that outlives the node and belongs to nobody.
        if self._mapper is None:
            address = ("-address", LOOPBACK, "-port", str(self._mapper_port))
            command = [str(_mapper_program()), *address]
            self._mapper = RunningProcess(command, log=self.folder / "epmd.log")
            if self._kept:
                KEPT_PIDS.add(self._mapper.pid)
            until(lambda: listens(self._mapper_port), 10, "Erlang's port mapper to listen")

    def _answers(self) -> bool:
        if self.process.output.count(READY_LINE) < self._starts:
            return False
        with contextlib.closing(self._connection()) as connection:
            connection.connect()
        return True

    def _connection(self) -> amqp.Connection:
        return amqp.Connection(
            host=f"{LOOPBACK}:{self.port}", userid=USER, password=PASSWORD, connect_timeout=60
        )

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        return {
            **os.environ,
            "HOME": str(folder),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self._mapper_port),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "no-such-file"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_NODENAME": "tests@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self.port),
        }


def server_program() -> Path:
    """The program `rabbitmq-server`.

    Raises:
        FileNotFoundError: this machine has none, or no Erlang beside it.
    """
    _mapper_program()
    return _beside_server("rabbitmq-server")


def _beside_server(name: str) -> Path:
    program = binaries.find("rabbitmq-server")
    if program is None:
        message = "no rabbitmq-server on this machine"
        raise FileNotFoundError(message)
    # Debian's wrapper changes to the machine's own node's user and folder; the program proper
    # lies beside it and does what its environment says.
    if program.resolve().name == "rabbitmq-script-wrapper":
        return program.resolve().parent / name
    return program.parent / name


def _mapper_program() -> Path:
    program = binaries.find("epmd")
    if program is None:
        message = "no epmd (Erlang's port mapper) on PATH"
        raise FileNotFoundError(message)
    return program
