"""The misbehaving proxy misbehaves exactly as told."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.kit.wait import until
from tests.servers.proxy import TCPProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.fixtures import MakeProxy
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.valkey import Valkey

PING, PONG = b"PING\r\n", b"+PONG\r\n"


@pytest.fixture
def proxy(valkey: Valkey) -> Iterator[TCPProxy]:
    """A proxy in front of Valkey."""
    with TCPProxy(("127.0.0.1", valkey.port)) as proxy:
        yield proxy


def test_bytes_pass_in_both_directions(proxy: TCPProxy) -> None:
    """The proxy is transparent as long as nobody asks for more."""
    with _connected(proxy) as client:
        client.sendall(PING)

        assert client.recv(100) == PONG
        assert proxy.accepted == proxy.open_links == 1


def test_stalled_bytes_are_late_and_not_lost(proxy: TCPProxy) -> None:
    """A reply that is held comes when the flow goes on."""
    with _connected(proxy) as client:
        proxy.stall()
        client.sendall(PING)
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(100)

        proxy.flow()

        client.settimeout(5)
        assert client.recv(100) == PONG


def test_cut_connection_is_reset(proxy: TCPProxy) -> None:
    """The client sees RST, and new connections are welcome."""
    with _connected(proxy) as client:
        client.sendall(PING)
        assert client.recv(100) == PONG

        assert proxy.cut() == 1

        with pytest.raises(ConnectionResetError):
            client.recv(100)
    with _connected(proxy) as client:
        client.sendall(PING)
        assert client.recv(100) == PONG


def test_buried_connection_is_silent_for_ever_and_new_ones_are_served(proxy: TCPProxy) -> None:
    """Nobody is told, not even that the other side has gone."""
    with _connected(proxy) as client:
        client.sendall(PING)
        assert client.recv(100) == PONG

        assert proxy.bury() == 1

        client.sendall(PING)
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(100)
    with _connected(proxy) as client:
        client.sendall(PING)
        assert client.recv(100) == PONG
        assert proxy.open_links == 1


def test_refusing_proxy_keeps_the_connections_it_has(proxy: TCPProxy) -> None:
    """Only new connections are refused, until it accepts again on the same port."""
    with _connected(proxy) as client:
        until(lambda: proxy.open_links == 1, 5, "the connection to be accepted")
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            _connected(proxy)
        client.sendall(PING)
        assert client.recv(100) == PONG

    proxy.accept()
    with _connected(proxy) as client:
        client.sendall(PING)
        assert client.recv(100) == PONG


def test_finished_conversation_leaves_no_link(proxy: TCPProxy) -> None:
    """The end of one side reaches the other one, and both sockets are closed."""
    with _connected(proxy) as client:
        client.sendall(b"QUIT\r\n")
        assert client.recv(100) == b"+OK\r\n"
        assert client.recv(100) == b""

    until(lambda: proxy.open_links == 0, 5, "the link to go")


def test_dead_upstream_resets_the_client(valkey: Valkey, tcp_proxy: MakeProxy) -> None:
    """The proxy does not swallow what it cannot deliver."""
    proxy = tcp_proxy(("127.0.0.1", valkey.port))
    valkey.kill()

    with pytest.raises(ConnectionResetError), _connected(proxy) as client:
        client.recv(100)


def test_unix_socket_is_an_upstream(postgresql: PostgreSQL, tcp_proxy: MakeProxy) -> None:
    """PostgreSQL, which has no port here, can be cut off as well."""
    proxy = tcp_proxy(postgresql.socket)
    ask_for_tls = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
    with _connected(proxy) as client:
        client.sendall(ask_for_tls)

        assert client.recv(1) == b"N"


def _connected(proxy: TCPProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=60)
