"""Reading a source from its first byte to a sorted audience."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path

import numpy as np

from broadcast import installed
from broadcast.errors import AudienceError
from broadcast.frozen import frozen
from broadcast.openid import LENGTH
from broadcast.rules.plan.cut import SMALLEST
from producer.audience.layout import HEAD_LINES, Layout, Portion, layout_of_text, rows_of
from producer.audience.openid_list import OpenIDs, SortedOpenIDs
from producer.audience.runs import FileOpenIDs, MemoryOpenIDs, Runs, TemporaryFile
from producer.audience.scan import DuplicateLines, Ints, MalformedLines, Scan, scan, shown, trimmed
from producer.audience.source import LIST, Lines, Peeked, opened

_ITEMS_AT_ONCE = 8192
_NOTHING: Ints = np.empty(0, np.int64)


@frozen
class Sizes:
    """Memory limits of a reading."""

    #: Bytes read at once.
    block_bytes: int = 1 << 20
    #: OpenIDs sorted at once, 72 bytes each while they are sorted.
    run_length: int = 1 << 18


def read_source(
    source: object,
    *,
    progress: Callable[[int], None] | None = None,
    sizes: Sizes | None = None,
    least: int = SMALLEST,
) -> OpenIDs:
    """Read *source* as ``producer.audience.read`` says, within *sizes*."""
    sizes = sizes or Sizes()
    duplicates = DuplicateLines()
    with Runs(length=sizes.run_length, tell=duplicates.add) as runs:
        reading = _Reading(runs, progress=progress)
        if _is_stream(source):
            with opened(source) as stream:
                name, encoding = stream.name, _read_stream(stream, reading, sizes=sizes)
        else:
            name, encoding = LIST, _read_items(_items(source), reading)
        malformed = reading.malformed.tally(encoding)
        openids, planned, digest = _sorted(runs)
    audience = OpenIDs(
        read=reading.read,
        malformed=malformed,
        duplicate=duplicates.tally(),
        planned=planned,
        digest=digest,
        openids=openids,
    )
    try:
        _refuse_too_few(audience, name=name, least=least)
    except AudienceError:
        audience.close()
        raise
    return audience


class _Reading:
    """State of a reading."""

    def __init__(self, runs: Runs, *, progress: Callable[[int], None] | None) -> None:
        self.read = 0
        self.malformed = MalformedLines()
        #: The last line and its text, if it is malformed.
        self.malformed_end: tuple[int, bytes] | None = None
        self._runs, self._progress = runs, progress

    def add(self, found: Scan, numbers: Ints, *, filled: Ints = _NOTHING) -> None:
        """Add the lines *found* in a block, with their *numbers* in the source.

        Lines *filled* are not blank even if they are empty: other cells of their row are not.
        """
        malformed = found.malformed
        if len(filled):
            malformed = np.union1d(malformed, filled)
        self.read += len(found.ids) + len(malformed)
        if found.count:
            last = found.count - 1
            ill = len(malformed) and malformed[-1] == last
            self.malformed_end = (int(numbers[last]), found.text(last)) if ill else None
        self.malformed.add(found, malformed=malformed, numbers=numbers)
        self._runs.add(found.ids, numbers if found.lines is None else numbers[found.lines])
        if self._progress is not None:
            self._progress(self.read)

    def add_rows(self, portion: Portion, layout: Layout, *, encoding: str) -> None:
        """Add the OpenIDs' column of some rows."""
        numbers, rows = portion
        column = layout.column or 0
        try:
            texts = [row[column] for row in rows]
        except IndexError:
            texts = [row[column] if column < len(row) else "" for row in rows]
        found = scan(_block(texts, encoding))
        filled = [line for line in found.blank.tolist() if _is_filled(rows[line], encoding)]
        self.add(found, np.asarray(numbers, np.int64), filled=np.asarray(filled, np.int64))


def _is_filled(row: list[str], encoding: str) -> bool:
    return any(trimmed(cell.encode(encoding, "backslashreplace")) for cell in row)


def _block(texts: list[str], encoding: str) -> bytes:
    """Return *texts* as lines, one each whatever is in them."""
    joined = "\n".join(texts)
    if joined.count("\n") != len(texts) - 1:
        joined = "\n".join(text.strip().replace("\n", "\r") for text in texts)
    # A lone surrogate is no text, but a line of the list it is.
    return (joined + "\n").encode(encoding, "backslashreplace")


def _read_stream(stream: Peeked, reading: _Reading, *, sizes: Sizes) -> str:
    """Read *stream* to its end and return its encoding."""
    if not stream.head:
        raise AudienceError("error.audience.empty", source=stream.name)
    if stream.is_workbook:
        installed.require("python_calamine", extra="worker")
        from producer.audience.workbook import rows_of_workbook

        for layout, portions in rows_of_workbook(stream):
            for portion in portions:
                reading.add_rows(portion, layout, encoding="utf-8")
        return "utf-8"
    lines = Lines(stream, block_bytes=sizes.block_bytes)
    _read_text(lines, reading, name=stream.name)
    if stream.is_piped and lines.unended and reading.malformed_end is not None:
        line, text = reading.malformed_end
        part = shown(text.decode(lines.encoding.best, "replace"))
        raise AudienceError("error.audience.cut", source=stream.name, line=line, text=part)
    return lines.encoding.best


def _read_text(lines: Lines, reading: _Reading, *, name: object) -> None:
    blocks: Iterator[bytes] = iter(lines)
    head = b""
    while head.count(b"\n") < HEAD_LINES and (block := next(blocks, b"")):
        head += block
    layout = layout_of_text(head, encoding=lines.encoding.best, name=name)
    number = layout.header_lines + 1
    blocks = chain([_after_lines(head, layout.header_lines)], blocks)
    if layout.column is None:
        for block in filter(None, blocks):
            found = scan(block)
            reading.add(found, np.arange(number, number + found.count))
            number += found.count
        return
    for portion in rows_of(blocks, layout, first_line=number, name=name):
        reading.add_rows(portion, layout, encoding="latin-1")


def _after_lines(block: bytes, count: int) -> bytes:
    return block.split(b"\n", count)[count] if count else block


def _read_items(items: Iterator[str], reading: _Reading) -> str:
    """Read *items*, one OpenID each, and return the encoding they are kept in."""
    number = 1
    while texts := list(islice(items, _ITEMS_AT_ONCE)):
        found = scan(_block(texts, "utf-8"))
        reading.add(found, np.arange(number, number + len(texts)))
        number += len(texts)
    if number == 1:
        raise AudienceError("error.audience.empty", source=LIST)
    return "utf-8"


def _is_stream(source: object) -> bool:
    if isinstance(source, Path) or source == "-":
        return True
    # A file opened as text has ``read`` too, but gives its lines as an iterable of str.
    return hasattr(source, "read") and not isinstance(source, io.TextIOBase)


def _items(source: object) -> Iterator[str]:
    if isinstance(source, str | bytes) or not isinstance(source, Iterable):
        # A path given as str would be read as a list of its letters.
        msg = (
            f"an audience is a Path, '-', a binary stream or an iterable of str, not {source!r:.80}"
        )
        raise TypeError(msg)
    return iter(source)


def _sorted(runs: Runs) -> tuple[SortedOpenIDs, int, str]:
    """Return the sorted OpenIDs, how many they are, and their digest."""
    digest = hashlib.sha256()
    if not runs.spilled:
        ids = b"".join(block.tobytes() for block in runs.merged())
        digest.update(ids)
        return MemoryOpenIDs(ids), len(ids) // LENGTH, digest.hexdigest()
    with ExitStack() as stack:
        file = TemporaryFile()
        stack.callback(file.close)
        for block in runs.merged():
            data = block.view(np.uint8).data
            digest.update(data)
            file.append(data)
        # The audience that is being made closes it from here on.
        stack.pop_all()
    return FileOpenIDs(file), file.size // LENGTH, digest.hexdigest()


def _refuse_too_few(audience: OpenIDs, *, name: object, least: int) -> None:
    """Raise ``AudienceError`` when fewer OpenIDs are valid than are needed."""
    if audience.planned >= least:
        return
    if audience.planned == 1:
        openid = audience.openids.slice(0, 1).decode("ascii")
        raise AudienceError("error.audience.single", source=name, openid=openid)
    if audience.malformed.sample:
        line, text = audience.malformed.sample[0]
        raise AudienceError(
            "error.audience.nothing_valid", source=name, read=audience.read, line=line, text=text
        )
    raise AudienceError("error.audience.only_blank", source=name)
