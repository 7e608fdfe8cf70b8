"""Lines before a question: so few that a person reads them, and the weightiest stay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from rich.cells import cell_len
from rich.text import Text

from broadcast.message import Message
from entrypoints.cli import styling
from entrypoints.cli.terminal import AsWritten, Sayable, Terminal

#: Rows of a screen before a question.
ROWS: Final = 12
MOST_NOTICES: Final = 3
#: Characters of one line of a text: two rows of Chinese.
MOST_CHARACTERS: Final = 74

#: What a line says: whose account, to how many, what and when, which always stays; what a person
#: may have overlooked; all else.
FACT, NOTICE, REST = range(3)
_REST: Final = (
    "confirmation.article", "confirmation.batches", "confirmation.keeps_files",
    "confirmation.left_out", "confirmation.part.", "confirmation.priority", "confirmation.server",
    "confirmation.t",
)  # fmt: skip


def weighed(lines: Iterable[Sayable]) -> Iterator[tuple[int, Sayable]]:
    """Yield the weight of each line of a summary, and the line."""
    is_first = False
    for line in lines:
        name = getattr(line, "id", "confirmation.part.")
        is_rest = name.startswith(_REST) and not is_first
        # A halt or a stop stands among them.
        yield REST if is_rest else FACT if name.startswith("confirmation.") else NOTICE, line
        is_first = name == "confirmation.content"


def fitting(
    terminal: Terminal, lines: Sequence[tuple[int, Sayable]], *, more: str = "send.more"
) -> Iterator[Sayable]:
    """Yield those of the weighed *lines* that fit, as they are printed, and how many do not.

    *more*: the text that says so.
    """
    left, notices, kept = ROWS - 1, MOST_NOTICES, dict[int, str]()
    for n, (weight, line) in sorted(enumerate(lines), key=lambda each: each[1][0]):
        text = terminal.as_note(line)
        if isinstance(line, AsWritten) and len(line) > MOST_CHARACTERS:
            text = AsWritten(f"{line[:MOST_CHARACTERS]}…")
        rows = _rows(text)
        if weight == FACT or (rows <= left and (notices or weight == REST)):
            left, notices, kept[n] = left - rows, notices - (weight == NOTICE), text
    yield from (kept[n] for n in sorted(kept))
    if len(kept) < len(lines):
        yield Message(more, n=len(lines) - len(kept))


def _rows(text: str) -> int:
    width = styling.width_of_terminal()
    return sum(-(-cell_len(row) // width) or 1 for row in Text.from_ansi(text).plain.split("\n"))
