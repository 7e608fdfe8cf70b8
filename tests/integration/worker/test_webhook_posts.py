"""One post to a receiver: what counts as delivered, and where it may lead."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from urllib3.util.connection import create_connection

from broadcast.outbound.posting import Poster, PostResult
from broadcast.rules.webhooks import parse_networks
from broadcast.wechat.client import WeChatClient
from broadcast.wechat.connections import resolve
from tests.integration.wechat.servers import RawServer, self_signed, writes
from tests.integration.worker.test_webhooks import LOOPBACK
from tests.kit.receiver import Receiver

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

BODY = b'{"type":"broadcast.completed"}'
SIGNED = {"webhook-id": "1-1", "webhook-timestamp": "0", "webhook-signature": "v1,"}


def post(url: str, *, timeout_s: float = 20, allowed: Any = LOOPBACK) -> PostResult:
    return Poster(timeout_s=timeout_s, allowed=allowed).post(url, BODY, signature=SIGNED)


def problem(outcome: PostResult) -> str:
    assert outcome.problem is not None
    return outcome.problem.id


@pytest.mark.usefixtures("engine")
def test_an_answer_of_2xx_is_a_delivery(receiver: Receiver) -> None:
    receiver.answer = b"x" * 1_000_000

    assert post(receiver.url + "?a=b").problem is None
    (posted,) = receiver.posted
    assert (posted.path, posted.body) == ("/hook?a=b", BODY)
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["host"] == f"127.0.0.1:{receiver.port}"


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("status", "name", "final"),
    [
        (500, "status", False),
        (404, "status", False),
        (301, "redirect", False),
        (302, "redirect", False),
        (308, "redirect", False),
        (410, "gone", True),
    ],
)
def test_another_answer_is_none_and_no_redirect_is_followed(
    receiver: Receiver, status: int, name: str, final: bool
) -> None:
    with Receiver() as inside:
        receiver.status, receiver.headers = status, {"Location": inside.url}
        outcome = post(receiver.url)

    assert (outcome.http_status, outcome.is_final) == (status, final)
    assert problem(outcome) == f"webhook.problem.{name}"
    assert inside.posted == []


@pytest.mark.usefixtures("engine")
def test_a_receiver_that_hangs_or_drips_ends_with_its_time(receiver: Receiver) -> None:
    receiver.answers.clear()
    started = time.monotonic()
    outcome = post(receiver.url, timeout_s=0.5)
    with dripping() as url:
        dripped = post(url, timeout_s=0.5)

    assert problem(outcome) == problem(dripped) == "webhook.problem.unanswered"
    assert time.monotonic() - started < 20


@contextmanager
def dripping() -> Iterator[str]:
    """A server whose header never ends, a byte at a time: no read of it ever times out."""
    listener = socket.create_server(("127.0.0.1", 0))
    ends = threading.Event()

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not ends.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    ends.set()
    thread.join(60)


OK = b"HTTP/1.1 200 OK\r\n"
#: What a receiver sends over and over, behind what it begins with; and what that is taken for.
HOSTILE: dict[str, tuple[bytes, bytes, str | None]] = {
    "an answer without an end": (OK + b"\r\n", b"x" * 65_536, None),
    "an answer that unpacks to a thousand times as much": (
        OK + b"Content-Encoding: gzip\r\n\r\n",
        gzip.compress(b"0" * 1_000_000),
        None,
    ),
    "a terabyte that does not come": (OK + b"Content-Length: 1000000000000\r\n\r\n", b"", None),
    "heads without an end": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "unanswered"),
    "lines of a head without an end": (OK, b"X: y\r\n", "unanswered"),
    "a line without an end": (OK + b"X: ", b"y" * 65_536, "unanswered"),
    "a first line without an end": (b"HTTP/1.1 200 ", b"y" * 65_536, "unanswered"),
    "another protocol": (b"220 mail.example.com ESMTP\r\n", b"", "unanswered"),
}


@contextmanager
def hostile(begin: bytes, over_and_over: bytes) -> Iterator[str]:
    """A receiver that answers so for as long as anybody listens."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as connection, suppress(OSError):
            # Of a connection that was closed amid a flood Linux says so after a minute.
            connection.settimeout(5)
            connection.recv(65_536)
            connection.sendall(begin)
            while over_and_over:
                connection.sendall(over_and_over)
            # Until the other side ends it.
            connection.recv(65_536)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_receiver_costs_its_own_delivery_and_little_memory(what: str) -> None:
    begin, over_and_over, name = HOSTILE[what]
    tracemalloc.start()
    try:
        with hostile(begin, over_and_over) as url:
            outcome = post(url, timeout_s=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (outcome.problem and outcome.problem.id) == (name and f"webhook.problem.{name}")
    assert peak < 5_000_000


@pytest.mark.usefixtures("engine")
def test_nobody_there_is_said_without_the_url(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.__exit__(None, None, None)
    outcome = post(receiver.url + "?token=hidden")
    receiver.__enter__()

    assert problem(outcome) == "webhook.problem.transport"
    assert "hidden" not in f"{outcome.problem} {caplog.text}"


@pytest.mark.usefixtures("engine")
def test_no_log_shows_what_stands_behind_the_question_mark(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    # As in every worker, its making guards the logs of the libraries.
    WeChatClient("http://127.0.0.1:1").close()
    with caplog.at_level(logging.DEBUG):
        assert post(f"{receiver.url}?token=hidden/value&x=1").problem is None

    assert "POST /hook" in caplog.text
    assert "hidden" not in caplog.text


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "127.1",
        "0",
    ],
)
def test_no_form_of_a_private_address_is_reached(receiver: Receiver, host: str) -> None:
    """Whatever the check of the URL let through, the address itself is looked at."""
    url = f"http://{host}:{receiver.port}/hook"

    assert post(url, allowed=()).problem is not None
    assert post(url.replace("http:", "https:"), allowed=()).problem is not None
    assert receiver.posted == []


def answers(*rounds: list[str]) -> Callable[..., list[Any]]:
    """Return a resolver that answers each look-up in turn with these addresses."""
    left = iter(rounds)
    return lambda *_: [(2, 1, 6, "", (address, 0)) for address in next(left)]


def resolver(monkeypatch: pytest.MonkeyPatch, *rounds: list[str]) -> list[str]:
    """Let look-ups be answered so; return what is connected to."""
    connected = []

    def connect(address: tuple[str, int], *given: Any, **more: Any) -> socket.socket:
        connected.append(address[0])
        return create_connection(("127.0.0.1", address[1]), *given, **more)

    monkeypatch.setattr(resolve, "__kwdefaults__", {"lookup": answers(*rounds)})
    monkeypatch.setattr("broadcast.wechat.connections.create_connection", connect)
    return connected


@pytest.mark.usefixtures("engine")
def test_the_address_that_was_checked_is_the_one_that_is_connected_to(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public at the first look-up and private at the second is looked up once."""
    connected = resolver(monkeypatch, ["10.0.3.1"], ["127.0.0.1"])
    outcome = post(
        f"http://rebinding.example:{receiver.port}/", allowed=parse_networks("10.0.3.0/24")
    )

    assert (outcome.problem, connected) == (None, ["10.0.3.1"])
    assert receiver.posted[0].headers["host"] == f"rebinding.example:{receiver.port}"


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["fd00::1"]])
def test_a_name_with_a_private_address_is_refused_whatever_else_it_has(
    monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    connected = resolver(monkeypatch, addresses)
    outcome = post("https://inside.example/hook", allowed=())

    assert problem(outcome) == "webhook.problem.private"
    assert connected == []


@pytest.mark.usefixtures("engine")
def test_a_public_address_is_not_told_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    connected = resolver(monkeypatch, ["8.8.8.8"])

    assert problem(post("http://plain.example/hook")) == "webhook.problem.private"
    assert connected == []


@pytest.mark.usefixtures("engine")
def test_a_certificate_is_checked_against_the_name_whatever_address_it_leads_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, context = self_signed(tmp_path)
    server = RawServer(writes(b"HTTP/1.1 204 No Content\r\n\r\n"), tls=context)
    with server.running() as running:
        port = running.url().rpartition(":")[2]
        assert problem(post(f"https://127.0.0.1:{port}/")) == "webhook.problem.transport"

        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert post(f"https://127.0.0.1:{port}/").problem is None
        # It vouches for the address, and not for a name that leads there.
        resolver(monkeypatch, ["127.0.0.1"])
        assert problem(post(f"https://another.example:{port}/")) == "webhook.problem.transport"
    assert len(server.requests) == 1


@pytest.mark.usefixtures("engine")
def test_a_proxy_of_the_environment_is_not_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert post(receiver.url).problem is None

    assert (len(receiver.posted), proxy.posted) == (1, [])
