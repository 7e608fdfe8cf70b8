"""Where a command's words go: results to standard output, all else to standard error.

With ``--json`` standard output gets one object as its last line and nothing else. Everything that
is printed passes :func:`clean`, so that no command has to remember that it may hold a secret.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO, TypeAlias

import typer

from broadcast.errors import BroadcastError
from broadcast.message import Message
from broadcast.redaction import redact
from cli import colours
from presentation.texts import Texts


class Plain(str):
    """A text that is in words already, such as a table."""

    __slots__ = ()


class AsWritten(Plain):
    """A text that is printed as it is, though it may look like a secret.

    Only for what a person wrote for everybody to read, and for the trial account's own values.
    """

    __slots__ = ()


#: A message, an error, the id of a text, or a text in words already.
Sayable: TypeAlias = Message | BroadcastError | str


def clean(text: str) -> str:
    """Return *text* without secrets, unless it is :class:`AsWritten`."""
    return text if isinstance(text, AsWritten) else redact(text)


class Terminal:
    """The streams of one command, and the language of whoever reads them."""

    def __init__(
        self, texts: Texts, *, json_expected: bool = False, only_shows: bool = False
    ) -> None:
        """Take the catalogue; *json_expected* keeps standard output free for the object.

        *only_shows*: the command changes nothing, so its reader may leave early, as ``head`` does.
        """
        self._only_shows = only_shows
        self.texts = texts
        self._json_expected = json_expected
        #: Standard output is closed or full, and results go to standard error.
        self.output_lost = False

    def in_words(self, what: Sayable, /, **facts: object) -> str:
        """Return it in the person's language."""
        return what if isinstance(what, Plain) else self.texts(what, **facts)

    def say(self, what: Sayable, /, **facts: object) -> None:
        """Say a result."""
        text = self.in_words(what, **facts)
        if self._json_expected:
            _echo(text, err=True)
        else:
            self._result(text, painted=None if isinstance(what, Plain) else what)

    def note(self, what: Sayable, /, **facts: object) -> None:
        """Say what goes on beside the result."""
        _echo(self.in_words(what, **facts), err=True)

    def ask(self, what: Sayable, /, **facts: object) -> str:
        """Ask a person, bold where a terminal shows it; return the answer from the same line."""
        question = self.in_words(what, **facts)
        if colours.are_shown(sys.stderr):
            question = typer.style(question, bold=True)
        _echo(f"{question} ", err=True, end="")
        answer = sys.stdin.readline()
        if not answer.endswith("\n"):
            # Nobody pressed Enter: what is printed next begins on a line of its own.
            _echo("", err=True)
        return answer.strip()

    def agrees(self, answer: str) -> bool:
        """Tell whether an answer is a yes, in the person's language or in English."""
        return answer.casefold() in self.texts("send.yes").split()

    def warn(self, what: Sayable, /, **facts: object) -> None:
        """Say a warning in one line."""
        line = one_line(self.in_words(what, **facts))
        _echo(self.texts("output.warning", text=line), err=True)

    def fail(self, what: Sayable, /, *, status: int, **facts: object) -> int:
        """Say an error in one line (what, where, the fix) and return *status*."""
        line = clean(one_line(self.in_words(what, **facts)))
        if self._json_expected:
            self.show_json({"id": None, "state": None, "error": line})
        _echo(self.texts("output.error", text=line), err=True)
        return status

    def show_json(self, value: Mapping[str, Any]) -> None:
        """Print the object of ``--json``."""
        # Value by value: masked as a whole, an open quote in one text would eat the rest.
        line = json.dumps(_clean_values(value), ensure_ascii=False, separators=(", ", ": "))
        self._result(AsWritten(line))

    def _result(self, text: str, *, painted: object = None) -> None:
        """Write to standard output; where that is closed or full, to standard error.

        What was done is done: whoever started it must see the id and the next command. Raises
        BrokenPipeError where a command only shows something and its reader has gone.
        """
        if not self.output_lost:
            try:
                shown = clean(text)
                if painted is not None and colours.are_shown(sys.stdout):
                    shown = colours.painted(shown, painted)
                _echo(AsWritten(shown), err=False)
            except OSError as error:
                if self._only_shows and isinstance(error, BrokenPipeError):
                    raise
                self.output_lost = True
                _discard_output()
                self.warn("output.lost", reason=error.strerror or str(error))
            else:
                return
        _echo(text, err=True)

    def stream(self, rows: Iterable[bytes]) -> None:
        """Write rows of data, which are no words, to standard output as they come.

        Whoever makes them keeps secrets out of them. Raises BrokenPipeError when nobody reads on.
        """
        sys.stdout.buffer.writelines(rows)


def _clean_values(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    match value:
        case str():
            return clean(value)
        case Mapping():
            return {name: _clean_values(each) for name, each in value.items()}
        case list() | tuple():
            return [_clean_values(each) for each in value]
    return value


def one_line(text: str) -> str:
    """Return *text* without line breaks and other characters that would move the cursor."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def command_line(words: list[str]) -> str:
    """Return *words* as one line that a shell reads back as them."""
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    # $'…' is what bash, zsh and ksh read line breaks from.
    return "$'" + "".join(map(_escaped, word)) + "'"


def _escaped(character: str) -> str:
    if character in {"\\", "'"}:
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x80 else f"\\U{code:08x}"  # noqa: PLR2004 - ASCII


def is_terminal() -> bool:
    """Tell whether a person sits there who can be asked."""
    return _is_a_terminal(sys.stdin) and _is_a_terminal(sys.stderr)


def _is_a_terminal(stream: TextIO | None) -> bool:
    """Tell whether *stream* is a terminal; Python has none for a closed one."""
    return stream is not None and stream.isatty()


def _echo(text: str, *, err: bool, end: str = "\n") -> None:
    # A terminal that cannot show a character gets a substitute, not a traceback.
    stream = sys.stderr if err else sys.stdout
    if stream is None:
        if err:
            return
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    encoding = stream.encoding or "utf-8"
    shown = clean(text).encode(encoding, "replace").decode(encoding)
    typer.echo(shown + end, err=err, nl=False)


def _discard_output() -> None:
    """Let nothing more go to standard output, not even what Python kept for its own end."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
