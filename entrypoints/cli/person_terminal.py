"""Person at the terminal: whether one can be asked, and where the question is shown."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

#: The terminal by which a process is controlled; without one it cannot be opened.
_OF_PROCESS: Final = Path("/dev/tty")


def is_terminal() -> bool:
    """Return whether a person sits there who can be asked.

    That is so where keys are read from a terminal and a question can be shown on one, whatever
    standard output and standard error go into.
    """
    if not is_a_terminal(sys.stdin):
        return False
    with terminal_of_person() as shown:
        return is_a_terminal(shown)


@contextmanager
def terminal_of_person() -> Iterator[TextIO | None]:
    """Yield where a question is shown: standard error, or else the terminal of the process."""
    with ExitStack() as stack:
        shown = sys.stderr
        if not is_a_terminal(shown):
            with suppress(OSError):
                shown = stack.enter_context(_OF_PROCESS.open("w", encoding="utf-8"))
        yield shown


def is_a_terminal(stream: TextIO | None) -> bool:
    """Return whether *stream* is a terminal; Python has none for a closed one."""
    return stream is not None and stream.isatty()
