"""Sorted runs of OpenIDs and their merge: exact dedup of any number in bounded memory.

OpenIDs gather in a buffer; a full buffer is sorted, its duplicates are taken out, and it is
written to a temporary file as a run: all OpenIDs, then all line numbers. Runs come in the order of
the lines, so that wherever equal OpenIDs meet the first of them is the one to keep.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Self

import numpy as np

from broadcast.errors import AudienceError, of_file
from broadcast.openid import LENGTH
from broadcast.sorted_openids import IDs, firsts, order
from producer.audience.scan import Bytes2D, Ints

#: Called with duplicates: their lines and their OpenIDs.
OnDuplicates = Callable[[Ints, IDs], None]

_ID = np.dtype(f"S{LENGTH}")
_LINE = np.dtype(np.int64)
#: OpenIDs that a merge holds at once, over all runs.
_MERGED_AT_ONCE = 1 << 18
_READ_AT_LEAST = 256


class MemoryOpenIDs:
    """Sorted OpenIDs that fitted into one run."""

    def __init__(self, ids: bytes) -> None:
        """*ids*: the OpenIDs, one behind the other."""
        self._ids = ids

    def slice(self, start: int, count: int) -> bytes:
        """Return *count* OpenIDs from number *start* on."""
        return self._ids[start * LENGTH : (start + count) * LENGTH]

    def close(self) -> None:
        """Drop the OpenIDs."""
        self._ids = b""


class FileOpenIDs:
    """Sorted OpenIDs in a temporary file."""

    def __init__(self, file: TemporaryFile) -> None:
        """*file*: closed with this."""
        self._file = file

    def slice(self, start: int, count: int) -> bytes:
        """Return *count* OpenIDs from number *start* on."""
        return self._file.read(start * LENGTH, count * LENGTH)

    def close(self) -> None:
        """Drop the file."""
        self._file.close()


@contextmanager
def room_needed() -> Iterator[None]:
    """Raise ``AudienceError`` when a temporary file cannot be made or filled inside."""
    try:
        yield
    except OSError as error:
        raise AudienceError(
            "error.audience.no_room", path=tempfile.gettempdir(), reason=of_file(error)
        ) from error


class TemporaryFile:
    """A file without a name, which vanishes when it is closed or its process ends.

    Raises ``AudienceError`` when there is no room to make or to fill it.
    """

    def __init__(self) -> None:
        """Make the file, empty."""
        self.size = 0
        with room_needed():
            self._file: BinaryIO = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115

    def append(self, data: memoryview) -> None:
        """Write the bytes *data* at the end."""
        with room_needed():
            while data:
                # An unbuffered file may take only a part at a time.
                written = self._file.write(data)
                self.size += written
                data = data[written:]

    def read(self, offset: int, count: int) -> bytes:
        """Return *count* bytes from *offset* on."""
        return os.pread(self._file.fileno(), count, offset)

    def close(self) -> None:
        """Drop the file; closing twice is harmless."""
        self._file.close()


@dataclass(frozen=True, slots=True)
class _Run:
    offset: int
    count: int


class _Cursor:
    """The part of a run that has not been merged yet."""

    def __init__(self, file: TemporaryFile, run: _Run, *, step: int) -> None:
        self._file, self._run, self._step = file, run, step
        self._position = 0
        self._taken = slice(0, 0)
        self._ids: IDs = np.empty(0, _ID)
        self._fill()

    def _fill(self) -> None:
        count = min(self._step, self._run.count - self._position)
        offset = self._run.offset + self._position * LENGTH
        self._ids = np.frombuffer(self._file.read(offset, count * LENGTH), _ID)

    def __bool__(self) -> bool:
        return len(self._ids) > 0

    @property
    def last(self) -> np.bytes_:
        last: np.bytes_ = self._ids[-1]
        return last

    def take_until(self, bound: np.bytes_) -> IDs:
        """Return the OpenIDs that are not above *bound*."""
        count = int(self._ids.searchsorted(bound, side="right"))
        taken, self._ids = self._ids[:count], self._ids[count:]
        self._taken = slice(self._position, self._position + count)
        self._position += count
        if not len(self._ids):
            self._fill()
        return taken

    def taken_lines(self) -> Ints:
        """Return the line numbers of the OpenIDs taken last."""
        lines = self._run.offset + self._run.count * LENGTH
        offset = lines + self._taken.start * _LINE.itemsize
        count = self._taken.stop - self._taken.start
        return np.frombuffer(self._file.read(offset, count * _LINE.itemsize), _LINE)


class Runs:
    """All OpenIDs of a source, gathered into sorted runs of at most *length*."""

    def __init__(self, *, length: int, tell: OnDuplicates) -> None:
        """Call *tell* with every duplicate."""
        self._ids: Bytes2D = np.empty((length, LENGTH), np.uint8)
        self._lines: Ints = np.empty(length, np.int64)
        self._used = 0
        self._tell = tell
        self._file: TemporaryFile | None = None
        self._runs: list[_Run] = []

    def __enter__(self) -> Self:
        """Return the runs themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Drop the temporary file of the runs."""
        if self._file is not None:
            self._file.close()

    def add(self, ids: Bytes2D, lines: Ints) -> None:
        """Add OpenIDs and their line numbers, in the order of the lines."""
        done = 0
        while done < len(ids):
            if self._used == len(self._ids):
                self._spill()
            count = min(len(ids) - done, len(self._ids) - self._used)
            target, source = slice(self._used, self._used + count), slice(done, done + count)
            self._ids[target] = ids[source]
            self._lines[target] = lines[source]
            self._used += count
            done += count

    def merged(self) -> Iterator[IDs]:
        """Yield all OpenIDs sorted and each once, in blocks. The end of adding."""
        if self._file is None:
            yield self._sorted()[0]
            return
        self._spill()
        self._ids, self._lines = np.empty((0, LENGTH), np.uint8), np.empty(0, np.int64)
        yield from self._merge(self._file)

    @property
    def spilled(self) -> bool:
        """True if the list is longer than one run."""
        return self._file is not None

    def _sorted(self) -> tuple[IDs, Ints]:
        """Return the buffer sorted and without duplicates, and leave it empty."""
        used, self._used = self._used, 0
        ids = self._ids[:used].view(_ID).ravel()
        ordered = order(ids)
        ids, lines = ids[ordered], self._lines[:used][ordered]
        first = firsts(ids)
        if not first.all():
            self._tell(lines[~first], ids[~first])
            ids, lines = ids[first], lines[first]
        return ids, lines

    def _spill(self) -> None:
        if self._file is None:
            self._file = TemporaryFile()
        ids, lines = self._sorted()
        self._runs.append(_Run(self._file.size, len(ids)))
        self._file.append(ids.view(np.uint8).data)
        self._file.append(lines.view(np.uint8).data)

    def _merge(self, file: TemporaryFile) -> Iterator[IDs]:
        step = max(_READ_AT_LEAST, _MERGED_AT_ONCE // len(self._runs))
        cursors = [_Cursor(file, run, step=step) for run in self._runs]
        while cursors := [cursor for cursor in cursors if cursor]:
            # Above the lowest of the last OpenIDs in hand, a run not yet read on may have more.
            bound = min(cursor.last for cursor in cursors)
            ids = np.concatenate([cursor.take_until(bound) for cursor in cursors])
            # Equal OpenIDs stay in the order of the runs, that is of the lines.
            ordered = order(ids)
            ids = ids[ordered]
            first = firsts(ids)
            if not first.all():
                lines = np.concatenate([cursor.taken_lines() for cursor in cursors])[ordered]
                self._tell(lines[~first], ids[~first])
                ids = ids[first]
            yield ids
