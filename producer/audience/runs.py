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
import numpy.typing as npt

from broadcast.errors import AudienceError
from broadcast.openid import LENGTH
from producer.audience.scan import Bytes2D, Ints

IDs = npt.NDArray[np.bytes_]
#: Told of duplicates: their lines and their OpenIDs.
OnDuplicates = Callable[[Ints, IDs], None]

_ID = np.dtype(f"S{LENGTH}")
_LINE = np.dtype(np.int64)
#: OpenIDs that a merge holds at once, over all runs.
_MERGED_AT_ONCE = 1 << 18
_READ_AT_LEAST = 256


class MemoryOpenIDs:
    """Sorted OpenIDs that fitted into one run."""

    def __init__(self, ids: bytes) -> None:
        """Hold *ids*, one behind the other."""
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
        """Take *file* over."""
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
            "error.audience.no_room", path=tempfile.gettempdir(), reason=error.strerror
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


def _firsts(ids: IDs) -> npt.NDArray[np.bool_]:
    """Tell of each of the sorted *ids* whether it is the first of its kind."""
    firsts = np.ones(len(ids), np.bool_)
    firsts[1:] = ids[1:] != ids[:-1]
    return firsts


_KEY = np.dtype(">u8")


def _order(ids: IDs) -> Ints:
    """Return the order that sorts *ids*, equal ones in the order in which they stand.

    Comparing numbers is ten times faster than comparing texts: the eight bytes behind what all
    OpenIDs of an account have in common are a number that tells nearly all of them apart. Only
    where it does not are the texts themselves compared.
    """
    if len(ids) < 2:  # noqa: PLR2004 - nothing to sort
        return np.arange(len(ids))
    keys = _keys(ids.view(np.uint8).reshape(-1, LENGTH))
    order = keys.argsort()
    tied = keys[order]
    same = tied[1:] == tied[:-1]
    if same.any():
        places = np.flatnonzero(np.append(same, False) | np.append(False, same))
        among = np.sort(order[places])
        order[places] = among[ids[among].argsort(kind="stable")]
    return order


def _keys(rows: Bytes2D) -> npt.NDArray[np.uint64]:
    """Return a number for each row that grows as its text does."""
    start, last = 0, LENGTH - _KEY.itemsize
    while start < last and (rows[:, start] == rows[0, start]).all():
        start += 1
    part = np.ascontiguousarray(rows[:, start : start + _KEY.itemsize])
    return part.view(_KEY).ravel().astype(np.uint64)


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

    def take(self, bound: np.bytes_) -> IDs:
        """Return what is not above *bound*."""
        count = int(self._ids.searchsorted(bound, side="right"))
        taken, self._ids = self._ids[:count], self._ids[count:]
        self._taken = slice(self._position, self._position + count)
        self._position += count
        if not len(self._ids):
            self._fill()
        return taken

    def taken_lines(self) -> Ints:
        """Return the line numbers of what was taken last."""
        lines = self._run.offset + self._run.count * LENGTH
        offset = lines + self._taken.start * _LINE.itemsize
        count = self._taken.stop - self._taken.start
        return np.frombuffer(self._file.read(offset, count * _LINE.itemsize), _LINE)


class Runs:
    """All OpenIDs of a source, gathered into sorted runs of at most *length*."""

    def __init__(self, *, length: int, tell: OnDuplicates) -> None:
        """Tell *tell* of every duplicate."""
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
        """Take OpenIDs and their line numbers, in the order of the lines."""
        done = 0
        while done < len(ids):
            if self._used == len(self._ids):
                self._spill()
            count = min(len(ids) - done, len(self._ids) - self._used)
            here, there = slice(self._used, self._used + count), slice(done, done + count)
            self._ids[here] = ids[there]
            self._lines[here] = lines[there]
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
        """Whether the list is longer than one run."""
        return self._file is not None

    def _sorted(self) -> tuple[IDs, Ints]:
        """Return the buffer sorted and without duplicates, and leave it empty."""
        used, self._used = self._used, 0
        ids = self._ids[:used].view(_ID).ravel()
        order = _order(ids)
        ids, lines = ids[order], self._lines[:used][order]
        first = _firsts(ids)
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
            ids = np.concatenate([cursor.take(bound) for cursor in cursors])
            # Equal OpenIDs stay in the order of the runs, that is of the lines.
            order = _order(ids)
            ids = ids[order]
            first = _firsts(ids)
            if not first.all():
                lines = np.concatenate([cursor.taken_lines() for cursor in cursors])[order]
                self._tell(lines[~first], ids[~first])
                ids = ids[first]
            yield ids
