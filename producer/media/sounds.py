"""How long voice messages and videos last, of files that are whole."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from broadcast.errors import MediaError
from broadcast.media import MediaFormat

_AMR_HEAD: Final = b"#!AMR\n"
#: Bytes of a frame of AMR by its mode, with the one that names the mode; 20 ms each.
_AMR_SIZES: Final = (13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1)
_AMR_FRAME_S: Final = 0.02
_BOX_HEAD: Final = 8
_BOX_LONG_HEAD: Final = 16


def seconds(data: bytes, found: MediaFormat, *, path: Path) -> float:
    """Return how long it lasts. Raises MediaError for what is cut or cannot be played."""
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
    from tinytag import TinyTag, TinyTagException  # noqa: PLC0415 - for who sends these alone

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
