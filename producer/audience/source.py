"""Opening a source, and recognising by its first bytes what it is."""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from broadcast.errors import AudienceError
from broadcast.message import Message

_GZIP = b"\x1f\x8b"
#: XLSX, XLSB and ODS are zip files; XLS (Excel 97) is an OLE file.
_WORKBOOKS = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_MAGIC_BYTES = 8


def is_packed(head: bytes) -> bool:
    """Return whether a file that begins so is compressed, or a workbook, and no text."""
    return head.startswith((_GZIP, *_WORKBOOKS))


class Readable(Protocol):
    """What is needed of a binary stream."""

    def read(self, size: int, /) -> bytes:
        """Return up to *size* bytes, none at the end."""


#: The names of sources that have no path.
STDIN = Message("audience.source.stdin")
STREAM = Message("audience.source.stream")
LIST = Message("audience.source.list")


class Peeked:
    """A stream whose first bytes are known, though they have not been read."""

    def __init__(self, stream: Readable, *, name: object, path: Path | None = None) -> None:
        """Look at the first bytes of *stream*, which are those of the file at *path* if given."""
        self._stream, self.name, self.path = stream, name, path
        self.head = b""
        while len(self.head) < _MAGIC_BYTES and (more := self._read(_MAGIC_BYTES)):
            self.head += more
        self._pushed_back = self.head

    def read(self, size: int, /) -> bytes:
        """Return up to *size* bytes, none at the end.

        Raises ``AudienceError`` when the disk, the pipe or the compression is at fault.
        """
        if self._pushed_back:
            data, self._pushed_back = self._pushed_back[:size], self._pushed_back[size:]
            return data
        return self._read(size)

    def skip(self, count: int) -> None:
        """Pass over *count* of the first bytes."""
        self._pushed_back = self._pushed_back[count:]

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise AudienceError("error.audience.gzip", source=self.name) from error
        except OSError as error:
            raise AudienceError(
                "error.audience.unreadable", source=self.name, reason=error.strerror or error
            ) from error

    @property
    def is_gzip(self) -> bool:
        """Whether it begins as gzip does."""
        return self.head.startswith(_GZIP)

    @property
    def is_piped(self) -> bool:
        """Whether another program may be writing it, which can be killed in the middle of a line.

        A shell's <(...) has a path, but of no file.
        """
        return self.name is STDIN or (isinstance(self.name, Path) and not self.name.is_file())

    @property
    def is_workbook(self) -> bool:
        """Whether it begins as a workbook of Excel does."""
        return self.head.startswith(_WORKBOOKS)


@contextmanager
def opened(source: object) -> Iterator[Peeked]:
    """Open a path, ``"-"`` or a stream, and unpack gzip. Closes only what it opened.

    Raises ``AudienceError`` for a file that is missing, is a directory, or cannot be read.
    """
    if isinstance(source, Path):
        with _file(source) as file:
            # A pipe with a name, such as <(...) of a shell, can be read but once.
            again = source if source.is_file() else None
            yield _unpacked(Peeked(file, name=source, path=again))
    elif source == "-":
        if sys.stdin is None:
            raise AudienceError("error.audience.closed")
        yield _unpacked(Peeked(sys.stdin.buffer, name=STDIN))
    else:
        stream: Readable = source  # type: ignore[assignment]
        yield _unpacked(Peeked(stream, name=STREAM))


def _file(path: Path) -> BinaryIO:
    try:
        return path.open("rb", buffering=0)
    except IsADirectoryError as error:
        raise AudienceError("error.audience.directory", source=path) from error
    except PermissionError as error:
        raise AudienceError("error.audience.permission", source=path) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AudienceError("error.audience.missing_file", source=path) from error
    except (OSError, ValueError) as error:
        # ValueError: a NUL in the path.
        reason = getattr(error, "strerror", None) or error
        raise AudienceError("error.audience.unreadable", source=path, reason=reason) from error


def _unpacked(stream: Peeked) -> Peeked:
    if not stream.is_gzip:
        return stream
    unpacked = gzip.GzipFile(fileobj=stream, mode="rb")  # type: ignore[call-overload]
    return Peeked(unpacked, name=stream.name)
