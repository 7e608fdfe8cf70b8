"""Media on the wire, byte by byte, and what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr

from broadcast.wechat.api.media import (
    LARGEST,
    AddMaterial,
    Material,
    MaterialGet,
    Media,
    MediaGet,
    MediaKind,
    MediaUpload,
    UploadImage,
    UploadVideo,
)
from broadcast.wechat.call_errors import APIError, InvalidRequestError, UnknownOutcomeError
from broadcast.wechat.endpoint import File, Request
from tests.integration.wechat.conftest import Connect, Serve
from tests.integration.wechat.servers import TOKEN, RawServer, says, writes
from tests.integration.wechat.test_files import parts

PICTURE = File(name="周年庆.png", data=bytes(range(256)) * 4_000, content_type="image/png")
FILM = File(name="film.mp4", data=b"film" * 1_000, content_type="video/mp4")


def call(connect: Connect, server: RawServer, request: Request[Any]) -> Any:
    return connect(server.url()).call(request, token=SecretStr(TOKEN))


@pytest.mark.parametrize("kind", [kind for kind in MediaKind if kind is not MediaKind.THUMB])
def test_a_temporary_file_goes_out_as_the_field_media_with_its_kind_in_the_address(
    serve: Serve, connect: Connect, kind: MediaKind
) -> None:
    server = serve(says({"type": kind.value, "media_id": "M" * 64, "created_at": 1_700_000_000}))

    media = call(connect, server, MediaUpload(kind=kind, file=PICTURE))

    assert media == Media(media_id="M" * 64, created_at=1_700_000_000)
    (seen,) = server.requests
    assert seen.path == "/cgi-bin/media/upload"
    assert seen.query == {"type": kind.value, "access_token": TOKEN}
    assert list(parts(seen)) == ["media"]
    assert parts(seen)["media"][1:] == ("image/png", PICTURE.data)


def test_a_thumb_may_come_back_under_its_older_name(serve: Serve, connect: Connect) -> None:
    server = serve(says({"type": "thumb", "thumb_media_id": "T1", "created_at": 1}))
    thumb = File(name="cover.jpg", data=b"small", content_type="image/jpeg")
    assert call(connect, server, MediaUpload(kind=MediaKind.THUMB, file=thumb)).media_id == "T1"


def test_permanent_material_of_a_picture_has_an_address(serve: Serve, connect: Connect) -> None:
    server = serve(says({"media_id": "P" * 43, "url": "http://mmbiz.qpic.cn/p"}))

    made = call(connect, server, AddMaterial(kind=MediaKind.IMAGE, file=PICTURE))

    assert made == Material(media_id="P" * 43, url="http://mmbiz.qpic.cn/p")
    (seen,) = server.requests
    assert seen.path == "/cgi-bin/material/add_material"
    assert seen.query["type"] == "image"
    assert list(parts(seen)) == ["media"]


def test_permanent_material_of_a_video_carries_its_words_beside_the_file(
    serve: Serve, connect: Connect
) -> None:
    server = serve(says({"media_id": "P1"}))
    film = AddMaterial(kind=MediaKind.VIDEO, file=FILM, title="年会", introduction="三分钟")

    assert call(connect, server, film) == Material(media_id="P1")

    got = parts(server.requests[0])
    said = got["description"][2].decode()
    assert json.loads(said) == {"title": "年会", "introduction": "三分钟"}
    assert "年会" in said  # never an escape
    assert got["media"][1:] == ("video/mp4", FILM.data)


def test_a_picture_of_an_article_becomes_an_address(serve: Serve, connect: Connect) -> None:
    server = serve(says({"url": "http://mmbiz.qpic.cn/a"}))
    assert call(connect, server, UploadImage(file=PICTURE)) == "http://mmbiz.qpic.cn/a"
    assert server.requests[0].path == "/cgi-bin/media/uploadimg"
    assert parts(server.requests[0])["media"][2] == PICTURE.data


def test_a_video_becomes_one_that_can_be_sent_to_many(serve: Serve, connect: Connect) -> None:
    server = serve(says({"type": "video", "media_id": "V2", "created_at": 5}))

    made = call(connect, server, UploadVideo(media_id="V1", title="年会", description="三分钟"))

    assert made == Media(media_id="V2", created_at=5)
    (seen,) = server.requests
    assert seen.path == "/cgi-bin/media/uploadvideo"
    assert json.loads(seen.body) == {"media_id": "V1", "title": "年会", "description": "三分钟"}


def test_what_wechat_refuses_is_raised_with_its_code(serve: Serve, connect: Connect) -> None:
    server = serve(says({"errcode": 40009, "errmsg": "invalid image size hint: [x] rid: 6-1-2"}))
    with pytest.raises(APIError, match="invalid image size") as caught:
        call(connect, server, MediaUpload(kind=MediaKind.IMAGE, file=PICTURE))
    assert caught.value.errcode == 40009


@pytest.mark.parametrize("body", [{}, {"media_id": ""}, {"media_id": 7}, {"media_id": "a b"}])
def test_a_reply_without_a_usable_id_is_no_upload(
    serve: Serve, connect: Connect, body: dict[str, object]
) -> None:
    with pytest.raises(UnknownOutcomeError, match="media_id"):
        call(connect, serve(says(body)), MediaUpload(kind=MediaKind.IMAGE, file=PICTURE))


@pytest.mark.parametrize("url", [None, "", 7, "javascript:alert(1)"])
def test_a_picture_without_an_address_is_no_upload(
    serve: Serve, connect: Connect, url: object
) -> None:
    with pytest.raises(UnknownOutcomeError, match="url"):
        call(connect, serve(says({"url": url})), UploadImage(file=PICTURE))


TOO_LARGE = b"x" * (LARGEST[MediaKind.THUMB] + 1)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (
            MediaUpload(kind=MediaKind.IMAGE, file=File(name="a.png", data=b"", content_type="i")),
            "is empty",
        ),
        (
            MediaUpload(
                kind=MediaKind.THUMB, file=File(name="a.jpg", data=TOO_LARGE, content_type="i")
            ),
            "65536",
        ),
        (
            MediaUpload(kind=MediaKind.IMAGE, file=File(name="photo", data=b"x", content_type="i")),
            "extension",
        ),
        (AddMaterial(kind=MediaKind.VIDEO, file=FILM), "title"),
        (UploadVideo(media_id="V1", title="\ud800"), "mpvideo"),
    ],
    ids=["empty", "large", "nameless", "untitled", "surrogate"],
)
def test_what_wechat_would_refuse_does_not_leave(
    serve: Serve, connect: Connect, request_: Request[Any], field: str
) -> None:
    server = serve(says({"media_id": "M1"}))
    with pytest.raises(InvalidRequestError, match=field):
        call(connect, server, request_)
    assert server.connections == 0


def test_no_file_is_printed() -> None:
    assert "film" * 2 not in repr(AddMaterial(kind=MediaKind.VIDEO, file=FILM, title="t"))


LOOKS = (MediaGet(media_id="M"), MaterialGet(media_id="M"))


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_for_a_file_reads_its_beginning_and_closes(
    serve: Serve, connect: Connect, look: Request[Any]
) -> None:
    """The rest never comes, and is not waited for."""
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n" + PICTURE.data[:20_000]
    server = serve(writes(begun, then_closes=False))

    assert call(connect, server, look) is None
    (seen,) = server.requests
    assert seen.path == look.path


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_for_a_video_is_answered_with_its_address_and_one_for_nothing_with_an_errcode(
    serve: Serve, connect: Connect, look: Request[Any]
) -> None:
    assert call(connect, serve(says({"video_url": "http://mp.weixin.qq.com/v"})), look) is None
    with pytest.raises(APIError) as caught:
        call(connect, serve(says({"errcode": 40007, "errmsg": "invalid media_id"})), look)
    assert caught.value.errcode == 40007
    with pytest.raises(UnknownOutcomeError):
        call(connect, serve(writes(b"HTTP/1.1 502 Bad\r\nContent-Length: 1\r\n\r\nx")), look)
