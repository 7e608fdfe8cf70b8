"""Position of the OpenID in a line or row."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from broadcast.errors import AudienceError
from broadcast.frozen import frozen
from broadcast.openid import is_openid
from producer.audience.scan import SURROUNDING, shown

COLUMN_NAMES = ("openid", "用户标识")
#: How many lines decide on the layout.
HEAD_LINES = 64
_DELIMITERS = (",", "\t", ";")
_TABLE_SUFFIXES = (".csv", ".tsv")
#: Columns named in an error; a person looks for one, and the line should stay one line.
_NAMED_COLUMNS = 20


@frozen
class Layout:
    """Columns of the lines that follow the header."""

    #: Lines up to the end of the header, none if there is none.
    header_lines: int = 0
    #: The column of the OpenID, from 0; None where a line is nothing but the OpenID.
    column: int | None = None
    delimiter: str = ","


def is_openid_text(text: str) -> bool:
    """Return whether *text* is an OpenID once its surroundings are taken off."""
    bare = text.strip(SURROUNDING)
    return bare.isascii() and is_openid(bare.encode())


def column_of_openid(cells: Sequence[str], *, name: object) -> int | None:
    """Return which of the *cells* of a header names the OpenID.

    Raises ``AudienceError`` where several do: one of them would be left out in silence.
    """
    names = [cell.strip(SURROUNDING) for cell in cells]
    found = [i for i, called in enumerate(names) if called.casefold() in COLUMN_NAMES]
    if len(found) > 1:
        columns = ", ".join(f"{shown(names[i])} ({i + 1})" for i in found)
        raise AudienceError("error.audience.columns", source=name, columns=columns)
    return found[0] if found else None


def no_column(cells: Sequence[str], *, name: object) -> AudienceError:
    """Return the error for a table whose header has these *cells*."""
    named = [bare for cell in cells[:_NAMED_COLUMNS] if (bare := cell.strip(SURROUNDING))]
    columns = ", ".join(map(shown, named)) or "-"
    more = ", …" if len(cells) > _NAMED_COLUMNS else ""
    return AudienceError("error.audience.no_column", source=name, columns=columns + more)


def layout_of_text(head: bytes, *, encoding: str, name: object) -> Layout:
    """Return the layout of a text that begins with the lines *head*.

    Raises ``AudienceError`` when it is a table without a column for the OpenID.
    """
    lines = head.decode(encoding).split("\n")[:HEAD_LINES]
    start = next((i for i, line in enumerate(lines) if line.strip(SURROUNDING)), None)
    if start is None:
        return Layout()
    for delimiter in _DELIMITERS:
        record, count = _first_record(lines[start:], delimiter)
        column = column_of_openid(record, name=name)
        if column is not None:
            only = len(record) == 1
            return Layout(
                header_lines=start + count,
                column=None if only else column,
                delimiter=delimiter,
            )
    cells = _cells(lines[start].strip(SURROUNDING))
    is_table = len(cells) > 1 or _is_called_a_table(name)
    if is_table and not any(map(is_openid_text, lines)):
        raise no_column(cells, name=name)
    return Layout()


def _first_record(lines: list[str], delimiter: str) -> tuple[list[str], int]:
    reader = csv.reader(io.StringIO("\n".join(lines), newline="\n"), delimiter=delimiter)
    try:
        return next(reader), reader.line_num
    except csv.Error:
        return [], 0


def _cells(line: str) -> list[str]:
    most = max(_DELIMITERS, key=line.count)
    return _first_record([line], most)[0]


def _is_called_a_table(name: object) -> bool:
    return str(name).lower().removesuffix(".gz").endswith(_TABLE_SUFFIXES)


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
