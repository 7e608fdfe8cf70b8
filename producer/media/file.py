"""A local file, read and held against WeChat's limits before anything is uploaded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from broadcast.errors import MediaError
from broadcast.media import KIB, LIMITS, MIB, USUAL_KIND, Limit, MediaFormat, MediaKind
from broadcast.message import Message
from producer.media import pictures, sounds

#: Above every limit of WeChat's; more of a file is not read.
_MOST_BYTES: Final = max(limit.most_bytes for limit in LIMITS.values())
#: The error of a file that is not there.
MISSING: Final = "error.media.missing"
_LONGEST_STEM: Final = 60
_PICTURES: Final = frozenset({MediaFormat.JPEG, MediaFormat.PNG, MediaFormat.GIF, MediaFormat.BMP})
CONTENT_TYPES: Final = {
    MediaFormat.JPEG: "image/jpeg", MediaFormat.PNG: "image/png", MediaFormat.GIF: "image/gif",
    MediaFormat.BMP: "image/bmp", MediaFormat.MP3: "audio/mpeg", MediaFormat.AMR: "audio/amr",
    MediaFormat.WAV: "audio/wav", MediaFormat.WMA: "audio/x-ms-wma", MediaFormat.MP4: "video/mp4",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A file that WeChat takes as *kind*, as far as that can be known here."""

    path: Path
    kind: MediaKind
    permanent: bool
    format: MediaFormat
    data: bytes = field(repr=False)
    #: Of a picture, in pixels.
    width: int | None = None
    height: int | None = None
    #: Of a voice message or a video.
    seconds: float | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what is in it, in hex."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def name(self) -> str:
        """Its name for WeChat, which goes by the extension: that of what is in it."""
        stem = "".join(c for c in self.path.stem if c.isprintable())[:_LONGEST_STEM]
        return f"{stem.strip() or self.kind.value}.{self.format.value}"

    @property
    def shown(self) -> str:
        """Its name and what it is, for a person."""
        facts = [self.format.value.upper()]
        if self.width:
            facts.append(f"{self.width} × {self.height}")
        if self.seconds:
            facts.append(f"{self.seconds:.0f} s")
        return f"{self.path.name} ({', '.join([*facts, in_bytes(len(self.data))])})"


def in_bytes(size: int) -> str:
    """Return a size as people read it."""
    if size < KIB:
        return f"{size} B"
    return f"{size / KIB:.0f} kB" if size < MIB else f"{size / MIB:.1f} MB"


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
