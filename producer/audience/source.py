"""Opening a source, and recognising its kind by the first bytes."""

from __future__ import annotations

import codecs
import gzip
import stat
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from broadcast.errors import AudienceError, of_file
from broadcast.message import Message

_GZIP = b"\x1f\x8b"
#: XLSX, XLSB and ODS are zip files; XLS (Excel 97) is an OLE file.
_WORKBOOKS = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_MAGIC_BYTES = 8


def is_packed(head: bytes) -> bool:
    """Return whether a file that begins so is compressed, or a workbook, and no text."""
    return head.startswith((_GZIP, *_WORKBOOKS))


class Readable(Protocol):
    """Binary stream, as far as a reading needs it."""

    def read(self, size: int, /) -> bytes:
        """Return up to *size* bytes, none at the end."""


#: The names of sources that have no path.
STDIN = Message("audience.source.stdin")
STREAM = Message("audience.source.stream")
LIST = Message("audience.source.list")


class Peeked:
    """A stream whose first bytes are known, though they have not been read."""

    def __init__(self, stream: Readable, *, name: object, path: Path | None = None) -> None:
        """Read the first bytes of *stream*, which are those of the file at *path* if given."""
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
                "error.audience.unreadable", source=self.name, reason=of_file(error)
            ) from error

    @property
    def is_gzip(self) -> bool:
        """True if it begins as gzip does."""
        return self.head.startswith(_GZIP)

    @property
    def is_piped(self) -> bool:
        """True if another program may be writing it, which can be killed in the middle of a line.

        A shell's <(...) has a path, but of no file.
        """
        return self.name is STDIN or (isinstance(self.name, Path) and not self.name.is_file())

    @property
    def is_workbook(self) -> bool:
        """True if it begins as a workbook of Excel does."""
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


#: Seconds after which a file whose file server does not answer is given up.
ANSWERS_WITHIN_S = 20.0


def regular(path: str) -> str:
    """Return *path*, which is that of a file that can be read again and again.

    Raises AudienceError for a pipe or a device, which may never end, and for a file whose file
    server does not answer: their reader would wait.
    """
    found: list[bool] = []
    # A daemon: nothing ends a system call that waits for a file server.
    look = threading.Thread(
        target=lambda: found.append(_is_endless(path)), name="list file", daemon=True
    )
    look.start()
    look.join(ANSWERS_WITHIN_S)
    if not found:
        raise AudienceError("error.audience.silent", source=path, seconds=ANSWERS_WITHIN_S)
    if found[0]:
        raise AudienceError("error.audience.not_regular", source=path)
    return path


def _is_endless(path: str) -> bool:
    """Return whether it is a pipe or a device, after the first byte of a file was read."""
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISREG(mode):
            with _file(Path(path)) as file:
                file.read(1)
        return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
    except (OSError, ValueError, AudienceError):
        return False  # its reading says why


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
        reason = of_file(error) if isinstance(error, OSError) else error
        raise AudienceError("error.audience.unreadable", source=path, reason=reason) from error


def _unpacked(stream: Peeked) -> Peeked:
    if not stream.is_gzip:
        return stream
    unpacked = gzip.GzipFile(fileobj=stream, mode="rb")  # type: ignore[call-overload]
    return Peeked(unpacked, name=stream.name)


#: A list in one line (JSON, say) would otherwise be held as a whole.
LONGEST_LINE = 1 << 20
_ENCODINGS = ("utf-8", "gb18030")
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    "\ufeff".encode("gb18030"): "gb18030",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


class Encoding:
    """The encodings that a text may still be in."""

    def __init__(self, name: object) -> None:
        """Allow both for the source called *name*."""
        self._name = name
        self._possible = list(_ENCODINGS)

    @property
    def best(self) -> str:
        """The encoding, if nothing that follows speaks against it."""
        return self._possible[0]

    def pin(self, encoding: str) -> None:
        """Allow *encoding* alone."""
        self._possible = [encoding]

    def watch(self, block: bytes, *, first_line: int) -> None:
        """Drop the encodings in which *block*, which begins at *first_line*, cannot be read.

        Raises ``AudienceError`` with byte and line when none is left.
        """
        if block.isascii():
            return
        failures = []
        for encoding in self._possible.copy():
            try:
                block.decode(encoding)
            except UnicodeDecodeError as error:
                self._possible.remove(encoding)
                failures.append(error)
        if not self._possible:
            # The encoding that held out longest is the likelier one, and its fault the real one.
            raise undecodable(
                max(failures, key=lambda error: error.start), name=self._name, line=first_line
            )


def undecodable(error: UnicodeDecodeError, *, name: object, line: int) -> AudienceError:
    """Return the error for a text that breaks off at *error*, in a block that begins at *line*."""
    return AudienceError(
        "error.audience.encoding",
        source=name,
        byte=f"0x{error.object[error.start]:02X}",
        line=line + error.object.count(b"\n", 0, error.start),
    )


class Lines:
    """The text of a stream as blocks of whole lines, each ended by LF."""

    def __init__(self, stream: Peeked, *, block_bytes: int) -> None:
        """Read *stream* in steps of *block_bytes*."""
        self._stream, self._block_bytes = stream, block_bytes
        self.encoding = Encoding(stream.name)
        self._wide: str | None = None
        #: The text ended in the middle of a line; known once all of it was read.
        self.unended = False
        self._take_mark()

    def _take_mark(self) -> None:
        for mark, encoding in _MARKS.items():
            if self._stream.head.startswith(mark):
                self._stream.skip(len(mark))
                wide = encoding.startswith("utf-16")
                self._wide = encoding if wide else None
                # What comes out of ``_chunks`` is UTF-8 then.
                self.encoding.pin("utf-8" if wide else encoding)
                return

    def __iter__(self) -> Iterator[bytes]:
        """Yield the blocks.

        Raises ``AudienceError`` for bytes that are no text.
        """
        first_line, rest = 1, b""
        for chunk in self._chunks():
            if b"\0" in chunk:
                raise AudienceError("error.audience.binary", source=self._stream.name)
            block, rest = _whole_lines(rest + chunk)
            if block:
                self.encoding.watch(block, first_line=first_line)
                yield block
                first_line += block.count(b"\n")
            if len(rest) > LONGEST_LINE:
                raise AudienceError(
                    "error.audience.long_line", source=self._stream.name, line=first_line
                )
        if rest:
            self.unended = not rest.endswith(b"\r")
            block = rest.replace(b"\r", b"\n") if rest.endswith(b"\r") else rest + b"\n"
            self.encoding.watch(block, first_line=first_line)
            yield block

    def _chunks(self) -> Iterator[bytes]:
        if self._wide is None:
            while chunk := self._stream.read(self._block_bytes):
                yield chunk
            return
        decoder, line = codecs.getincrementaldecoder(self._wide)(), 1
        while True:
            chunk = self._stream.read(self._block_bytes)
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(self._wide)
                line += before.count("\n")
                raise AudienceError(
                    "error.audience.encoding",
                    source=self._stream.name,
                    byte=f"0x{error.object[error.start]:02X}",
                    line=line,
                ) from error
            line += text.count("\n")
            if text:
                yield text.encode()
            if not chunk:
                return


def _whole_lines(data: bytes) -> tuple[bytes, bytes]:
    """Return the whole lines of *data*, ended by LF, and what is left of it."""
    held = b""
    if b"\r" in data:
        if data.endswith(b"\r"):
            # The LF of a CRLF may come with the next chunk.
            data, held = data[:-1], b"\r"
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    cut = data.rfind(b"\n") + 1
    if cut == len(data):
        return data, held
    return data[:cut], data[cut:] + held
