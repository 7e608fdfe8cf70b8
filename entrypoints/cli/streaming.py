"""Rows of data on their way to standard output: whole, or with an error that says that they end.

Half of a list looks like a list, and somebody might send to it, or to all who are not on it.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from broadcast.errors import BroadcastError, InputError, OutOfReachError, of_file
from broadcast.message import Message


class CutOffError(BroadcastError):
    """A bug of ours ended a list before its end."""


class Rows:
    """Rows, and whether any of them was taken."""

    def __init__(self, rows: Iterable[bytes]) -> None:
        """*rows*: lines of output."""
        self._rows = rows
        self.begun = False

    def __iter__(self) -> Iterator[bytes]:
        """Yield them."""
        for row in self._rows:
            self.begun = True
            yield row


def cut_off(error: Exception) -> BroadcastError:
    """Return the error of a list that *error* ended before its end."""
    if isinstance(error, BroadcastError):
        return OutOfReachError("error.output.cut_off", problem=error)
    problem = CutOffError("error.output.cut_off", problem=unexpected_message(error))
    problem.__cause__ = error
    return problem


def write_all(rows: Iterable[bytes]) -> None:
    """Write to standard output to the last byte: an unbuffered one may take a part and say so."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    stream: BinaryIO | io.RawIOBase = sys.stdout.buffer
    if not isinstance(stream, io.RawIOBase):
        stream.writelines(rows)
        stream.flush()
        return
    # No buffer over it: one that cannot be emptied takes standard output with it when it goes.
    for row in rows:
        left = memoryview(row)
        while left:
            left = left[stream.write(left) or 0 :]


def write_file(path: Path, rows: Iterable[bytes]) -> None:
    """Write a file that is there whole or not at all; one of that name is replaced.

    What is no file, such as a pipe, gets them as they come. Raises InputError where none can be.
    """
    try:
        in_place = path.exists() and not path.is_file()
        # A link stays, and leads to the new file.
        path = path if in_place else Path(os.path.realpath(path))
        part = path if in_place else path.with_name(f".{path.name}.{os.getpid()}.part")
        file = part.open("wb" if in_place else "xb")
    except OSError as error:
        raise InputError("error.output.file", file=str(path), reason=of_file(error)) from None
    with file:
        if in_place:
            file.writelines(rows)
            return
        try:
            file.writelines(rows)
            file.flush()
            os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def whole(rows: Iterable[bytes], cut: list[BroadcastError]) -> Iterator[bytes]:
    """Yield rows; raise what *cut* has at their end, as half of them are of no use."""
    yield from rows
    for problem in cut:
        raise problem


#: With it a person sees the traceback, too.
DEBUG = "BROADCAST_DEBUG"


def unexpected_message(error: BaseException) -> Message:
    """Return the message of a bug."""
    return Message("error.unexpected", kind=type(error).__name__, text=str(error), debug=DEBUG)


def trace(error: BaseException) -> str | None:
    """Return the traceback where it is asked for, and never its local variables."""
    if not os.environ.get(DEBUG):
        return None
    return "".join(traceback.format_exception(error)).rstrip()
