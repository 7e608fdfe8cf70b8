"""Reading the rows of a workbook (XLSX, XLSB, XLS, ODS).

Its library holds a sheet as a whole, which Excel limits to 1,048,576 rows: a million rows take
300 MB with one column and 1 GB with ten. docs/decisions/0005-workbooks-are-read-whole.md has what
else was measured.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import unescape

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from broadcast.errors import AudienceError
from producer.audience.layout import (
    HEAD_LINES,
    Layout,
    Portion,
    column_of_openid,
    is_openid_text,
    no_column,
)
from producer.audience.runs import room_needed
from producer.audience.scan import SURROUNDING, shown
from producer.audience.source import Peeked

_VISIBLE = SheetVisibleEnum.Visible
_ROWS_AT_ONCE = 8192
_COPIED_AT_ONCE = 1 << 20


def rows_of_workbook(stream: Peeked) -> Iterator[tuple[Layout, Iterator[Portion]]]:
    """Yield once: the layout and the rows of the one sheet of *stream* that holds OpenIDs.

    Raises ``AudienceError`` when the workbook cannot be read, no sheet or several hold OpenIDs, or
    what holds them is hidden.
    """
    try:
        with _as_file(stream) as path, CalamineWorkbook.from_path(path) as book:
            sheet, layout = _the_sheet(book, name=stream.name)
            if has_hidden_rows(path, sheet.name):
                raise AudienceError(
                    "error.audience.hidden_rows", source=stream.name, sheet=shown(sheet.name)
                )
            yield layout, _portions(sheet, layout)
    except CalamineError as error:
        raise AudienceError("error.audience.workbook", source=stream.name) from error


@contextmanager
def _as_file(stream: Peeked) -> Iterator[Path]:
    if stream.path is not None:
        yield stream.path
        return
    with ExitStack() as stack:
        with room_needed():
            file = stack.enter_context(tempfile.NamedTemporaryFile())
        while chunk := stream.read(_COPIED_AT_ONCE):
            with room_needed():
                file.write(chunk)
        with room_needed():
            file.flush()
        yield Path(file.name)


def _the_sheet(book: CalamineWorkbook, *, name: object) -> tuple[CalamineSheet, Layout]:
    header: list[str] = []
    found: list[tuple[CalamineSheet, Layout]] = []
    for data in book.sheets_metadata:
        if data.typ is not SheetTypeEnum.WorkSheet:
            continue
        sheet = book.get_sheet_by_name(data.name)
        head = [_texts(row) for row in islice(sheet.iter_rows(), HEAD_LINES)]
        layout = _layout_of_rows(head, name=name)
        if layout is not None:
            found.append((sheet, layout))
        elif not header:
            header = next((row for row in head if any(row)), [])
    if len(found) > 1:
        sheets = ", ".join(sheet.name for sheet, _ in found)
        raise AudienceError("error.audience.sheets", source=name, sheets=sheets)
    if not found:
        raise no_column(header, name=name)
    sheet, layout = found[0]
    if sheet.name in {data.name for data in book.sheets_metadata if data.visible != _VISIBLE}:
        raise AudienceError("error.audience.hidden_sheet", source=name, sheet=shown(sheet.name))
    return sheet, layout


def _layout_of_rows(rows: list[list[str]], *, name: object) -> Layout | None:
    """Return the layout of a sheet that begins with *rows*, None if it holds no OpenIDs."""
    start = next((i for i, row in enumerate(rows) if any(row)), None)
    if start is None:
        return None
    column = column_of_openid(rows[start], name=name)
    if column is not None:
        return Layout(header_lines=start + 1, column=column)
    alone = (cells[0] for row in rows if len(cells := list(filter(None, row))) == 1)
    return Layout() if any(map(is_openid_text, alone)) else None


def _portions(sheet: CalamineSheet, layout: Layout) -> Iterator[Portion]:
    rows = islice(sheet.iter_rows(), layout.header_lines, None)
    number = layout.header_lines + 1
    while portion := [_texts(row) for row in islice(rows, _ROWS_AT_ONCE)]:
        if layout.column is None:
            portion = [[",".join(filter(None, row))] for row in portion]
        yield range(number, number + len(portion)), portion
        number += len(portion)


def _texts(row: Sequence[object]) -> list[str]:
    return [cell if type(cell) is str else _text(cell) for cell in row]


def _text(cell: object) -> str:
    """Return a cell as Excel shows it: whole numbers without a fraction."""
    whole = isinstance(cell, float) and cell.is_integer()
    return f"{cell:.0f}" if whole else str(cell).strip(SURROUNDING)


_READ_AT_ONCE: Final = 1 << 20
#: No tag of a row or of a table is longer.
_TAG_BYTES: Final = 1 << 13
#: A row that is hidden and has cells: one without them is written as `<row … />`.
_XLSX_ROW: Final = re.compile(
    rb"<(?:\w+:)?row\s[^<>]*?\bhidden\s*=\s*[\"'](?:1|true)[\"'](?:[^<>]*[^<>/])?>"
)
_ODS_TABLE_OR_ROW: Final = re.compile(
    rb"<table:table\s[^<>]*?table:name=\"([^\"]*)\""
    rb"|<table:table-row\s[^<>]*?table:visibility=\"(?:collapse|filter)\"(?:[^<>]*[^<>/])?>"
)
_RELATIONSHIP: Final = re.compile(r"\{[^}]*/relationships\}id\Z")


def has_hidden_rows(path: Path, sheet: str) -> bool:
    """Return whether *sheet* of the workbook at *path* has hidden rows; of XLS and XLSB never."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as book:
        if "content.xml" in book.namelist():
            with book.open("content.xml") as content:
                return _in_ods(content, sheet)
        part = _part_of(book, sheet)
        if part is None:
            return False
        with book.open(part) as rows:
            return any(_XLSX_ROW.search(text) for text in _windows(rows) if b"hidden" in text)


def _part_of(book: zipfile.ZipFile, sheet: str) -> str | None:
    """Return the name of the part that has the rows of *sheet*, None where it is not XML."""
    parts = {name.lstrip("/") for name in book.namelist()}
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= parts:
        return None
    targets = {
        link.get("Id"): link.get("Target", "")
        for link in _elements(book, "xl/_rels/workbook.xml.rels")
    }
    for element in _elements(book, "xl/workbook.xml"):
        if element.tag.endswith("}sheet") and element.get("name") == sheet:
            ids = (value for name, value in element.items() if _RELATIONSHIP.search(name))
            target = targets.get(next(ids, ""), "")
            part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            return part if part in parts else None
    return None


def _elements(book: zipfile.ZipFile, part: str) -> Iterator[ET.Element]:
    # The library has parsed it already, and expat itself refuses entities that explode.
    return ET.fromstring(book.read(part)).iter()  # noqa: S314 - see above


def _in_ods(content: IO[bytes], sheet: str) -> bool:
    table = ""
    for text in _windows(content):
        for found in _ODS_TABLE_OR_ROW.finditer(text):
            if found[1] is not None:
                table = unescape(
                    found[1].decode("utf-8", "replace"), {"&quot;": '"', "&apos;": "'"}
                )
            elif table == sheet:
                return True
    return False


def _windows(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the text in pieces, each with the end of the one before: a tag may be cut."""
    end = b""
    while piece := stream.read(_READ_AT_ONCE):
        yield end + piece
        end = (end + piece)[-_TAG_BYTES:]
