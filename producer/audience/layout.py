"""Where in a line or row the OpenID stands."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from broadcast.errors import AudienceError
from broadcast.frozen import frozen
from broadcast.openid import is_openid
from producer.audience.scan import SURROUNDING
from producer.audience.tallies import shown

COLUMN_NAMES = ("openid", "用户标识")
#: How many lines decide on the layout.
HEAD_LINES = 64
_DELIMITERS = (",", "\t", ";")
_TABLE_SUFFIXES = (".csv", ".tsv")
#: Columns named in an error; a person looks for one, and the line should stay one line.
_NAMED_COLUMNS = 20


@frozen
class Layout:
    """How to read the lines that follow the header."""

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
