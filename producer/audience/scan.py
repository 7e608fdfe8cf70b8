"""Finding the OpenIDs in a block of lines, without a Python object for each.

A block is bytes of whole lines, each ended by LF, in UTF-8 or GB18030. Both encodings write ASCII
as ASCII and never use LF, comma, semicolon, tab or a quote inside a longer character (the second
byte of GB18030 is 0x30-0x39, 0x40-0x7E or 0x80-0xFE), so lines, fields and OpenIDs can be found in
the bytes before anybody knows which of the two it is.
"""

from __future__ import annotations

import string

import numpy as np
import numpy.typing as npt

from broadcast.frozen import frozen
from broadcast.openid import ERASED, LENGTH, is_openid
from broadcast.quoting import escaped
from broadcast.sorted_openids import IDs
from producer.audience.openid_list import Tally

Bytes2D = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

_SPACES = "".join(c for c in map(chr, range(0x3001)) if c.isspace())
#: What may stand around an OpenID: white space, quotes, and marks that no editor shows.
SURROUNDING = _SPACES + "\"'“”‘’\u200b\u200e\u200f\u2060\ufeff"
_ASCII_SURROUNDING = bytes(ord(c) for c in SURROUNDING if c.isascii() and c != "\n")
_ALPHABET = (string.ascii_letters + string.digits + "_-").encode()
_LINE_OF_OPENID = LENGTH + 1
_LF = 10
_BEYOND_ASCII = 0x80

#: A malformed text is shown to a person: more bytes than 64 characters can have are not kept.
KEPT_BYTES = 64 * 4


def _table(members: bytes) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, np.bool_)
    table[list(members)] = True
    return table


_IN_ALPHABET = _table(_ALPHABET)
_TO_TRIM = _table(_ASCII_SURROUNDING)
_ERASED = np.frombuffer(ERASED, np.uint8)


@frozen
class Scan:
    """Lines of a block by kind, counted from 0 within the block."""

    #: One row of 28 bytes for each OpenID, in the order of the lines.
    ids: Bytes2D
    #: The line of each OpenID; None when every line is one.
    lines: Ints | None
    malformed: Ints
    blank: Ints
    count: int
    block: bytes
    #: Where the line ends stand in the block; None when every line is an OpenID.
    breaks: Ints | None

    def text(self, line: int) -> bytes:
        """Return the text of *line*, cut to the length that is shown."""
        if self.breaks is None:
            start, end = line * _LINE_OF_OPENID, line * _LINE_OF_OPENID + LENGTH
        else:
            start = int(self.breaks[line - 1]) + 1 if line else 0
            end = int(self.breaks[line])
        return self.block[start:end].strip()[:KEPT_BYTES]


_NONE: Ints = np.empty(0, np.int64)


def scan(block: bytes) -> Scan:
    """Sort the lines of *block* into OpenIDs, malformed and blank ones."""
    buffer = np.frombuffer(block, np.uint8)
    clean = ERASED not in block and not block.translate(None, _ALPHABET + b"\n")
    if clean and len(block) % _LINE_OF_OPENID == 0:
        grid = buffer.reshape(-1, _LINE_OF_OPENID)
        if block.count(b"\n") == len(grid) and bool((grid[:, LENGTH] == _LF).all()):
            return Scan(
                ids=grid[:, :LENGTH],
                lines=None,
                malformed=_NONE,
                blank=_NONE,
                count=len(grid),
                block=block,
                breaks=None,
            )
    return _scan_lines(block, buffer, clean=clean)


def _scan_lines(block: bytes, buffer: npt.NDArray[np.uint8], *, clean: bool) -> Scan:
    breaks = np.flatnonzero(buffer == _LF)
    ends = breaks.copy()
    starts = np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1))
    if not clean:
        _trim(block, buffer, starts=starts, ends=ends)
    fits = np.flatnonzero(ends - starts == LENGTH)
    ids = _cut(buffer, starts[fits])
    if not clean:
        good = _IN_ALPHABET[ids].all(axis=1) & (ids != _ERASED).any(axis=1)
        if not good.all():
            fits, ids = fits[good], ids[good]
    rest = np.ones(len(ends), np.bool_)
    rest[fits] = False
    empty = ends == starts
    return Scan(
        ids=ids,
        lines=fits,
        malformed=np.flatnonzero(rest & ~empty),
        blank=np.flatnonzero(empty),
        count=len(ends),
        block=block,
        breaks=breaks,
    )


def _cut(buffer: npt.NDArray[np.uint8], starts: Ints) -> Bytes2D:
    if not len(starts):
        return np.empty((0, LENGTH), np.uint8)
    windows: Bytes2D = np.lib.stride_tricks.sliding_window_view(buffer, LENGTH)[starts]
    return windows


def _trim(block: bytes, buffer: npt.NDArray[np.uint8], *, starts: Ints, ends: Ints) -> None:
    """Move *starts* and *ends* inwards over whatever surrounds the text of a line."""
    odd = np.flatnonzero(ends - starts != LENGTH)
    for _ in range(4):
        open_ = odd[starts[odd] < ends[odd]]
        front = open_[_TO_TRIM[buffer[starts[open_]]]]
        starts[front] += 1
        open_ = odd[starts[odd] < ends[odd]]
        back = open_[_TO_TRIM[buffer[ends[open_] - 1]]]
        ends[back] -= 1
        odd = np.union1d(front, back)
        if not len(odd):
            break
    for line in np.union1d(odd, _foreign(block, starts=starts, ends=ends)).tolist():
        start, end = int(starts[line]), int(ends[line])
        text = trimmed(block[start:end])
        starts[line] = block.find(text, start, end)
        if not text:
            ends[line] = starts[line]
        elif is_openid(text):
            ends[line] = starts[line] + LENGTH
        else:
            starts[line], ends[line] = start, end


def _foreign(block: bytes, *, starts: Ints, ends: Ints) -> Ints:
    """Return the lines whose edges may be characters beyond ASCII, such as a full-width space."""
    if block.isascii():
        return _NONE
    buffer = np.frombuffer(block, np.uint8)
    beyond: Ints = np.zeros(len(buffer) + 1, np.int64)
    np.cumsum(buffer >= _BEYOND_ASCII, out=beyond[1:])
    return np.flatnonzero((beyond[ends] != beyond[starts]) & (ends - starts != LENGTH))


def trimmed(line: bytes) -> bytes:
    """Return *line* without what surrounds it, whichever of the two encodings it is in."""
    for encoding in ("utf-8", "gb18030"):
        try:
            return line.decode(encoding).strip(SURROUNDING).encode(encoding)
        except UnicodeDecodeError:
            continue
    return line


#: How many lines of a kind are shown.
SHOWN = 1000
#: Characters of a malformed line that are shown.
SHOWN_CHARACTERS = 64


def shown(text: str) -> str:
    """Return *text* cut, with every character escaped that a terminal would obey or hide."""
    return escaped(text[:SHOWN_CHARACTERS])[:SHOWN_CHARACTERS]


class MalformedLines:
    """Malformed lines, in the order of the source.

    Their texts stay bytes until the end, when the encoding of the whole source is known.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._count = 0
        self._sample: list[tuple[int, bytes]] = []

    def add(self, found: Scan, *, malformed: Ints, numbers: Ints) -> None:
        """Add the *malformed* lines of a block, whose line numbers are *numbers*."""
        self._count += len(malformed)
        for line in malformed[: SHOWN - len(self._sample)].tolist():
            self._sample.append((int(numbers[line]), found.text(line)))

    def tally(self, encoding: str) -> Tally:
        """Return the figures, with the texts read in *encoding*."""
        # A text that was cut may end in the middle of a character, behind what is shown.
        sample = tuple((n, shown(text.decode(encoding, "replace"))) for n, text in self._sample)
        return Tally(count=self._count, sample=sample)


class DuplicateLines:
    """Duplicates, which come in the order of their OpenIDs and are shown in that of their lines."""

    def __init__(self) -> None:
        """Start with none."""
        self._count = 0
        self._lines: Ints = np.empty(0, np.int64)
        self._ids: IDs = np.empty(0, f"S{LENGTH}")

    def add(self, lines: Ints, ids: IDs) -> None:
        """Add the *lines* that repeat *ids*."""
        self._count += len(lines)
        if len(lines) > SHOWN:
            keep = np.argpartition(lines, SHOWN)[:SHOWN]
            lines, ids = lines[keep], ids[keep]
        self._lines = np.concatenate((self._lines, lines))
        self._ids = np.concatenate((self._ids, ids))
        if len(self._lines) > 4 * SHOWN:
            self._cut()

    def _cut(self) -> None:
        order = np.argsort(self._lines)[:SHOWN]
        self._lines, self._ids = self._lines[order], self._ids[order]

    def tally(self) -> Tally:
        """Return the figures."""
        self._cut()
        pairs = zip(self._lines.tolist(), self._ids.tolist(), strict=True)
        return Tally(
            count=self._count, sample=tuple((n, openid.decode("ascii")) for n, openid in pairs)
        )
