"""Every way a call can fail before a byte of it has left, driven for real."""

from __future__ import annotations

import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from broadcast.rules.calls import waits
from broadcast.wechat import connections
from broadcast.wechat.api.mass import MassSend
from broadcast.wechat.call_errors import TransportKind
from broadcast.wechat.client import WeChatClient
from broadcast.wechat.connections import resolve
from tests.integration.wechat.conftest import PATIENT, Connect, Serve, mass, send
from tests.integration.wechat.failing import assert_not_sent, failure, quietly
from tests.integration.wechat.servers import (
    ACCEPTED,
    PASSWORD,
    TOKEN,
    RawServer,
    Request,
    drips,
    http,
    resets,
    says,
    says_nothing,
    self_signed,
    writes,
)
from tests.kit import wait

NO_REQUEST = Request(connection=1, line="", headers={}, body=b"")


def test_a_name_without_address_is_not_sent(connect: Connect) -> None:
    client = connect("http://no-such-host.invalid")
    assert_not_sent(failure(client), TransportKind.DNS)


def test_a_resolver_that_never_answers_ends_with_the_time_to_connect() -> None:
    answer = threading.Event()
    try:
        with pytest.raises(socket.gaierror, match="in time"):
            resolve("host", 1, until=time.monotonic() + 0.1, lookup=lambda *_: [answer.wait()])
    finally:
        answer.set()


def test_a_port_where_nothing_listens_is_not_sent(connect: Connect) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        error = failure(connect(f"http://127.0.0.1:{taken.getsockname()[1]}"))
    assert_not_sent(error, TransportKind.REFUSED)


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels refuse when the queue is full")
def test_a_host_that_does_not_answer_is_not_sent(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        # Linux drops further SYNs once the queue of connections nobody accepts is full.
        waiting = [socket.socket() for _ in range(8)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        error = failure(connect(url, replace(PATIENT, connect_s=0.5)))
        for each in waiting:
            each.close()
    assert_not_sent(error, TransportKind.CONNECT_TIMEOUT)


def test_tls_against_a_plain_port_is_not_sent(serve: Serve, connect: Connect) -> None:
    class PlainServer(RawServer):
        def _talk(self, connection: socket.socket, number: int) -> None:
            connection.recv(1000)  # a ClientHello, for all it cares
            connection.sendall(http(b"", "400 Bad Request"))

    with PlainServer(says_nothing).running() as server:
        error = failure(connect(server.url(scheme="https")))
    assert_not_sent(error, TransportKind.TLS)


def test_a_certificate_nobody_vouches_for_is_not_sent(
    serve: Serve, connect: Connect, tmp_path: Path
) -> None:
    _, context = self_signed(tmp_path)
    server = serve(says(ACCEPTED), tls=context)
    error = failure(connect(server.url()))
    assert_not_sent(error, TransportKind.TLS)
    assert "self-signed" in error.detail
    assert server.requests == []


def test_a_reset_within_the_handshake_is_not_sent(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset_one() -> None:
            connection, _ = listener.accept()
            connection.recv(1)
            resets(connection)  # closes it

        threading.Thread(target=reset_one, daemon=True).start()
        error = failure(connect(f"https://127.0.0.1:{listener.getsockname()[1]}"))
    assert_not_sent(error, TransportKind.TLS)


def test_a_handshake_that_stalls_is_not_sent(serve: Serve, connect: Connect) -> None:
    server = serve(says_nothing, reads=False)
    error = failure(connect(server.url(scheme="https"), replace(PATIENT, connect_s=0.5)))
    assert_not_sent(error, TransportKind.CONNECT_TIMEOUT)


def test_a_handshake_that_drips_ends_with_the_total_time_out(connect: Connect) -> None:
    # A TLS record header that announces 16 kB, then one byte at a time.
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                drips(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\x00")(connection, NO_REQUEST)

        threading.Thread(target=lambda: quietly(drip), daemon=True).start()
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        error = failure(connect(url, replace(PATIENT, total_s=1.0)))
    assert_not_sent(error, TransportKind.CONNECT_TIMEOUT)


def test_a_proxy_that_refuses_the_tunnel_is_not_sent(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = serve(writes(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", then_closes=True))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url(password=PASSWORD))
    error = failure(connect("https://api.weixin.qq.com"))
    assert_not_sent(error, TransportKind.PROXY)
    assert [request.line.split()[0] for request in proxy.requests] == ["CONNECT"]


def test_a_proxy_out_of_reach_is_not_sent(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert_not_sent(failure(connect("http://wechat.test")), TransportKind.PROXY)


def test_a_busy_pool_is_not_sent(serve: Serve, connect: Connect) -> None:
    seen = threading.Event()

    def answer_later(connection: socket.socket, request: Request) -> None:
        seen.wait(60)
        says(ACCEPTED)(connection, request)

    server = serve(answer_later)
    client = connect(server.url(), pool_size=1)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(send, client)
        wait.until(lambda: server.requests, 60, "the first call")
        client._timeouts = replace(PATIENT, connect_s=0.2)
        assert_not_sent(failure(client), TransportKind.POOL_EXHAUSTED)
        seen.set()
        assert first.result().errcode == 0


def late_send(client: WeChatClient, *, within_s: float = 0.3) -> object:
    begun = waits.clocks()
    send_by = waits.SendBy.after(begun, moment=begun[0], within_s=within_s)
    return client.call(mass(), token=SecretStr(TOKEN), send_by=send_by)


def test_a_connection_that_is_ready_after_the_moment_to_send_by_is_not_sent(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(says(ACCEPTED))
    client = connect(server.url().replace("127.0.0.1", "broadcast.wechat.test"))
    slow = threading.Event()

    def lookup(*_: object, **__: object) -> list[str]:
        slow.wait(0.5)
        return ["127.0.0.1"]

    monkeypatch.setattr(connections, "resolve", lookup)
    assert_not_sent(failure(client, late_send), TransportKind.TOO_LATE)
    assert server.requests == []
    # A connection that is open before is the one that the call takes.
    assert client.warm(MassSend)
    late_send(client, within_s=60)
    assert (len(server.requests), server.connections) == (1, 2)


def test_a_warmed_connection_over_tls_is_the_one_that_the_call_takes(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bundle, context = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    server = serve(says(ACCEPTED), tls=context)
    client = connect(server.url())
    assert client.warm(MassSend)
    assert client.warm(MassSend)
    late_send(client, within_s=60)
    assert (len(server.requests), server.connections) == (1, 1)


def test_a_host_that_is_out_of_reach_is_not_warmed(connect: Connect) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        client = connect(f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert not client.warm(MassSend)
        assert_not_sent(failure(client, late_send), TransportKind.REFUSED)


def test_a_closed_client_sends_nothing(serve: Serve, connect: Connect) -> None:
    server = serve(says(ACCEPTED))
    client = connect(server.url())
    send(client)
    client.close()
    assert_not_sent(failure(client), TransportKind.CLOSED)
    assert len(server.requests) == 1


def test_a_missing_ca_bundle_is_not_sent(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    assert_not_sent(failure(connect("https://127.0.0.1:1")), TransportKind.UNREACHABLE)
