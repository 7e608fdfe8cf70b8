"""Recipients as tables for programs: CSV, and JSON lines. Words are the same in every language."""

from __future__ import annotations

import codecs
import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

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
    def state(self) -> str | None:
        """The state of that batch."""

    @property
    def reason(self) -> str | None:
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
        yield openid.with_end(portion.openids, b"," + row(_of_batch(portion)))


def portions_lines(members: Iterable[Members]) -> Iterator[bytes]:
    """Yield one JSON object an OpenID, each on a line."""
    for portion in members:
        rest = _line(COLUMNS[1:], _of_batch(portion))
        before, after = b'{"openid": "', b'", ' + rest[1:]
        # Each end begins the next object; the last one has nothing to begin.
        joined = openid.with_end(portion.openids, after + before)
        if joined:
            yield before + joined.removesuffix(before)


def _of_batch(portion: Members) -> tuple[object, ...]:
    """Return what follows the OpenID: the same for the whole batch."""
    return portion.n, portion.state, portion.reason, portion.errcode, portion.msg_id


def skipped_csv(found: Iterable[Skipped]) -> Iterator[bytes]:
    """Yield a table of lines that were left out, safe for spreadsheets."""
    yield codecs.BOM_UTF8 + row(SKIPPED_COLUMNS)
    for text, *rest in left_out(found):
        yield row((harmless(text), *rest))


def harmless(text: str) -> str:
    """Return *text* on one line, and no formula to a spreadsheet, by wide signs neither."""
    cell = visible(text)
    return f"'{cell}" if unicodedata.normalize("NFKC", cell[:1]).startswith(_FORMULA) else cell


def skipped_lines(found: Iterable[Skipped]) -> Iterator[bytes]:
    """Yield one JSON object a line that was left out."""
    for facts in left_out(found):
        yield _line(SKIPPED_COLUMNS, facts)


def left_out(found: Iterable[Skipped]) -> Iterator[tuple[str, int | None, str, str]]:
    """Yield the facts of each line that was left out, in the order of their columns."""
    for one in found:
        for line, text in one.lines:
            # Who is left out by a list of ours came from no line, stored as 0.
            yield text, line or None, SKIPPED, one.reason


def _line(names: Iterable[str], facts: Iterable[object]) -> bytes:
    value = dict(zip(names, facts, strict=True))
    return json.dumps(value, ensure_ascii=False).encode(errors="replace") + b"\n"


def row(cells: Iterable[object]) -> bytes:
    """Return one row of a CSV."""
    text = io.StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue().encode()
