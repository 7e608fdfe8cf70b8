"""Compressed bodies: unpacked up to a bound, and no byte beyond it."""

from __future__ import annotations

import bz2
import json
import lzma
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from kombu import compression
from kombu.exceptions import ContentDisallowed
from kombu.message import Message

from broadcast import names
from worker import application, messages, unpacking

BODY = json.dumps([["b"], {}, {}]).encode()
MEGABYTE = 1_000_000
BOMB = 100 * MEGABYTE
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "application/x-gzip": zlib.compress,
    "zlib": zlib.compress,
    "gzip": zlib.compress,
    "application/x-bz2": bz2.compress,
    "bzip2": bz2.compress,
    "application/x-lzma": lzma.compress,
    "xz": lzma.compress,
}


def come(body: Any, packed_by: str | None, **more: Any) -> Any:
    """Return a message as kombu makes it of what a broker delivers."""
    application.make()
    headers: Any = {"task": names.PLAN, "id": "1", "compression": packed_by}
    facts = {"content_type": "application/json", "content_encoding": "utf-8", **more}
    return Message(body, headers=headers, accept={"application/json"}, **facts)


def errors_of(message: Any) -> list[BaseException]:
    """Why a message cannot be read, as kombu keeps it for whoever reads it."""
    return [error for _, error, _ in message.errors]


@pytest.mark.parametrize("name", PACKERS)
def test_a_body_that_celery_compressed_is_read(name: str) -> None:
    message = come(PACKERS[name](BODY), name)

    assert errors_of(message) == []
    messages.check(message)


@pytest.mark.parametrize("name", PACKERS)
def test_a_body_is_unpacked_no_further_than_the_longest_that_is_taken(name: str) -> None:
    packed = PACKERS[name](bytes(BOMB))
    tracemalloc.start()

    message = come(packed, name)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < BOMB / 5
    assert message.body == packed
    (error,) = errors_of(message)
    assert isinstance(error, messages.MalformedError)
    assert str(error) == "its body is longer than 4000000 bytes"


@pytest.mark.parametrize("name", PACKERS)
def test_a_body_of_exactly_the_bound_is_read_and_one_byte_more_is_not(name: str) -> None:
    pack = PACKERS[name]

    assert errors_of(come(pack(bytes(messages.MOST_BYTES)), name)) == []
    assert len(errors_of(come(pack(bytes(messages.MOST_BYTES + 1)), name))) == 1


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("change", [lambda body: body[:-5], lambda body: body + b"more"])
def test_a_body_that_is_no_whole_stream_is_not_read(
    name: str, change: Callable[[bytes], bytes]
) -> None:
    assert len(errors_of(come(change(PACKERS[name](BODY)), name))) == 1


def test_a_compression_that_cannot_stop_at_a_bound_is_not_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unbounded(_: bytes) -> bytes:
        raise AssertionError("it was unpacked")

    for registry in ("_encoders", "_decoders"):
        monkeypatch.setattr(compression, registry, dict(getattr(compression, registry)))
    compression.register(bytes, unbounded, "application/x-brotli")
    unpacking.install()

    (error,) = errors_of(come(b"x", "application/x-brotli"))
    assert str(error) == "application/x-brotli is not unpacked"


@pytest.mark.parametrize("kind", ["application/data", "application/text", "", None])
@pytest.mark.parametrize(("encoding", "pack"), [("zlib", zlib.compress), ("bz2", bz2.compress)])
def test_no_encoding_of_a_body_unpacks_it(
    kind: str | None, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    """Kombu hands what is no serializer's to Python's codecs, of which some unpack."""
    message = come(pack(bytes(BOMB)), None, content_type=kind, content_encoding=encoding)
    tracemalloc.start()

    with pytest.raises((messages.MalformedError, ContentDisallowed)):
        messages.check(message)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MEGABYTE


def test_a_body_that_is_too_long_without_being_compressed_is_not_read() -> None:
    long = json.dumps([["b" * messages.MOST_BYTES], {}, {}])

    with pytest.raises(messages.MalformedError, match="longer than 4000000 bytes"):
        messages.check(come(long.encode(), None))
