"""Cutting a stream of text into blocks of whole lines, whatever its encoding and line ends.

The encoding is what a byte order mark says, else UTF-8 if the whole text is UTF-8, else GB18030.
Nobody needs to know which before the end (see ``scan``), so both are watched while lines pass.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from broadcast.errors import AudienceError
from producer.audience.source import Peeked

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
