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
#: Before each line of a text.
INDENT: Final = "    "

#: What a line says: whose account, to how many, what and when, which always stays; what a person
#: may have overlooked; all else, and what can best be left out.
FACT, NOTICE, REST, LAST = range(4)
_REST: Final = (
    "confirmation.article",
    "confirmation.batches",
    "confirmation.keeps_files",
    "confirmation.left_out",
    "confirmation.part.",
    "confirmation.priority",
    "confirmation.server",
    "confirmation.t",
)


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

    *more*: the text that says so. Behind a text that is cut it says how long that is.
    """
    texts = {n: line for n, (_, line) in enumerate(lines) if isinstance(line, AsWritten)}
    kept = _kept(terminal, lines)
    if any(kept.get(n) != line for n, line in texts.items()):
        size = sum(len(line.removeprefix(INDENT)) for line in texts.values())
        cut, behind = Message("confirmation.cut", lines=len(texts), n=size), max(texts) + 1
        lines = [*lines[:behind], (FACT, cut), *lines[behind:]]
        kept = _kept(terminal, lines)
    yield from (kept[n] for n in sorted(kept))
    if hidden := len([n for n in range(len(lines)) if n not in kept and n not in texts]):
        yield Message(more, n=hidden)


def _kept(terminal: Terminal, lines: Sequence[tuple[int, Sayable]]) -> dict[int, str]:
    """Return the lines that fit, by their places; of a text the first ones."""
    left, notices, kept, is_cut = ROWS - 1, MOST_NOTICES, dict[int, str](), False
    for n, (weight, line) in sorted(enumerate(lines), key=lambda each: each[1][0]):
        text, is_text = terminal.as_note(line), isinstance(line, AsWritten)
        if isinstance(line, AsWritten) and len(line) > MOST_CHARACTERS:
            text = AsWritten(f"{line[:MOST_CHARACTERS]}…")
        rows = _rows(text)
        fits = rows <= left and (notices or weight != NOTICE) and not (is_text and is_cut)
        if weight == FACT or fits:
            left, notices, kept[n] = left - rows, notices - (weight == NOTICE), text
        else:
            is_cut = is_cut or is_text
    return kept


def _rows(text: str) -> int:
    width = styling.width_of_terminal()
    return sum(-(-cell_len(row) // width) or 1 for row in Text.from_ansi(text).plain.split("\n"))
