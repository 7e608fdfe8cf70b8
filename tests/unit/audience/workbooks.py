"""Writing small XLSX and ODS files: a zip with the fewest parts that the format asks for."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Iterable, Mapping
from xml.sax.saxutils import escape, quoteattr

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"

Rows = Iterable[Iterable[str | int | None]]


def xlsx(
    sheets: Mapping[str, Rows],
    *,
    hidden_rows: Collection[int] = (),
    hidden_sheets: Collection[str] = (),
) -> bytes:
    """Return a workbook with these sheets; None leaves a cell out. Rows are numbered from 1."""
    names = list(enumerate(sheets, 1))
    entries = "".join(
        f'<sheet name={quoteattr(name)}{_state(name in hidden_sheets)} sheetId="{n}" r:id="r{n}"/>'
        for n, name in names
    )
    links = "".join(
        f'<Relationship Id="r{n}" Type="{_REL}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n, _ in names
    )
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>'
        for n, _ in names
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
        f"{types}</Types>",
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{_REL}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_REL}">'
        f"<sheets>{entries}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f"{links}</Relationships>",
    } | {f"xl/worksheets/sheet{n}.xml": _sheet(sheets[name], hidden_rows) for n, name in names}
    return _zipped(parts)


def ods(sheets: Mapping[str, Rows], *, hidden_rows: Collection[int] = (), how: str = "") -> bytes:
    """Return the same as an ODS; *how* its rows are hidden is `collapse` or `filter`."""
    tables = "".join(
        f"<table:table table:name={quoteattr(name)}>"
        + "".join(
            f"<table:table-row{_visibility(how if n in hidden_rows else '')}>"
            + "".join(
                '<table:table-cell office:value-type="string">'
                f"<text:p>{escape(str(value or ''))}</text:p></table:table-cell>"
                for value in row
            )
            + "</table:table-row>"
            for n, row in enumerate(rows, 1)
        )
        + "</table:table>"
        for name, rows in sheets.items()
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    return _zipped(
        {
            "mimetype": kind,
            "content.xml": f"<office:document-content {spaces}><office:body><office:spreadsheet>"
            f"{tables}</office:spreadsheet></office:body></office:document-content>",
            "META-INF/manifest.xml": '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:'
            'opendocument:xmlns:manifest:1.0"><manifest:file-entry manifest:full-path="/" '
            f'manifest:media-type="{kind}"/></manifest:manifest>',
        }
    )


def _state(hidden: bool) -> str:
    return ' state="hidden"' if hidden else ""


def _visibility(how: str) -> str:
    return f' table:visibility="{how}"' if how else ""


def _zipped(parts: Mapping[str, str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in parts.items():
            archive.writestr(path, text)
    return file.getvalue()


def _sheet(rows: Rows, hidden: Collection[int]) -> str:
    lines = []
    for n, row in enumerate(rows, 1):
        cells = "".join(_cell(f"{chr(65 + i)}{n}", value) for i, value in enumerate(row))
        mark = ' hidden="1" spans="1:9"' if n in hidden else ""
        lines.append(f'<row r="{n}"{mark}>{cells}</row>' if cells else f'<row r="{n}"{mark}/>')
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'


def _cell(place: str, value: str | int | None) -> str:
    if value is None:
        return ""
    if isinstance(value, int):
        return f'<c r="{place}"><v>{value}</v></c>'
    text = f'<t xml:space="preserve">{escape(value)}</t>'
    return f'<c r="{place}" t="inlineStr"><is>{text}</is></c>'
