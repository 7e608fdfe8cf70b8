"""The servers of the tests do what the tests that use them take for granted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import amqp
import psutil
import pytest
import redis
import sqlalchemy as sa
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.kit.wait import until
from tests.servers.ports import listens
from tests.servers.valkey import Valkey

if TYPE_CHECKING:
    from tests.servers.mariadb import MariaDB
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.rabbitmq import RabbitMQ

STANDARD_PORTS = {3306, 5432, 5672, 6379}


def test_killed_valkey_comes_back_empty_on_the_same_port(valkey: Valkey) -> None:
    """A restart keeps the URL and loses the data."""
    url = valkey.url
    with valkey.client() as client:
        client.set("key", "value")

    valkey.restart()

    with valkey.client() as client:
        assert url == valkey.url
        assert client.dbsize() == 0


def test_frozen_valkey_accepts_and_does_not_answer(valkey: Valkey) -> None:
    """Clients of a frozen server run into their own time-outs, and go on after the thaw."""
    valkey.freeze()
    never = Retry(NoBackoff(), retries=0)
    with redis.Redis(port=valkey.port, socket_timeout=0.2, retry=never) as client:
        with pytest.raises(redis.TimeoutError):
            client.ping()

        valkey.thaw()

        assert client.ping()


def test_valkey_that_a_test_left_dead_serves_the_next_test(valkey: Valkey) -> None:
    """`revive` is what the fixture calls before a test."""
    valkey.kill()

    valkey.revive()

    with valkey.client() as client:
        assert client.ping()


def test_database_is_empty_and_keeps_what_is_committed(database_url: str) -> None:
    """The same test runs on every engine."""
    engine = sa.create_engine(database_url)
    assert sa.inspect(engine).get_table_names() == []

    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE kept (n INTEGER)"))
        connection.execute(sa.text("INSERT INTO kept VALUES (1)"))
    engine.dispose()

    with engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT n FROM kept")) == 1
    engine.dispose()


def test_postgresql_survives_a_power_cut(postgresql: PostgreSQL, postgresql_url: str) -> None:
    """What was committed before kill -9 is there after the restart."""
    engine = sa.create_engine(postgresql_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE kept (n INTEGER)"))

    postgresql.restart()
    engine.dispose()

    assert sa.inspect(engine).get_table_names() == ["kept"]
    engine.dispose()


def test_postgresql_does_not_listen_on_tcp(postgresql: PostgreSQL) -> None:
    """So it can disturb no other server of the machine."""
    postmaster = psutil.Process(postgresql.pid)

    listening = [c for c in postmaster.net_connections("tcp") if c.status == psutil.CONN_LISTEN]

    assert listening == []


def test_mariadb_survives_a_power_cut(mariadb: MariaDB, mariadb_url: str) -> None:
    """What was committed before kill -9 is there after the restart."""
    engine = sa.create_engine(mariadb_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE kept (n INTEGER)"))

    mariadb.restart()
    engine.dispose()

    assert sa.inspect(engine).get_table_names() == ["kept"]
    engine.dispose()


def test_rabbitmq_keeps_virtual_hosts_apart(rabbitmq: RabbitMQ, rabbitmq_url: str) -> None:
    """A queue of one test is not seen by another one."""
    with _amqp(rabbitmq_url, rabbitmq) as connection:
        connection.channel().queue_declare("mine", auto_delete=False)

    other_url = rabbitmq.fresh_vhost()
    with _amqp(other_url, rabbitmq) as connection, pytest.raises(amqp.NotFound):
        connection.channel().queue_declare("mine", passive=True)
    rabbitmq.drop_vhost(other_url)


def test_rabbitmq_has_a_port_mapper_of_its_own(rabbitmq: RabbitMQ) -> None:
    """The node of the machine is registered with another one."""
    ports = {
        connection.laddr.port
        for process in rabbitmq.process.family()
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }

    assert rabbitmq.port in ports
    assert ports.isdisjoint(STANDARD_PORTS | {4369, 25672})


def test_broker_url_is_usable(broker_url: str) -> None:
    """Both kinds of broker are reached by their URL alone."""
    kombu = pytest.importorskip("kombu")
    with kombu.Connection(broker_url) as connection:
        connection.ensure_connection(max_retries=1)

        assert connection.connected


def test_closed_server_leaves_no_folder_and_no_port() -> None:
    """A server cleans up after itself."""
    with Valkey() as server:
        port, folder = server.port, server.folder
        assert listens(port)

    until(lambda: not listens(port), 5, "the port to close")
    assert not folder.exists()


def _amqp(url: str, server: RabbitMQ) -> amqp.Connection:
    vhost = url.rpartition("/")[2]
    return amqp.Connection(host=f"127.0.0.1:{server.port}", virtual_host=vhost)
