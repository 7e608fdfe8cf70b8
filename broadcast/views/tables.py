"""Recipients as tables for programs: CSV, and JSON lines. Words are the same in every language."""

from __future__ import annotations

import codecs
import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Any, Final, Protocol

from broadcast import openid
from broadcast.quoting import visible

COLUMNS: Final = ("openid", "batch", "state", "reason", "errcode", "msg_id")
SKIPPED_COLUMNS: Final = ("text", "line", "state", "reason")
SKIPPED: Final = "skipped"
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class Members(Protocol):
    """Some OpenIDs, of which everything else is the same."""

    @property
    def openids(self) -> bytes:
        """The OpenIDs, one behind the other."""

    @property
    def n(self) -> int:
        """Their batch."""

    @property
    def state(self) -> Enum:
        """The state of that batch."""

    @property
    def reason(self) -> Enum | None:
        """The reason of that state."""

    @property
    def errcode(self) -> int | None:
        """WeChat's."""

    @property
    def msg_id(self) -> int | None:
        """WeChat's."""


class Skipped(Protocol):
    """The first lines that were left out for one reason."""

    @property
    def reason(self) -> str:
        """The reason."""

    @property
    def lines(self) -> Sequence[tuple[int, str]]:
        """Number and text of each; 0: it came from no line."""


def portions_csv(members: Iterable[Members]) -> Iterator[bytes]:
    """Yield a table with one row an OpenID."""
    yield codecs.BOM_UTF8 + row(COLUMNS)
    for portion in members:
        # What follows the OpenID is the same for the whole batch.
        reason = portion.reason.value if portion.reason else ""
        rest = row((portion.n, portion.state.value, reason, portion.errcode, portion.msg_id))
        yield openid.with_end(portion.openids, b"," + rest)


def portions_lines(members: Iterable[Members]) -> Iterator[bytes]:
    """Yield one JSON object an OpenID, each on a line."""
    for portion in members:
        rest = {
            "batch": portion.n, "state": portion.state.value,
            "reason": portion.reason.value if portion.reason else None,
            "errcode": portion.errcode, "msg_id": portion.msg_id,
        }  # fmt: skip
        before, after = b'{"openid": "', b'", ' + _line(rest)[1:]
        # Each end begins the next object; the last one has nothing to begin.
        joined = openid.with_end(portion.openids, after + before)
        if joined:
            yield before + joined.removesuffix(before)


def skipped_csv(found: Iterable[Skipped]) -> Iterator[bytes]:
    """Yield a table of lines that were left out, safe for spreadsheets."""
    yield codecs.BOM_UTF8 + row(SKIPPED_COLUMNS)
    for one in found:
        for line, text in one.lines:
            yield row((harmless(visible(text)), line or None, SKIPPED, one.reason))


def harmless(cell: str) -> str:
    """Return *cell* so that no spreadsheet takes it for a formula, by wide signs neither."""
    return f"'{cell}" if unicodedata.normalize("NFKC", cell[:1]).startswith(_FORMULA) else cell


def skipped_lines(found: Iterable[Skipped]) -> Iterator[bytes]:
    """Yield one JSON object a line that was left out."""
    for one in found:
        for line, text in one.lines:
            yield _line({"text": text, "line": line or None, "state": SKIPPED} | {
                "reason": one.reason
            })  # fmt: skip


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode(errors="replace") + b"\n"


def row(cells: Iterable[object]) -> bytes:
    """Return one row of a CSV."""
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
