"""media/upload, uploadimg and uploadvideo, and material/add_material: files become ids.

media/get and material/get_material say whether an id is one still.

A temporary media_id lives for three days, can be used again and again, and belongs to the account
that uploaded it; a permanent one lives until it is deleted. A refused file is an ``APIError``:
40004 to 40006 and 40009 to 40012 (kind, format, size), 41005 and 44001 (no file), 45001 and 45007
(too large, too long), 45009 (calls of today), 40007 (uploadvideo: unknown media_id), token errors.

WeChat goes by the name of a file, so it needs an extension.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import ClassVar, Final, Literal

from pydantic import SecretStr

from broadcast.wechat.call_errors import InvalidRequestError
from broadcast.wechat.deadline import Timeouts
from broadcast.wechat.endpoint import (
    Body,
    File,
    Payload,
    RawReply,
    Request,
    json_body,
    json_bytes,
    multipart,
    success,
)
from broadcast.wechat.frozen_values import frozen

#: Kind of a file; its value is WeChat's ``type``.
MediaKind = StrEnum(
    "MediaKind",
    [
        "IMAGE",
        "VOICE",
        "VIDEO",
        #: The cover of an article or a video.
        "THUMB",
    ],
)


KIB: Final = 1024
MIB: Final = 1024 * KIB
#: Bytes of the largest file of each kind, temporary or permanent.
LARGEST: Final[Mapping[MediaKind, int]] = MappingProxyType(
    {
        MediaKind.IMAGE: 10 * MIB,
        MediaKind.VOICE: 2 * MIB,
        MediaKind.VIDEO: 10 * MIB,
        MediaKind.THUMB: 64 * KIB,
    }
)
#: Bytes of the largest picture of an article.
LARGEST_ARTICLE_IMAGE: Final = 1 * MIB

# 10 MiB from an office with 1 Mbit/s take 84 seconds.
_UPLOAD: Final = Timeouts(connect_s=5, read_s=120, total_s=150)
_EXTENSION: Final = re.compile(r"\.[A-Za-z0-9]{2,5}$")
_ID: Final = re.compile(r"\S{1,256}")


@frozen
class Media:
    """A media_id, and when WeChat says that it was made (seconds since 1970), if it says so."""

    media_id: str
    created_at: int | None = None


@frozen
class Material:
    """A permanent media_id; ``url`` of an image shows it in articles."""

    media_id: str
    url: str | None = None


@frozen
class MediaUpload(Request[Media]):
    """Upload a file for three days (POST media/upload)."""

    path: ClassVar[str] = "/cgi-bin/media/upload"
    timeouts: ClassVar[Timeouts] = _UPLOAD

    kind: MediaKind
    file: File

    def query(self) -> Mapping[str, str | SecretStr]:
        """Return the kind."""
        return {"type": self.kind.value}

    def body(self) -> Body:
        """Return the file as a form."""
        return multipart({"media": _checked(self.file, most=LARGEST[self.kind])})

    def read(self, raw: RawReply) -> Media:
        """Return the media_id, which older pages call thumb_media_id for a thumb."""
        return _media(raw, "media_id", "thumb_media_id")


@frozen
class AddMaterial(Request[Material]):
    """Upload a file permanently (POST material/add_material).

    An account holds 100,000 images and 1,000 other files, and every call adds one. ``title`` and
    ``introduction`` are those of a video, which needs a title.
    """

    path: ClassVar[str] = "/cgi-bin/material/add_material"
    timeouts: ClassVar[Timeouts] = _UPLOAD

    kind: MediaKind
    file: File
    title: str = ""
    introduction: str = ""

    def query(self) -> Mapping[str, str | SecretStr]:
        """Return the kind."""
        return {"type": self.kind.value}

    def body(self) -> Body:
        """Return the file as a form, with a video's description beside it."""
        files = {"media": _checked(self.file, most=LARGEST[self.kind])}
        if self.kind is not MediaKind.VIDEO:
            return multipart(files)
        if not self.title:
            raise InvalidRequestError(field="title", problem="a permanent video needs one")
        said = {"title": self.title, "introduction": self.introduction}
        return multipart(files, {"description": json_bytes(said, name="description").decode()})

    def read(self, raw: RawReply) -> Material:
        """Return the media_id, and an image's address."""
        reply = success(raw)
        return Material(media_id=_id(raw, reply, "media_id"), url=reply.text("url") or None)


@frozen
class UploadImage(Request[str]):
    """Upload a picture of an article, JPEG or PNG (POST media/uploadimg); returns its address.

    Only that address may stand in an article, and nowhere else. It counts towards no limit.
    """

    path: ClassVar[str] = "/cgi-bin/media/uploadimg"
    timeouts: ClassVar[Timeouts] = _UPLOAD

    file: File

    def body(self) -> Body:
        """Return the picture as a form."""
        return multipart({"media": _checked(self.file, most=LARGEST_ARTICLE_IMAGE)})

    def read(self, raw: RawReply) -> str:
        """Return the address."""
        url = success(raw).text("url")
        if not url or not url.startswith(("http://", "https://")):
            raise raw.garbage("no url")
        return url


@frozen
class UploadVideo(Request[Media]):
    """Turn an uploaded video into one that can be sent to many (POST media/uploadvideo).

    The new media_id is the one of an ``mpvideo``, whose title and description are said here.
    """

    path: ClassVar[str] = "/cgi-bin/media/uploadvideo"

    media_id: str
    title: str = ""
    description: str = ""

    def body(self) -> Body:
        """Return the video with its words."""
        said = {"media_id": self.media_id, "title": self.title, "description": self.description}
        return json_body(said, name="mpvideo")

    def read(self, raw: RawReply) -> Media:
        """Return the new media_id."""
        return _media(raw, "media_id")


class _FileQuestion(Request[None]):
    """Ask whether there is a file of a media_id; no more than its beginning is read.

    Raises ``APIError``: 40007 where there is none (any more), token errors.
    """

    __slots__ = ()

    largest_reply_bytes: ClassVar[int] = 4 * KIB
    only_begins: ClassVar[bool] = True

    def read(self, raw: RawReply) -> None:
        """Raise ``APIError`` for an answer that is no file."""
        # A video is answered with its address, and no file of these kinds begins so.
        if raw.status != HTTPStatus.OK or raw.body.lstrip().startswith(b"{"):
            success(raw)


@frozen
class MediaGet(_FileQuestion):
    """Look for a temporary file (GET media/get)."""

    method: ClassVar[Literal["GET", "POST"]] = "GET"
    path: ClassVar[str] = "/cgi-bin/media/get"

    media_id: str

    def query(self) -> Mapping[str, str | SecretStr]:
        """Return the media_id."""
        return {"media_id": self.media_id}


@frozen
class MaterialGet(_FileQuestion):
    """Look for a permanent file (POST material/get_material)."""

    path: ClassVar[str] = "/cgi-bin/material/get_material"

    media_id: str

    def body(self) -> Body:
        """Return the media_id."""
        return json_body({"media_id": self.media_id}, name="media_id")


def _checked(file: File, *, most: int) -> File:
    if not file.data:
        raise InvalidRequestError(field="media", problem="is empty")
    if len(file.data) > most:
        problem = f"has {len(file.data)} bytes, WeChat takes {most}"
        raise InvalidRequestError(field="media", problem=problem)
    if _EXTENSION.search(file.name) is None:
        raise InvalidRequestError(field="media", problem="needs a file name with an extension")
    return file


def _media(raw: RawReply, *names: str) -> Media:
    reply = success(raw)
    return Media(media_id=_id(raw, reply, *names), created_at=reply.integer("created_at"))


def _id(raw: RawReply, reply: Payload, *names: str) -> str:
    """Return the first of the members *names* that is there; it must be one that can be stored."""
    found = next((text for name in names if (text := reply.text(name))), "")
    if _ID.fullmatch(found) is None:
        raise raw.garbage(f"no {names[0]}, or none that can be used")
    return found
