"""Rows of a workbook that Excel does not show: hidden by a filter, by an outline or by hand.

The library that reads workbooks does not report them. An operator who filters a list often means
the rows that are left, and what is sent cannot be recalled; to leave rows out without a word would
be as wrong. So they are looked for in XLSX and ODS; XLS and XLSB keep them where no scan of text
finds them.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final
from xml.etree import ElementTree as ET
from xml.sax.saxutils import unescape

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
    return ET.fromstring(book.read(part)).iter()  # noqa: S314


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
