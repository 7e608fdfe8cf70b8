"""The connection: bounded in time, and silent about passwords."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from redis import SSLConnection

from broadcast.errors import RedisAwayError, SettingsError
from broadcast.tokens.redis_access import connect, masked
from tests.kit.wait import until
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.valkey import server_program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from broadcast.tokens.redis_access import Connection
    from tests.servers.fixtures import Launch, MakeProxy
    from tests.servers.valkey import Valkey

#: Two attempts of one second each, and room for a busy machine; unbounded it would never end.
BOUND_S = 30.0


def seconds_until_away(call: Callable[[], object]) -> float:
    started = time.monotonic()
    with pytest.raises(RedisAwayError):
        call()
    return time.monotonic() - started


def test_refused_port_is_told_at_once() -> None:
    with connect(f"redis://{LOOPBACK}:{free_port()}/0") as redis:
        assert seconds_until_away(redis.ping) < BOUND_S


def test_frozen_redis_is_told_within_the_bound(valkey: Valkey) -> None:
    with connect(valkey.url) as redis:
        redis.ping()
        valkey.freeze()
        assert seconds_until_away(redis.ping) < BOUND_S
    with connect(valkey.url) as never_connected:
        assert seconds_until_away(never_connected.ping) < BOUND_S


def test_stalled_network_is_told_within_the_bound(valkey: Valkey, tcp_proxy: MakeProxy) -> None:
    proxy = tcp_proxy((LOOPBACK, valkey.port))
    with connect(f"redis://{proxy.address}/0") as redis:
        redis.ping()
        proxy.stall()
        assert seconds_until_away(redis.ping) < BOUND_S


def test_restarted_redis_is_found_again(valkey: Valkey, connection: Connection) -> None:
    connection.ping()
    valkey.restart()
    assert until(connection.ping, 5, "the connection to heal")


def test_refusing_redis_is_away_and_its_reply_is_not_quoted(connection: Connection) -> None:
    connection.config_set("maxmemory", "1")
    try:
        with pytest.raises(RedisAwayError) as caught:
            connection.set("key", "a-secret-value")
    finally:
        connection.config_set("maxmemory", "0")
    assert caught.value.message_id == "error.redis.refused"
    assert caught.value.facts["code"] == "OutOfMemoryError"
    assert "a-secret-value" not in str(caught.value)


def test_unix_socket_with_a_password(tmp_path: Path, launch: Launch, valkey: Valkey) -> None:
    socket = valkey.folder / "valkey.sock"
    launch(
        [
            *(server_program(), "--port", "0", "--unixsocket", str(socket)),
            *("--requirepass", "hunter2", "--save", "", "--dir", str(tmp_path)),
        ]
    )
    with connect(f"unix://{socket}?db=3&password=hunter2") as redis:
        assert until(redis.ping, 10, "the socket to answer")
    wrong = connect(f"unix://{socket}?password=wrong-word")
    with wrong as redis, pytest.raises(RedisAwayError) as caught:
        redis.ping()
    assert "wrong-word" not in str(caught.value)


def test_rediss_speaks_tls(valkey: Valkey) -> None:
    """A server without TLS is refused, not talked to in clear."""
    with connect(valkey.url.replace("redis://", "rediss://")) as redis:
        assert redis.connection_pool.connection_class is SSLConnection
        with pytest.raises(RedisAwayError):
            redis.ping()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:hunter2@host:6379/0", "redis://:***@host:6379/0"),
        ("rediss://user:hunt%40er2@host/1", "rediss://user:***@host/1"),
        ("redis://user:hun@ter2@host/1", "redis://user:***@host/1"),
        (
            "unix:///run/redis.sock?db=1&password=hunter2",
            "unix:///run/redis.sock?db=1&password=***",
        ),
        ("redis://host/0?password=hunter2", "redis://host/0?password=***"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://:hun/ter2@host:6379/0", "redis://:***@host:6379/0"),
        ("redis://:hun#ter2@[::1]:6379", "redis://:***@[::1]:6379"),
        ("redis://:hunter2", "***"),
        ("redis://[hunter2", "***"),
        ("hunter2", "***"),
    ],
)
def test_password_in_the_url_is_masked(url: str, shown: str) -> None:
    assert masked(SecretStr(url)) == shown


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter2@host",
        "redis://:hunter2@host:port/0",
        "hunter2",
        "redis://[hunter2",
        "redis://:hun/ter2@host",
    ],
)
def test_unreadable_url_is_named_by_its_variable(url: str) -> None:
    with pytest.raises(SettingsError, match=r"error\.redis\.bad_url") as caught:
        connect(url)
    assert caught.value.__context__ is None
    assert "hunter2" not in str(caught.value)
    assert "ter2@" not in str(caught.value)


def test_away_error_names_the_address_without_the_password() -> None:
    port = free_port()
    away = connect(f"redis://user:hunter2@{LOOPBACK}:{port}/0")
    with away as redis, pytest.raises(RedisAwayError) as caught:
        redis.get("key")
    text = str(caught.value)
    assert f"user:***@{LOOPBACK}:{port}" in text
    assert "hunter2" not in text
