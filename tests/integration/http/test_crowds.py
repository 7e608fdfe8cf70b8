"""Many connections and requests at once: they keep nobody out, and take no room."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import psutil
import pytest

from entrypoints.http.request_gate import MOST_AT_ONCE
from tests.integration.http.conftest import Served
from tests.integration.http.raw import connected, everything, head, told
from tests.integration.http.test_attacks import answer_status, plan
from tests.kit.api import Program


def test_a_thousand_requests_ahead_of_their_answers_are_cut_off(served: Served) -> None:
    """Each would be kept as an object of kilobytes, for whoever has no key."""
    process = psutil.Process(served.process.pid)
    before = process.memory_info().rss
    piece = b"GET /aaaaaaaaaaaaaa HTTP/1.1\r\n\r\n" * 256
    with connected(served) as greedy, pytest.raises(OSError, match=r"reset|[Bb]roken pipe"):
        _send_over_and_over(greedy, piece)

    assert process.memory_info().rss - before < 50_000_000
    few = head("GET", "/healthz").replace(b"Connection: close\r\n", b"")
    assert told(served, few * 4 + head("GET", "/healthz")).count(b'{"ok":true}') == 5


def _send_over_and_over(connection: socket.socket, piece: bytes) -> None:
    for _ in range(2_000):
        connection.sendall(piece)


CROWD = {
    "no byte": b"",
    "half a head": b"GET /v1/accounts HTTP/1.1\r\nHost: a\r\n",
    "a long head": b"GET /v1/accounts HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 15_000,
    "nothing more": b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "half a body without a key": b"POST /v1/plans HTTP/1.1\r\nContent-Length: 4000000\r\n\r\n{",
}


@pytest.mark.parametrize("what", CROWD)
def test_a_thousand_connections_that_wait_keep_nobody_out(served: Served, what: str) -> None:
    """Also where all of them come at one moment, and whoever asks for something among them."""
    process = psutil.Process(served.process.pid)
    before = process.memory_info().rss
    with contextlib.ExitStack() as open_:
        asking = []
        process.suspend()
        try:
            for n in range(1_000):
                one = open_.enter_context(connected(served))
                one.sendall(CROWD[what] if n % 100 else head("GET", "/v1/accounts"))
                asking += [] if n % 100 else [one]
        finally:
            process.resume()

        assert [answer_status(everything(one)) for one in asking] == ["200"] * 10
        assert process.memory_info().rss - before < 50_000_000


def test_in_a_crowd_the_answer_is_to_come_again_and_health_is_answered(served: Served) -> None:
    """Whoever has a key and sends half a body holds a place for half a minute, not longer."""
    half = plan("Content-Length: 4000000", body=b"{")
    with contextlib.ExitStack() as open_:
        for _ in range(MOST_AT_ONCE):
            open_.enter_context(connected(served)).sendall(half)
        program = served.program()
        busy = _until_busy(program)

        assert busy["type"].endswith("error.api.busy")
        assert program.ask("GET", "/healthz").status_code == 200
        assert program.get("/v1/accounts").headers["Retry-After"] == "1"
    _until_free(program)
    assert "Traceback" not in served.process.output


def _until_busy(program: Program) -> dict[str, Any]:
    for _ in range(500):
        answer = program.get("/v1/accounts")
        if answer.status_code != 200:
            assert answer.status_code == 503
            assert answer.headers["Content-Type"] == "application/problem+json"
            return answer.json()
    raise AssertionError("never busy")


def _until_free(program: Program) -> None:
    for _ in range(500):
        if program.get("/v1/accounts").status_code == 200:
            return
    raise AssertionError("never free")
