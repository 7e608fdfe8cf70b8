"""Uploads and binary replies, and the limits that each endpoint sets itself."""

from __future__ import annotations

import email.parser
import email.policy
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from pydantic import SecretStr

from broadcast.wechat import endpoint
from broadcast.wechat.call_errors import InvalidRequestError, TransportKind, UnknownOutcomeError
from broadcast.wechat.client import WeChatClient
from broadcast.wechat.deadline import Timeouts
from broadcast.wechat.endpoint import Body, File, multipart
from broadcast.wechat.endpoint import Request as Endpoint
from tests.integration.wechat.conftest import PATIENT, Connect, Serve
from tests.integration.wechat.servers import TOKEN, Request, drips, says, writes

PICTURE = bytes(range(256)) * 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload(Endpoint[str]):
    """An upload as media/upload has it."""

    path: ClassVar[str] = "/upload"

    file: File

    def body(self) -> Body:
        return multipart({"media": self.file}, {"description": '{"title":"标题"}'})

    def read(self, raw: endpoint.RawReply) -> str:
        return endpoint.success(raw).text("media_id") or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Download(Endpoint[bytes]):
    """A download as media/get has it."""

    path: ClassVar[str] = "/download"
    timeouts: ClassVar[Timeouts] = PATIENT
    largest_reply_bytes: ClassVar[int] = len(PICTURE)

    def read(self, raw: endpoint.RawReply) -> bytes:
        return raw.body


class Hasty(Download):
    """A download that has a second."""

    timeouts: ClassVar[Timeouts] = replace(PATIENT, total_s=1.0)


def download(client: WeChatClient) -> bytes:
    return client.call(Download(), token=SecretStr(TOKEN))


def _bytes(payload: object) -> bytes:
    assert isinstance(payload, bytes)
    return payload


def parts(seen: Request) -> dict[str, tuple[str | None, str, bytes]]:
    """The parts of a form by name: file name, type and bytes."""
    head = f"Content-Type: {seen.headers['content-type']}\r\n\r\n".encode()
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + seen.body)
    return {
        str(part.get_param("name", header="content-disposition")): (
            part.get_filename(),
            part.get_content_type(),
            _bytes(part.get_payload(decode=True)),
        )
        for part in form.iter_parts()
    }


def test_an_upload_arrives_byte_by_byte_with_its_name_and_fields(
    serve: Serve, connect: Connect
) -> None:
    server = serve(says({"media_id": "M1"}))
    file = File(name="活动.png", data=PICTURE, content_type="image/png")

    media_id = connect(server.url()).call(Upload(file=file), token=SecretStr(TOKEN))

    assert media_id == "M1"
    (seen,) = server.requests
    assert seen.query == {"access_token": TOKEN}
    assert seen.headers["content-length"] == str(len(seen.body))
    # The name as it is written, in UTF-8: an escape would be part of it.
    assert 'filename="活动.png"'.encode() in seen.body
    got = parts(seen)
    assert got["media"][1:] == ("image/png", PICTURE)
    assert got["description"][2].decode() == '{"title":"标题"}'


def test_a_file_comes_back_byte_by_byte(serve: Serve, connect: Connect) -> None:
    assert download(connect(serve(says(PICTURE)).url())) == PICTURE


def test_a_reply_is_as_large_as_its_endpoint_allows(serve: Serve, connect: Connect) -> None:
    client = connect(serve(says(PICTURE + b"x")).url())
    with pytest.raises(UnknownOutcomeError) as caught:
        download(client)
    assert caught.value.kind is TransportKind.TOO_LARGE


def test_a_call_takes_no_longer_than_its_endpoint_allows(serve: Serve) -> None:
    client = WeChatClient(serve(drips(b"HTTP/1.1 200 OK\r\n\r\n", b"x")).url())
    assert client.warm(Download)
    with pytest.raises(UnknownOutcomeError) as caught:
        client.call(Hasty(), token=SecretStr(TOKEN))
    client.close()
    assert caught.value.kind is TransportKind.TOTAL_TIMEOUT
    assert caught.value.elapsed_ms >= 900


def test_a_truncated_file_is_no_file(serve: Serve, connect: Connect) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + PICTURE[:1000]
    client = connect(serve(writes(half, then_closes=True)).url())
    with pytest.raises(UnknownOutcomeError) as caught:
        download(client)
    assert caught.value.kind is TransportKind.TRUNCATED


def test_a_call_with_a_token_too_many_or_too_few_is_not_made(
    serve: Serve, connect: Connect
) -> None:
    server = serve(says({}))
    with pytest.raises(InvalidRequestError, match="access_token: is missing"):
        connect(server.url()).call(Download())
    assert server.connections == 0
