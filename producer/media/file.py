"""A local file, read and held against WeChat's limits before anything is uploaded."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from broadcast.errors import MediaError
from broadcast.media import (
    LIMITS,
    USUAL_KIND,
    Limit,
    LocalFile,
    MediaFormat,
    MediaKind,
    in_bytes,
)
from broadcast.message import Message
from producer.media import pictures, sounds

#: Above every limit of WeChat's; more of a file is not read.
_MOST_BYTES: Final = max(limit.most_bytes for limit in LIMITS.values())
#: The error of a file that is not there.
MISSING: Final = "error.media.missing"
_PICTURES: Final = frozenset({MediaFormat.JPEG, MediaFormat.PNG, MediaFormat.GIF, MediaFormat.BMP})


def read(path: Path, kind: MediaKind | None = None, *, permanent: bool = False) -> LocalFile:
    """Return the file at *path*, checked; without *kind* it is of the usual one of its format.

    Raises MediaError: no such file, not of this kind, too large, too long, broken.
    """
    data, size = _bytes(path)
    found = _format(data)
    wanted = kind if kind or found is None else USUAL_KIND[found]
    if wanted is None:
        raise MediaError("error.media.unknown_format", path=path)
    # An mpvideo is made of a video.
    limit = LIMITS[MediaKind.VIDEO if wanted is MediaKind.MPVIDEO else wanted]
    allowed = limit.permanent if permanent else limit.formats
    known = ", ".join(one.value.upper() for one in allowed)
    if found is None:
        raise MediaError(
            "error.media.unknown_format_of", path=path, kind=Message(f"media_kind.{wanted}"),
            known=known,
        )  # fmt: skip
    if found not in allowed:
        raise MediaError(
            "error.media.format",
            path=path,
            format=found.value.upper(),
            kind=Message(f"media_kind.{wanted}"),
            known=known,
        )
    if size > limit.most_bytes:
        raise MediaError(
            "error.media.too_large", path=path, size=in_bytes(size),
            kind=Message(f"media_kind.{wanted}"), most=in_bytes(limit.most_bytes),
        )  # fmt: skip
    return _measured(path, wanted, permanent=permanent, found=found, data=data, limit=limit)


def _measured(
    path: Path,
    kind: MediaKind,
    *,
    permanent: bool,
    found: MediaFormat,
    data: bytes,
    limit: Limit,
) -> LocalFile:
    if found in _PICTURES:
        width, height = pictures.size(data, found, path=path)
        return LocalFile(
            path=path, kind=kind, permanent=permanent, format=found, data=data, width=width,
            height=height,
        )  # fmt: skip
    seconds = sounds.seconds(data, found, path=path)
    if limit.most_seconds is not None and seconds > limit.most_seconds:
        raise MediaError(
            "error.media.too_long", path=path, seconds=round(seconds, 1), most=limit.most_seconds
        )
    return LocalFile(
        path=path, kind=kind, permanent=permanent, format=found, data=data, seconds=seconds
    )


def _bytes(path: Path) -> tuple[bytes, int]:
    """Return what is in a file, cut off above every limit, and its size."""
    try:
        if path.is_dir():
            raise MediaError("error.media.directory", path=path)
        if path.exists() and not path.is_file():
            # A pipe or a device may never end.
            raise MediaError("error.media.not_regular", path=path)
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
            size = path.stat().st_size if len(data) > _MOST_BYTES else len(data)
    except FileNotFoundError:
        raise MediaError(MISSING, path=path) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MediaError("error.media.unreadable", path=path, reason=reason) from error
    except ValueError:  # a NUL in the name
        raise MediaError(MISSING, path=path) from None
    if not data:
        raise MediaError("error.media.empty", path=path)
    return data, size


_STARTS: Final = {
    b"\xff\xd8\xff": MediaFormat.JPEG,
    b"\x89PNG\r\n\x1a\n": MediaFormat.PNG,
    b"GIF87a": MediaFormat.GIF,
    b"GIF89a": MediaFormat.GIF,
    b"BM": MediaFormat.BMP,
    b"#!AMR\n": MediaFormat.AMR,
    b"ID3": MediaFormat.MP3,
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": MediaFormat.WMA,
}
_FRAME_SYNC: Final = 0xFFE0
_LAYER_BITS: Final = 0x0006


def _format(data: bytes) -> MediaFormat | None:
    """Return what a file is, by its first bytes; whether it is whole is looked at later."""
    for start, name in _STARTS.items():
        if data.startswith(start):
            return name
    if data[4:8] == b"ftyp":
        return MediaFormat.MP4
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return MediaFormat.WAV
    head = int.from_bytes(data[:2], "big")
    # A frame of MPEG audio without a tag before it; layer 0 is none.
    framed = head & _FRAME_SYNC == _FRAME_SYNC and head & _LAYER_BITS
    return MediaFormat.MP3 if framed else None
