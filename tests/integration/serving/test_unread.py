"""An answer that nobody reads holds nothing for long."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from entrypoints.http.request_gate import Gate
from entrypoints.serving import hostile_clients
from entrypoints.serving.server import Server
from tests.kit.wait import until
from tests.servers.ports import LOOPBACK

PIECE = b"x" * 65_536
#: More than the system holds for a reader.
PIECES = 300


def _pieces(count: int | None) -> Iterator[bytes]:
    while count is None or count > 0:
        yield PIECE
        count = count and count - 1


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    path = Request(scope).url.path
    if path == "/small":
        answer = Response(b"small")
    elif path == "/large":
        answer = Response(PIECE * PIECES)
    else:
        answer = StreamingResponse(_pieces(PIECES if path == "/long" else None))
    await answer(scope, receive, send)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, tuple[str, int]]]:
    """A server that answers one request at a time, and waits for readers for a moment."""
    monkeypatch.setattr(hostile_clients, "READ_WITHIN_S", 0.5)
    served = Server(Gate(_app, language="zh", most=1), ready="ready", end_within_s=5)
    with socket.create_server((LOOPBACK, 0)) as listener:
        thread = threading.Thread(target=served.run, kwargs={"sockets": [listener]})
        thread.start()
        until(lambda: served.started, 10, "the server")
        yield served, listener.getsockname()
        served.should_exit = True
        thread.join()


def _asking(address: tuple[str, int], path: str, *, close: bool = False) -> socket.socket:
    connection = socket.socket()
    # Before it connects: then the window stays small.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    connection.connect(address)
    last = "Connection: close\r\n" if close else ""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n{last}\r\n".encode())
    return connection


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("path", ["/endless", "/long", "/large"])
def test_who_reads_nothing_is_cut_off(
    server: tuple[Server, tuple[str, int]], path: str, *, close: bool
) -> None:
    served, address = server
    with _asking(address, path, close=close) as silent:
        until(lambda: served.server_state.total_requests or served.server_state.tasks, 5, "it")
        until(lambda: not served.server_state.connections, 5, "the end of the connection")
        until(lambda: not served.server_state.tasks, 5, "the end of the answer")
        with _asking(address, "/small") as other:
            assert other.recv(12) == b"HTTP/1.1 200"
        del silent


def test_who_comes_in_a_crowd_is_asked_to_come_again(
    server: tuple[Server, tuple[str, int]],
) -> None:
    _, address = server
    with _asking(address, "/endless") as first:
        assert first.recv(12) == b"HTTP/1.1 200"
        with _asking(address, "/small", close=True) as other:
            told = b"".join(iter(lambda: other.recv(1 << 16), b"")).decode()

    assert told.startswith("HTTP/1.1 503")
    assert "retry-after: 1" in told
    assert "error.api.busy" in told


def test_who_reads_on_gets_everything(
    server: tuple[Server, tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostile_clients, "READ_WITHIN_S", 2.0)
    _, address = server
    pause, got = threading.Event(), 0
    with _asking(address, "/large", close=True) as slow:
        while data := slow.recv(len(PIECE), socket.MSG_WAITALL):
            got += len(data)
            # In all longer than a server waits for one piece.
            pause.wait(0.01)

    assert got > PIECES * len(PIECE)
