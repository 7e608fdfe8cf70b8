"""A local file, read and held against WeChat's limits before anything is uploaded."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from broadcast.errors import MediaError, of_file
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules import content as contents
from broadcast.rules import media
from broadcast.rules.content import Content
from broadcast.rules.media import (
    ID_MARK,
    LIMITS,
    STAND_IN,
    USUAL_KIND,
    KeptFile,
    Limit,
    LocalFile,
    MediaFormat,
    MediaKind,
    in_bytes,
)

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
    facts: dict[str, object] = {
        "path": path,
        "kind": Message(f"media_kind.{wanted}"),
        "known": ", ".join(one.value.upper() for one in allowed),
    }
    if found is None:
        raise MediaError("error.media.unknown_format_of", **facts)
    if found not in allowed:
        raise MediaError("error.media.format", format=found.value.upper(), **facts)
    if size > limit.most_bytes:
        most = in_bytes(limit.most_bytes)
        raise MediaError("error.media.too_large", size=in_bytes(size), most=most, **facts)
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
    file = LocalFile(path=path, kind=kind, permanent=permanent, format=found, data=data)
    if found in _PICTURES:
        width, height = picture_size(data, found, path=path)
        return replace(file, width=width, height=height)
    seconds = sound_seconds(data, found, path=path)
    if limit.most_seconds is not None and seconds > limit.most_seconds:
        raise MediaError(
            "error.media.too_long", path=path, seconds=round(seconds, 1), most=limit.most_seconds
        )
    return replace(file, seconds=seconds)


def _bytes(path: Path) -> tuple[bytes, int]:
    """Return the bytes of a file, cut off above every limit, and its size."""
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
        raise MediaError("error.media.unreadable", path=path, reason=of_file(error)) from error
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
    """Return the format of a file, by its first bytes; whether it is whole is looked at later."""
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


_PILLOWS: Final = {
    MediaFormat.JPEG: "JPEG",
    MediaFormat.PNG: "PNG",
    MediaFormat.GIF: "GIF",
    MediaFormat.BMP: "BMP",
}


def picture_size(data: bytes, found: MediaFormat, *, path: Path) -> tuple[int, int]:
    """Return width and height in pixels. Raises MediaError for one that cannot be shown."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Far more pixels than any telephone shows.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=(_PILLOWS[found],)) as image:
                image.load()
                return image.size
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        most = Image.MAX_IMAGE_PIXELS or 0
        raise MediaError("error.media.pixels", path=path, most=most // 1_000_000) from None
    except Exception as error:
        # Whatever its decoders raise of a broken file: OSError, SyntaxError, ValueError, EOFError…
        raise MediaError("error.media.broken", path=path) from error


_AMR_HEAD: Final = b"#!AMR\n"
#: Bytes of a frame of AMR by its mode, with the one that names the mode; 20 ms each.
_AMR_SIZES: Final = (13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1)
_AMR_FRAME_S: Final = 0.02
_BOX_HEAD: Final = 8
_BOX_LONG_HEAD: Final = 16


def sound_seconds(data: bytes, found: MediaFormat, *, path: Path) -> float:
    """Return the length of a sound. Raises MediaError for one that is cut or cannot be played."""
    if found is MediaFormat.AMR:
        lasts = _amr(data)
    elif found is MediaFormat.MP4 and not _is_whole_video(data):
        lasts = None
    else:
        lasts = _tagged(data, found)
    if not lasts:
        raise MediaError("error.media.broken", path=path)
    return lasts


def _tagged(data: bytes, found: MediaFormat) -> float | None:
    from tinytag import TinyTag, TinyTagException

    try:
        tag = TinyTag.get(f"file.{found.value}", file_obj=io.BytesIO(data))
    except (TinyTagException, OSError, ValueError, LookupError, ArithmeticError):
        return None
    return tag.duration


def _amr(data: bytes) -> float | None:
    at, frames = len(_AMR_HEAD), 0
    while at < len(data):
        size = _AMR_SIZES[data[at] >> 3 & 15]
        if not size:
            return None
        at, frames = at + size, frames + 1
    # A cut file ends inside a frame.
    return frames * _AMR_FRAME_S if at == len(data) else None


def _is_whole_video(data: bytes) -> bool:
    """Return whether the boxes of an MP4 fill it, with pictures among what they describe."""
    boxes = dict(_boxes(data))
    moov = boxes.get(b"moov")
    return None not in boxes.values() and moov is not None and b"mdat" in boxes and b"vide" in moov


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """Yield name and content of each box on top; None as the content of one that is cut."""
    at = 0
    while at < len(data):
        size, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + _BOX_HEAD]
        head = _BOX_HEAD
        if size == 1:
            size = int.from_bytes(data[at + _BOX_HEAD : at + _BOX_LONG_HEAD], "big")
            head = _BOX_LONG_HEAD
        elif size == 0:  # up to the end
            size = len(data) - at
        if size < head or at + size > len(data):
            yield name, None
            return
        yield name, data[at + head : at + size]
        at += size


@frozen
class ContentWithFiles(Content):
    """A content in which stand-ins take the place of the media_ids of *files*."""

    files: Mapping[str, LocalFile] = field(repr=False)
    #: Those that WeChat has, by their media_id.
    uploaded: Mapping[str, LocalFile] = field(default_factory=dict, repr=False)

    @property
    def names(self) -> Mapping[str, str]:
        """Name each file, and what it is."""
        every = {**self.files, **self.uploaded}
        return {media_id: file.shown for media_id, file in every.items()}

    def saying(self, ids: Mapping[str, str]) -> Content:
        """Return the content with media_ids in the place of stand-ins; files left keep theirs."""
        value = media.replaced(self.value, ids)
        made = contents.of_object(value, limit=contents.MOST_BYTES)
        left = {name: file for name, file in self.files.items() if name not in ids}
        uploads = {ids[name]: file for name, file in self.files.items() if name in ids}
        return with_files(made, left, uploaded={**self.uploaded, **uploads})


def with_files(
    content: Content,
    files: Mapping[str, LocalFile],
    *,
    uploaded: Mapping[str, LocalFile] = MappingProxyType({}),
) -> Content:
    """Return *content* with the files for which stand-ins or media_ids stand in it."""
    if not files and not uploaded:
        return content
    return ContentWithFiles(
        msgtype=content.msgtype,
        canonical=content.canonical,
        notices=content.notices,
        files=files,
        uploaded=uploaded,
    )


def of_files(value: Mapping[str, Any], files: Iterable[LocalFile]) -> Content:
    """Return the content *value*, whose media_ids may be stand-ins of *files*."""
    made = contents.of_object(value, limit=contents.MOST_BYTES)
    return with_files(made, {stand_in(file): file for file in files})


def stand_in(file: LocalFile) -> str:
    """Return the stand-in for a file that is not uploaded."""
    return f"{STAND_IN}{file.fingerprint}"


def named(word: str, kind: MediaKind, *, permanent: bool) -> str | LocalFile:
    """Return the media_id that *word* is, or the checked file that it names.

    A word of the form of a media_id is one, unless a file has that very name: then neither is
    taken. Anything else names a file. Raises MediaError.
    """
    if word.startswith(ID_MARK):
        return word.removeprefix(ID_MARK)
    path = Path(word)
    if media.is_like_an_id(word):
        if path.exists():
            raise MediaError("error.media.ambiguous", word=word)
        return word
    return read(path, kind, permanent=permanent)


def unresolved(content: str) -> Iterator[str]:
    """Yield the stand-ins in a canonical content: what WeChat does not have."""
    for media_id, _ in media.used(json.loads(content)):
        if media_id.startswith(STAND_IN):
            yield media_id


def kept(content: Content) -> list[KeptFile]:
    """Return the uploaded files of *content* whose media_ids die, as they are kept."""
    files = content.uploaded if isinstance(content, ContentWithFiles) else {}
    return [
        KeptFile(
            media_id=media_id,
            kind=file.kind,
            permanent=file.permanent,
            format=file.format,
            name=file.path.name,
            data=file.data,
        )
        for media_id, file in files.items()
        if media.is_mortal(file.kind, permanent=file.permanent)
    ]


def refuse_what_no_file_has(content: Content) -> None:
    """Raise MediaError where a stand-in is written that stands for none of the files."""
    files = content.files if isinstance(content, ContentWithFiles) else {}
    for media_id in unresolved(content.canonical):
        if media_id not in files:
            raise MediaError("error.media.not_uploaded", media_id=media_id)
