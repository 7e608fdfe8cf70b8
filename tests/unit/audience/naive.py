"""What an audience is, as plainly as Python can say it: the model that the reader is held to."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from broadcast import openid
from producer.audience.openid_list import OpenIDs
from tests.kit.openids import split

OPENID = re.compile(r"[A-Za-z0-9_-]{28}")
_INVISIBLE = "\u200b\u200e\u200f\u2060\ufeff"


@dataclass
class Naive:
    """The exact sets of a list."""

    malformed: list[tuple[int, str]] = field(default_factory=list)
    duplicate: list[tuple[int, str]] = field(default_factory=list)
    planned: set[str] = field(default_factory=set)

    @property
    def read(self) -> int:
        return len(self.malformed) + len(self.duplicate) + len(self.planned)

    @property
    def digest(self) -> str:
        return hashlib.sha256("".join(sorted(self.planned)).encode()).hexdigest()

    def take(self, number: int, text: str, *, blank: bool | None = None) -> None:
        found = bare(text)
        if not found if blank is None else blank:
            return
        if not OPENID.fullmatch(found):
            self.malformed.append((number, shown(text)))
        elif found in self.planned:
            self.duplicate.append((number, found))
        else:
            self.planned.add(found)


def bare(text: str) -> str:
    """Take white space and quotes off, in any mix, until there is no more."""
    while (less := text.strip().strip("\"'“”‘’" + _INVISIBLE)) != text:
        text = less
    return text


def shown(text: str) -> str:
    cut = text.strip(" \t\n\r\x0b\x0c")[:64]
    escaped = [c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut]
    return "".join(escaped)[:64]


def decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030")


def lines_of(text: str) -> list[str]:
    return re.split("\r\n|\r|\n", text)


def naive_plain(lines: Iterable[str]) -> Naive:
    model = Naive()
    for number, line in enumerate(lines, 1):
        model.take(number, line)
    return model


def naive_table(text: str, column: int) -> Naive:
    """Read a CSV with a header."""
    model = Naive()
    for number, row in list(_rows("\n".join(lines_of(text))))[1:]:
        value = row[column] if column < len(row) else ""
        model.take(number, value, blank=not any(map(bare, row)))
    return model


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline="\n"))
    before = 0
    for row in reader:
        yield before + 1, row
        before = reader.line_num


def openids_of(audience: OpenIDs, *, size: int = 3) -> list[str]:
    """Return an audience's OpenIDs by way of its chunks."""
    chunks = audience.chunks(size)
    return [one for chunk in chunks for one in split(openid.unpack(chunk.packed))]


def assert_same(audience: OpenIDs, model: Naive) -> None:
    assert audience.malformed.count == len(model.malformed)
    assert audience.malformed.sample == tuple(model.malformed[:1000])
    assert audience.duplicate.count == len(model.duplicate)
    assert audience.duplicate.sample == tuple(model.duplicate[:1000])
    assert audience.planned == len(model.planned)
    assert audience.read == model.read
    assert audience.digest == model.digest
    assert openids_of(audience) == sorted(model.planned)
