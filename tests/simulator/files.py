"""Small files of every format that WeChat knows, and how a form carries them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulator.wire import Wire

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)) + b"\r\n--\r\n\xff\xd9"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
GIF = b"GIF89a" + bytes(64)
BMP = b"BM" + bytes(64)
MP4 = b"\x00\x00\x00\x18ftypmp42" + bytes(64)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(64)


def amr(seconds: float) -> bytes:
    """An AMR of 12.2 kbit/s: 50 frames of 32 bytes in a second."""
    return b"#!AMR\n" + (b"\x3c" + bytes(31)) * round(seconds * 50)


def mp3(seconds: float, *, tagged: bool = False) -> bytes:
    """An MP3 of 32 kbit/s and 32 kHz: a frame is 1152 samples, 36 ms and 144 bytes."""
    tag = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128) if tagged else b""
    return tag + (b"\xff\xfb\x18\xc0" + bytes(140)) * round(seconds / 0.036)


def upload(wire: Wire, path: str, content: bytes, **query: Any) -> dict[str, Any]:
    """POST a file, in the field `media`, with the account's token."""
    name, form = query.pop("filename", "文件.bin"), query.pop("form", {})
    return wire.json(
        "POST",
        path,
        params={"access_token": wire.token, **query},
        files={"media": (name, content)},
        data=form,
    )


def uploaded(wire: Wire, kind: str, content: bytes) -> str:
    """The media_id of a temporary file."""
    return str(upload(wire, "media/upload", content, type=kind)["media_id"])
