"""Reading the OpenID's column of a CSV with several columns.

The csv module needs text, and Latin-1 gives it one character for each byte: as fast as can be,
right for every encoding whose commas, quotes and line ends are ASCII, and turned back into the same
bytes without loss.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from broadcast.errors import AudienceError
from producer.audience.layout import Layout

#: Rows, and the numbers of the lines they begin on.
Portion = tuple[Sequence[int], list[list[str]]]
_ROWS_AT_ONCE = 8192
_OPENID_ON_ITS_OWN = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{28}(?![A-Za-z0-9_-])")


def rows_of(
    blocks: Iterable[bytes], layout: Layout, *, first_line: int, name: object
) -> Iterator[Portion]:
    """Yield the rows of *blocks*, which begin at *first_line*, in portions.

    Raises ``AudienceError`` for a quote that is never closed: followers would vanish inside it.
    """
    lines = chain.from_iterable(
        io.StringIO(block.decode("latin-1"), newline="\n") for block in blocks
    )
    reader = csv.reader(lines, delimiter=layout.delimiter)
    seen = 0
    while True:
        rows: list[list[str]] = []
        try:
            # What came before an error stays in the list.
            rows.extend(islice(reader, _ROWS_AT_ONCE))
        except csv.Error as error:
            line = first_line + seen + sum(map(_height, rows))
            raise _open_quote(name, line=line) from error
        if not rows:
            return
        start = first_line + seen
        if reader.line_num - seen == len(rows):
            yield range(start, start + len(rows)), rows
        else:
            yield _numbers(rows, start=start, name=name), rows
        seen = reader.line_num


def _height(row: list[str]) -> int:
    return 1 + sum(cell.count("\n") for cell in row)


def _numbers(rows: list[list[str]], *, start: int, name: object) -> list[int]:
    """Return on which line each row begins, when some go over several lines."""
    numbers = []
    for row in rows:
        numbers.append(start)
        height = _height(row)
        if height > 1 and any("\n" in cell and _OPENID_ON_ITS_OWN.search(cell) for cell in row):
            raise _open_quote(name, line=start)
        start += height
    return numbers


def _open_quote(name: object, *, line: int) -> AudienceError:
    return AudienceError("error.audience.open_quote", source=name, line=line)
