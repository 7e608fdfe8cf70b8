"""Every way a call can fail after it has left, driven for real: WeChat may have executed it."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from broadcast.wechat.call_errors import TransportKind, UnknownOutcomeError
from broadcast.wechat.client import WeChatClient
from broadcast.wechat.endpoint import Body
from tests.integration.wechat.conftest import Connect, Serve, hurried, mass, send
from tests.integration.wechat.failing import assert_unknown, failure, quietly
from tests.integration.wechat.servers import (
    ACCEPTED,
    TOKEN,
    RawServer,
    Script,
    closes,
    drips,
    http,
    in_turn,
    resets,
    says,
    says_nothing,
    self_signed,
    writes,
)

JSON = json.dumps(ACCEPTED).encode()


def test_silence_is_unknown(serve: Serve, connect: Connect) -> None:
    error = failure(hurried(connect(serve(says_nothing).url()), read_s=0.5))
    assert_unknown(error, TransportKind.READ_TIMEOUT)
    assert error.elapsed_ms >= 450


@pytest.mark.parametrize(
    "script",
    [
        drips(b"HTTP/1.1 200 OK\r\n", b"X"),
        drips(b"", b"H"),
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n", b"1"),
        drips(b"HTTP/1.1 200 OK\r\n\r\n" + JSON, b" "),
        drips(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + JSON, b" "),
        drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["header", "status", "length", "no length", "close", "chunked", "100 for ever"],
)
def test_a_dripping_reply_does_not_outlive_the_total_time_out(
    serve: Serve, connect: Connect, script: Script
) -> None:
    error = failure(hurried(connect(serve(script).url()), total_s=1.0))
    assert_unknown(error, TransportKind.TOTAL_TIMEOUT)
    assert error.elapsed_ms >= 900


def test_a_dripping_reply_over_tls_does_not_outlive_the_total_time_out(
    serve: Serve, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, context = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    for head in (b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n" + JSON):
        server = serve(drips(head, b" "), tls=context)
        error = failure(hurried(connect(server.url()), total_s=1.0))
        assert_unknown(error, TransportKind.TOTAL_TIMEOUT)
        assert error.elapsed_ms >= 900


def test_a_server_that_never_reads_ends_the_call(serve: Serve, connect: Connect) -> None:
    server = serve(says_nothing, reads=False, receive_buffer=4096)
    client = hurried(connect(server.url()), read_s=0.5)
    error = failure(client, lambda client: send(client, 10_000))
    # Whether 310 kB fit into the buffers of two kernels is theirs to say.
    assert error.kind in {TransportKind.WRITE_FAILED, TransportKind.READ_TIMEOUT}
    assert isinstance(error, UnknownOutcomeError)


def test_a_write_that_blocks_ends_with_the_time_to_write(serve: Serve, connect: Connect) -> None:
    server = serve(says_nothing, reads=False, receive_buffer=4096)
    client = hurried(connect(server.url()), read_s=0.5)
    error = failure(client, write_more_than_buffers_hold)
    assert_unknown(error, TransportKind.WRITE_FAILED)


def write_more_than_buffers_hold(client: WeChatClient) -> None:
    client.call(mass(), token=SecretStr(TOKEN), body=Body(data=b" " * 16_000_000))


@pytest.mark.parametrize("tls", [False, True])
def test_a_server_that_reads_drop_by_drop_ends_with_the_total_time_out(
    serve: Serve, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    bundle, context = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))

    class SlowReader(RawServer):
        def _serve(self, connection: socket.socket, number: int) -> None:
            def read() -> None:
                reader = context.wrap_socket(connection, server_side=True) if tls else connection
                with reader:
                    while reader.recv(200) and not self.stopping.is_set():
                        time.sleep(0.02)

            quietly(read)

    with SlowReader(says_nothing, receive_buffer=4096).running() as server:
        url = server.url(scheme="https" if tls else "http")
        client = hurried(connect(url), total_s=1.0)
        error = failure(client, write_more_than_buffers_hold)
    assert_unknown(error, TransportKind.TOTAL_TIMEOUT)


def test_a_reset_after_the_body_is_unknown(serve: Serve, connect: Connect) -> None:
    assert_unknown(failure(connect(serve(resets).url())), TransportKind.RESET)


def test_a_close_without_a_reply_is_unknown(serve: Serve, connect: Connect) -> None:
    assert_unknown(failure(connect(serve(closes).url())), TransportKind.RESET)


def test_a_kept_alive_connection_that_breaks_is_unknown_and_not_repeated(
    serve: Serve, connect: Connect
) -> None:
    server = serve(in_turn([says(ACCEPTED), resets]))
    client = connect(server.url())
    send(client)
    assert_unknown(failure(client), TransportKind.RESET)
    assert len(server.requests) == 2
    assert server.connections == 1


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + JSON,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + JSON,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(JSON), JSON),
    ],
    ids=["length", "chunk", "last chunk"],
)
def test_a_truncated_reply_is_unknown(serve: Serve, connect: Connect, reply: bytes) -> None:
    error = failure(connect(serve(writes(reply, then_closes=True)).url()))
    assert_unknown(error, TransportKind.TRUNCATED)


def test_tls_that_breaks_after_the_request_is_unknown(
    serve: Serve, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, context = self_signed(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))

    def garble(connection: socket.socket, _: object) -> None:
        raw = socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        raw.sendall(b"not a TLS record at all")
        raw.close()

    error = failure(connect(serve(garble, tls=context).url()))
    assert_unknown(error, TransportKind.TLS_BROKEN)


@pytest.mark.parametrize(
    "reply",
    [
        b"220 smtp.example ESMTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
    ],
    ids=["another protocol", "200 headers", "long header", "not gzip"],
)
def test_a_reply_that_is_not_http_is_unknown(serve: Serve, connect: Connect, reply: bytes) -> None:
    error = failure(connect(serve(writes(reply, then_closes=True)).url()))
    assert_unknown(error, TransportKind.BAD_HTTP)


@pytest.mark.parametrize(
    "status", ["502 Bad Gateway", "504 Gateway Time-out", "413 Too Large", "204 No Content"]
)
def test_another_status_is_unknown(serve: Serve, connect: Connect, status: str) -> None:
    page = b"" if status.startswith("204") else b"<html>nginx</html>"
    error = failure(connect(serve(writes(http(page, status, "text/html"))).url()))
    assert_unknown(error, TransportKind.HTTP_STATUS)
    assert error.http_status == int(status[:3])
    assert page.decode() in error.detail


def test_an_errcode_under_another_status_is_unknown(serve: Serve, connect: Connect) -> None:
    reply = http(b'{"errcode":45028,"errmsg":"has no masssend quota"}', "500 Oops")
    assert_unknown(failure(connect(serve(writes(reply)).url())), TransportKind.HTTP_STATUS)


def test_a_redirect_is_not_followed(serve: Serve, connect: Connect) -> None:
    target = serve(says(ACCEPTED))
    location = f"Location: {target.url()}/cgi-bin/message/mass/send\r\nContent-Length: 0\r\n\r\n"
    server = serve(writes(b"HTTP/1.1 307 Temporary Redirect\r\n" + location.encode()))
    assert_unknown(failure(connect(server.url())), TransportKind.HTTP_STATUS)
    assert len(server.requests) == 1
    assert target.connections == 0


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>ok</html>", TransportKind.NOT_JSON),
        (b"", TransportKind.NOT_JSON),
        ('{"errcode":0,"errmsg":"成功"}'.encode("gbk"), TransportKind.NOT_JSON),
        (b"[" * 500_000, TransportKind.NOT_JSON),
        (b'{"errcode":0,"msg_id":' + b"9" * 5000 + b"}", TransportKind.NOT_JSON),
        (b"[0]", TransportKind.GARBAGE),
        (b"null", TransportKind.GARBAGE),
        (b"{}", TransportKind.GARBAGE),
        (b'{"errcode":"0","msg_id":1}', TransportKind.GARBAGE),
        (b'{"errcode":true,"msg_id":1}', TransportKind.GARBAGE),
        (b'{"errcode":0.0,"msg_id":1}', TransportKind.GARBAGE),
        (b'{"errcode":null,"msg_id":1}', TransportKind.GARBAGE),
        (b'{"errcode":99999999999999999999}', TransportKind.GARBAGE),
    ],
)
def test_a_body_that_is_not_wechats_is_unknown(
    serve: Serve, connect: Connect, body: bytes, kind: TransportKind
) -> None:
    assert_unknown(failure(connect(serve(says(body)).url())), kind)


@pytest.mark.parametrize("head", [b"Content-Length: 2000000\r\n", b""], ids=["length", "endless"])
def test_a_huge_body_is_not_read(serve: Serve, connect: Connect, head: bytes) -> None:
    reply = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + b"x" * 2_000_000
    error = failure(connect(serve(writes(reply)).url()))
    assert_unknown(error, TransportKind.TOO_LARGE)


def test_a_failed_call_gives_its_place_in_the_pool_back(serve: Serve, connect: Connect) -> None:
    scripts = [resets, closes, says(b"x" * 1_500_000), writes(b"junk\r\n\r\n", then_closes=True)]
    server = serve(in_turn([*scripts * 5, says(ACCEPTED)]))
    client = connect(server.url(), pool_size=1)
    for _ in range(len(scripts) * 5):
        failure(client)
    assert send(client).errcode == 0
