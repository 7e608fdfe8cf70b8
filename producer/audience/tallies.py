"""Counting what is left out, and keeping the first of it to show to a person."""

from __future__ import annotations

import numpy as np

from broadcast.openid import LENGTH
from broadcast.sorted_openids import IDs
from producer.audience.audience import Tally
from producer.audience.scan import Ints, Scan

#: How many lines of a kind are shown.
SHOWN = 1000
#: Characters of a malformed line that are shown.
SHOWN_CHARACTERS = 64


def shown(text: str) -> str:
    """Return *text* cut, with every character escaped that a terminal would obey or hide."""
    cut = text[:SHOWN_CHARACTERS]
    if not cut.isprintable():
        cut = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
    return cut[:SHOWN_CHARACTERS]


class MalformedLines:
    """Malformed lines, in the order of the source.

    Their texts stay bytes until the end, when the encoding of the whole source is known.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._count = 0
        self._sample: list[tuple[int, bytes]] = []

    def add(self, found: Scan, *, malformed: Ints, numbers: Ints) -> None:
        """Take the *malformed* lines of a block, whose line numbers are *numbers*."""
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
        """Take the *lines* that repeat *ids*."""
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
