"""Completion of a command line that a person is typing, for bash, zsh and fish.

``entrypoints/cli/shells/`` has the script of each shell. It hands the line up to the cursor to this
program, in an environment variable, and gets one candidate a line: a value, and behind a tab what
it is. Typer finds the candidates; its own scripts are not used,
because the one for zsh evaluates what it gets,
and the titles of broadcasts are other people's words.

A person waits for it with a finger on the key: where a part is away, slow or wrong, there is
nothing to choose from, and no word about it.
"""

from __future__ import annotations

import os
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# Typer has it nowhere else.
from typer._click.shell_completion import ShellComplete, split_arg_string

from entrypoints.cli.terminal import Plain, clean

SHELLS: Final = ("bash", "zsh", "fish")
#: Characters of a title or a text that are shown.
LONGEST: Final = 60
_SCRIPTS = Path(__file__).with_name("shells")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible next word, and its meaning."""

    value: str
    help: str | None = None


def script(shell: str) -> str:
    """Return the script that makes *shell* ask this program."""
    return (_SCRIPTS / f"broadcast.{shell}").read_text("utf-8")


def answer(root: Any, run: Any, line: str) -> None:
    """Print the possible next words at the end of *line*."""
    with (
        Path(os.devnull).open("w") as nowhere,
        redirect_stderr(nowhere),
        suppress(Exception),
    ):
        if lines := _Lines(root, run, line).complete():
            run.say(Plain(lines))


class _Lines(ShellComplete):
    """The candidates as our scripts read them."""

    name = "lines"
    source_template = ""

    def __init__(self, root: Any, run: Any, line: str) -> None:
        super().__init__(root, {"obj": run}, "broadcast", "")
        self._line = line

    def source_vars(self) -> dict[str, Any]:
        """Return nothing: the scripts are files."""
        return {}

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words behind ``broadcast``, and the one that is being typed."""
        words = split_arg_string(self._line)[1:]
        typed = words.pop() if words and not self._line[-1].isspace() else ""
        return words, typed

    def format_completion(self, item: Any) -> str:
        """Return one line."""
        help_text = " ".join(clean(item.help or "").split())
        if len(help_text) > LONGEST:
            help_text = help_text[: LONGEST - 1].rstrip() + "…"
        return f"{item.value}\t{help_text}" if help_text else str(item.value)
