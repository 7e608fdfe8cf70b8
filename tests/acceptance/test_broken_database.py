"""PostgreSQL and MariaDB break under a running lane: nothing doubled, lost or left standing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pymysql
import pytest
from sqlalchemy import create_engine, func, make_url, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from models.broadcast_tables import BroadcastRow
from models.engine import parse
from tests.acceptance.administering import administrator, name_of
from tests.acceptance.recovery import (
    Traffic,
    everybody_lives,
    for_seconds,
    start_all,
)
from tests.kit.endpoints import MASS_SEND
from tests.kit.wait import until
from tests.servers.commits import CommitProxy
from tests.servers.ports import LOOPBACK

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from tests.acceptance.administering import Server
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System
    from tests.servers.postgresql import PostgreSQL

FAULT_S = 2.0
SERVERS = ("postgresql", pytest.param("mariadb", marks=pytest.mark.prove))
#: By what the proxy knows the transactions of a lane.
WORKERS_COMMITS = {"claim": "INSERT INTO bc_attempts", "record": "UPDATE bc_attempts SET"}


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    """Each server in turn."""
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    """The URL of an empty database in it."""
    made = server.fresh_database()
    yield made
    server.revive()
    server.drop_database(made)


def is_postgresql(connection: Connection) -> bool:
    """Tell the servers apart."""
    return connection.dialect.name == "postgresql"


def terminate_all(admin: Connection) -> int:
    """Terminate every other connection to the database; return how many there were."""
    if is_postgresql(admin):
        query = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return len(admin.execute(text(query)).all())
    query = (
        "SELECT id FROM information_schema.processlist"
        " WHERE db = database() AND id <> connection_id()"
    )
    ids = admin.scalars(text(query)).all()
    for thread in ids:
        with contextlib.suppress(DBAPIError):  # it may have gone by itself meanwhile
            admin.execute(text(f"KILL CONNECTION {thread}"))
    return len(ids)


def in_flight(system: System, fault: int) -> None:
    """Wait until WeChat has the call that the fault makes slow."""
    until(
        lambda: next(f["fired"] for f in system.simulator.faults() if f["number"] == fault),
        40,
        "the slow call in flight",
    )


# One fault after the other


def test_server_that_breaks_in_every_way_costs_time_and_nothing_else(
    server: Server, url: str, start_system: StartSystem
) -> None:
    system = start_system(followers=160, latency_ms=250, database_url=url)
    traffic = Traffic(system, batches=80)
    start_all(system)
    traffic.wait_for_calls(2)

    with administrator(server, url) as admin:
        slow = system.simulator.fault("slow", when="after", path=MASS_SEND, seconds=1)
        in_flight(system, slow)
        assert terminate_all(admin)
        traffic.recovers(f"{name_of(server)}: connections terminated in mid-call")

        use_up_connections(system, server, admin)
        traffic.recovers(f"{name_of(server)}: no connection left for 2 s")

        deadlock(traffic, admin, url)
        traffic.recovers(f"{name_of(server)}: deadlock")

        if is_postgresql(admin):
            refuse_to_write(system, admin)
            traffic.recovers(f"{name_of(server)}: read-only for 2 s")

    server.restart()
    traffic.recovers(f"{name_of(server)}: killed and restarted")

    everybody_lives(system)
    system.simulator.set_switches(latency_ms=0)
    traffic.ends_whole()


def use_up_connections(system: System, server: Server, admin: Connection) -> None:
    """Take every connection that the server gives, and hold them for a while."""
    if not is_postgresql(admin):
        admin.execute(text("SET GLOBAL max_connections = 10"))

    def refused() -> bool:
        said = " ".join(process.output for process in system.processes).lower()
        return "too many" in said

    with ExitStack() as taken:

        def take() -> None:
            with contextlib.suppress(psycopg.OperationalError, pymysql.err.OperationalError):
                while True:
                    taken.enter_context(contextlib.closing(connect()))

        connect = _connector(server)

        def nobody_else_gets_one() -> bool:
            terminate_all(admin)
            take()
            return refused()

        until(nobody_else_gets_one, 30, "a worker that is refused")
        with for_seconds(FAULT_S, take):
            take()
    if not is_postgresql(admin):
        admin.execute(text("SET GLOBAL max_connections = 151"))


def _connector(server: Server) -> Callable[[], Any]:
    where = make_url(server.url)
    if where.get_backend_name() == "postgresql":
        host = str(where.query["host"])
        return lambda: psycopg.connect(host=host, user=where.username, dbname=where.database)
    return lambda: pymysql.connect(
        host=where.host, port=where.port or 0, user=where.username, password=where.password or ""
    )


def deadlock(traffic: Traffic, admin: Connection, url: str) -> None:
    """Lock the broadcast, then its lane, while a claim has the lane and wants the broadcast."""
    waiting = text(
        "SELECT count(*) FROM pg_locks WHERE NOT granted"
        if is_postgresql(admin)
        else "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
    )
    engine = create_engine(parse(url), poolclass=NullPool)
    victim = "the lane's"
    with engine.connect() as connection:
        if is_postgresql(admin):
            # Whoever waits for a second finds the deadlock and gives way: not this one.
            connection.execute(text("SET LOCAL deadlock_timeout = '20s'"))
        connection.execute(
            text("SELECT id FROM bc_broadcasts WHERE id = :id FOR UPDATE"), {"id": traffic.id}
        )
        until(lambda: admin.scalar(waiting), 30, "a claim that waits")
        try:
            connection.execute(
                text("SELECT account FROM bc_lanes WHERE account = :name FOR UPDATE"),
                {"name": traffic.of.name},
            )
        except OperationalError:
            victim = "the other's"
        connection.rollback()
    print(f"{admin.dialect.name}: {victim} transaction gave way in the deadlock")


def refuse_to_write(system: System, admin: Connection) -> None:
    """Make the database read-only, as providers do when its disk is full."""
    name = admin.scalar(text("SELECT current_database()"))
    admin.execute(text(f"ALTER DATABASE {name} SET default_transaction_read_only = on"))
    terminate_all(admin)
    until(
        lambda: any("read-only transaction" in p.output for p in system.processes),
        30,
        "a worker that is refused",
    )
    # Sessions keep what they found at their start; nobody terminates them now.
    with for_seconds(
        FAULT_S,
        lambda: admin.execute(text(f"ALTER DATABASE {name} RESET default_transaction_read_only")),
    ):
        pass


# The answer to a commit is lost


def through(proxy: CommitProxy, url: str) -> str:
    """The URL with the proxy in the server's place; it must be able to read what passes."""
    changed = make_url(url).set(host=LOOPBACK, port=proxy.port).difference_update_query(["host"])
    if changed.get_backend_name() == "mysql":
        changed = changed.update_query_dict({"ssl_disabled": "true"})
    return changed.render_as_string(hide_password=False)


@pytest.fixture
def proxy(server: Server) -> Iterator[CommitProxy]:
    """Stands before the server."""
    socket: Path | None = getattr(server, "socket", None)
    upstream = socket or (LOOPBACK, int(server.port))  # type: ignore[union-attr] # has a port then
    with CommitProxy(upstream) as made:
        yield made


def test_commit_whose_answer_is_lost_is_looked_up_whether_it_claimed_recorded_or_published(
    server: Server, url: str, proxy: CommitProxy, start_system: StartSystem
) -> None:
    system = start_system(
        followers=60, latency_ms=150, database_url=through(proxy, url), BROADCAST_WAIT_SCALE="0.05"
    )
    traffic = Traffic(system, batches=20)
    start_all(system)
    for what, sign in 2 * list(WORKERS_COMMITS.items()):
        traffic.wait_for_calls(1)
        lost = proxy.lost
        proxy.lose_answer(sign)
        until(lambda: proxy.lost > lost, 30, f"a lost answer to the commit of a {what}")  # noqa: B023
        traffic.recovers(f"{name_of(server)}: the answer to the commit of a {what} lost")
    traffic.ends_whole()

    file = system.folder / "list.txt"
    file.write_text("\n".join(system.simulator.openids(20, start=40)), encoding="ascii")
    words = ("send", "--openids", file, "--text", "您好", "--key", "K")
    lost = proxy.lost
    proxy.lose_answer("INSERT INTO bc_submissions")
    first = system.broadcast(*words, status=3)
    assert proxy.lost == lost + 1
    assert "K" in first.stderr
    system.broadcast(*words, status=0)

    system.until_state(_only_other(system.engine, traffic.id), "completed")
    assert system.simulator.ledger() == {
        "delivered_distinct": 60,
        "deliveries": 60,
        "delivered_max": 1,
        "doubled": 0,
    }
    everybody_lives(system)


def _only_other(engine: Engine, broadcast_id: str) -> str:
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(BroadcastRow)) == 2
        found = select(BroadcastRow.id).where(BroadcastRow.id != broadcast_id)
        return str(connection.execute(found).scalar_one())


# Serialization


def test_serialization_failures_are_begun_again(
    postgresql: PostgreSQL, postgresql_url: str, start_system: StartSystem
) -> None:
    with administrator(postgresql, postgresql_url) as admin:
        name = admin.scalar(text("SELECT current_database()"))
        admin.execute(
            text(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
        )
    system = start_system(followers=60, accounts=3, latency_ms=10, database_url=postgresql_url)
    traffic = [Traffic(system, batches=30, of=account) for account in system.simulator.accounts]
    before = postgresql.log.read_text().count("could not serialize access")
    start_all(system, workers=3)

    for one in traffic:
        one.ends_whole()
    failures = postgresql.log.read_text().count("could not serialize access") - before
    print(f"{failures} serialization failures")
    assert failures > 0, "nothing had to be begun again"
    everybody_lives(system)
