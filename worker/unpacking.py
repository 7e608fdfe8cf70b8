"""Compressed bodies of messages, unpacked no further than the longest that is taken.

Kombu unpacks a body before anybody looks at the message, to whatever length: a megabyte becomes a
gigabyte, the worker is killed, and the message goes to the next one.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, Protocol

from kombu import compression, serialization

from worker import messages

#: What lzma's highest level needs.
_LZMA_BYTES: Final = 70_000_000


class _Unpacker(Protocol):
    """A decompressor of Python's: of one stream."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_UNPACKERS: Final[Mapping[str, Callable[[], _Unpacker]]] = {
    "application/x-gzip": zlib.decompressobj,
    "application/x-bz2": bz2.BZ2Decompressor,
    "application/x-lzma": partial(lzma.LZMADecompressor, memlimit=_LZMA_BYTES),
}


def install() -> None:
    """Install these unpackers in this process."""
    unpackers = dict(_UNPACKERS)
    if zstd := getattr(compression, "zstd", None):
        unpackers["application/zstd"] = zstd.ZstdDecompressor
    for kind in compression.encoders():
        packs: Any = compression.get_encoder(kind)
        compression.register(packs[0], partial(_unpacked, kind, unpackers.get(kind)), kind)
    # These are read without a serializer, by any of Python's codecs, of which some unpack.
    serialization.register("data", None, _as_it_is, "application/data")
    serialization.register("text", None, _as_it_is, "application/text")


def _unpacked(kind: str, unpacker: Callable[[], _Unpacker] | None, body: bytes) -> bytes:
    if unpacker is None:
        raise messages.MalformedError(f"{kind} is not unpacked")
    stream = unpacker()
    unpacked = stream.decompress(body, messages.MOST_BYTES + 1)
    messages.check_length(unpacked)
    if not stream.eof or stream.unused_data:
        raise messages.MalformedError("its body is no whole compressed stream")
    return unpacked


def _as_it_is(body: Any) -> Any:
    return body
