"""Reading an audience: a list of OpenIDs from a file, a stream or another program, exactly.

::

    source ──► blocks of whole lines ──► scan: OpenIDs + line numbers ──► sorted runs ──► merge
    (gzip, BOM, XLSX)  (encoding, header)        (malformed)              (duplicates)  (digest)

Memory is bounded by the size of a run and of a block, never by the length of the list: what does
not fit into one run goes to temporary files in ``TMPDIR`` (64 bytes a line) that vanish with the
audience. The exception is XLSX, which its library holds as a whole.

Every line that is neither blank nor the header is counted once: as malformed, as duplicate or as
planned. Nothing else about the lines is decided here, and nothing is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Literal

from broadcast.rules.plan.cut import SMALLEST
from producer.audience.read_audience import Audience, Tally

__all__ = ["Audience", "Tally", "read"]


def read(
    source: Path | Literal["-"] | BinaryIO | Iterable[str],
    *,
    progress: Callable[[int], None] | None = None,
    least: int = SMALLEST,
) -> Audience:
    """Read *source* to its end and return its audience, sorted and without duplicates.

    A path, ``"-"`` (standard input) or a binary stream may hold plain lines, CSV or XLSX, gzipped
    or not; an iterable gives one OpenID an item. *progress* now and then gets the number of lines
    read so far. With fewer than *least* OpenIDs it cannot be used. Close the audience, or use it
    as a context manager.

    Raises ``AudienceError``, in one line, when the source cannot be used.
    """
    # numpy costs 15 MB and 0.1 s, which only a process that reads a list should pay.
    from producer.audience.reading import read_source  # noqa: PLC0415

    return read_source(source, progress=progress, least=least)
