"""Fixtures: the servers of this test process, and fresh databases and virtual hosts in them.

`valkey`, `postgresql`, `mariadb` and `rabbitmq` give the server, repaired if the test before
broke it. `database_url` runs a test on SQLite, PostgreSQL and MariaDB, `broker_url` on Valkey
and RabbitMQ. `tcp_proxy` and `launch` make proxies and processes that end with the test.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.kit.processes import LOG_TAIL_LINES, RunningProcess
from tests.servers import mariadb as mariadb_server
from tests.servers import rabbitmq as rabbitmq_server
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL
from tests.servers.proofs import not_proved
from tests.servers.proxy import TCPProxy, Upstream
from tests.servers.rabbitmq import RabbitMQ
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

DATABASES = ("sqlite", "postgresql", "mariadb")
BROKERS = ("valkey", "rabbitmq")


@pytest.fixture(scope="session")
def kept_valkey() -> Iterator[Valkey]:
    """The Valkey of this test process; tests take `valkey`."""
    with Valkey(kept=True) as server:
        yield server


@pytest.fixture
def valkey(kept_valkey: Valkey) -> Valkey:
    """An empty Valkey. The test may kill, freeze and flush it."""
    kept_valkey.revive()
    kept_valkey.flushall()
    return kept_valkey


@pytest.fixture(scope="session")
def kept_postgresql() -> Iterator[PostgreSQL]:
    """The PostgreSQL of this test process; tests take `postgresql` or `postgresql_url`."""
    with PostgreSQL() as server:
        yield server


@pytest.fixture
def postgresql(kept_postgresql: PostgreSQL) -> PostgreSQL:
    """A PostgreSQL server. The test may kill and freeze it."""
    kept_postgresql.revive()
    return kept_postgresql


@pytest.fixture(scope="session")
def kept_mariadb() -> Iterator[MariaDB]:
    """The MariaDB of this test process; tests take `mariadb` or `mariadb_url`."""
    try:
        mariadb_server.server_program()
        mariadb_server.install_program()
    except FileNotFoundError as error:
        not_proved("MariaDB", str(error))
    with MariaDB(kept=True) as server:
        yield server


@pytest.fixture
def mariadb(kept_mariadb: MariaDB) -> MariaDB:
    """A MariaDB server. The test may kill and freeze it."""
    kept_mariadb.revive()
    return kept_mariadb


@pytest.fixture(scope="session")
def kept_rabbitmq() -> Iterator[RabbitMQ]:
    """The RabbitMQ of this test process; tests take `rabbitmq` or `rabbitmq_url`."""
    try:
        rabbitmq_server.server_program()
    except FileNotFoundError as error:
        not_proved("RabbitMQ", str(error))
    with RabbitMQ(kept=True) as server:
        yield server


@pytest.fixture
def rabbitmq(kept_rabbitmq: RabbitMQ) -> RabbitMQ:
    """A RabbitMQ node. The test may kill and freeze it."""
    kept_rabbitmq.revive()
    return kept_rabbitmq


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'broadcast.sqlite'}"


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL) -> Iterator[str]:
    """URL of an empty database in PostgreSQL."""
    with _fresh_database(postgresql) as url:
        yield url


@pytest.fixture
def mariadb_url(mariadb: MariaDB) -> Iterator[str]:
    """URL of an empty database in MariaDB."""
    with _fresh_database(mariadb) as url:
        yield url


@pytest.fixture
def rabbitmq_url(rabbitmq: RabbitMQ) -> Iterator[str]:
    """AMQP URL of an empty virtual host."""
    url = rabbitmq.fresh_vhost()
    yield url
    rabbitmq.revive()
    rabbitmq.drop_vhost(url)


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty database: the test runs once on each engine."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=BROKERS)
def broker_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty broker: the test runs once on each kind."""
    if request.param == "valkey":
        server: Valkey = request.getfixturevalue("valkey")
        return server.url
    url: str = request.getfixturevalue("rabbitmq_url")
    return url


class MakeProxy(Protocol):
    """Makes a proxy to an upstream: (host, port), or the path of a Unix socket."""

    def __call__(self, upstream: Upstream) -> TCPProxy:
        """Return the proxy, which listens already."""


@pytest.fixture
def tcp_proxy() -> Iterator[MakeProxy]:
    """Make proxies that are closed after the test."""
    with contextlib.ExitStack() as stack:

        def make(upstream: Upstream) -> TCPProxy:
            return stack.enter_context(TCPProxy(upstream))

        yield make


class Launch(Protocol):
    """Starts a command; see `RunningProcess`."""

    def __call__(
        self,
        command: Sequence[str | Path],
        *,
        name: str = "process",
        env: Mapping[str, str | None] | None = None,
        warm: bool = False,
    ) -> RunningProcess:
        """Return the process, which has been started but need not be ready."""


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start processes whose groups are killed after the test; a failed test shows their logs."""
    started: list[RunningProcess] = []
    with contextlib.ExitStack() as stack:

        def start(
            command: Sequence[str | Path],
            *,
            name: str = "process",
            env: Mapping[str, str | None] | None = None,
            warm: bool = False,
        ) -> RunningProcess:
            log = tmp_path / f"{len(started) + 1}-{name}.log"
            process = stack.enter_context(RunningProcess(command, log=log, env=env, warm=warm))
            started.append(process)
            return process

        yield start
    for process in started:
        tail = "\n".join(process.output.splitlines()[-LOG_TAIL_LINES:])
        print(f"--- end of {process.log.name}\n{tail}")


@contextlib.contextmanager
def _fresh_database(server: PostgreSQL | MariaDB) -> Iterator[str]:
    url = server.fresh_database()
    yield url
    server.revive()
    server.drop_database(url)
