"""Output of a command: results to standard output, all else to standard error.

With ``--json`` standard output gets one object as its last line and nothing else. Everything that
is printed passes :func:`clean`, so that no command has to remember that it may hold a secret.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import termios
import textwrap
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NoReturn, TextIO, TypeAlias, TypeVar

import typer

from broadcast.errors import BroadcastError, InputError, OutOfReachError, of_file
from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.redaction import redact
from broadcast.views.texts import Texts
from entrypoints.cli import exits, person_terminal, streaming, styling
from entrypoints.cli.person_terminal import is_a_terminal, is_terminal

_Read = TypeVar("_Read")
#: More lines than any question has above it.
_MOST_UNSEEN: Final = 100


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
    """The streams of one command, and the language of its reader."""

    def __init__(
        self, texts: Texts, *, json_expected: bool = False, only_shows: bool = False
    ) -> None:
        """*json_expected* keeps standard output free for the object.

        *only_shows*: the command changes nothing, so its reader may leave early, as ``head`` does.
        """
        self._only_shows = only_shows
        self.texts = texts
        self._json_expected = json_expected
        #: Standard output is closed or full, and results go to standard error.
        self.output_lost = False
        #: Lines that went into a file or a pipe since the last question.
        self._unseen: deque[str] = deque(maxlen=_MOST_UNSEEN)

    def in_words(self, what: Sayable, /, **facts: object) -> str:
        """Return it in the person's language."""
        return what if isinstance(what, Plain) else self.texts(what, **facts)

    def say(self, what: Sayable, /, **facts: object) -> None:
        """Say a result."""
        self._say(self.in_words(what, **facts), what)

    def _say(self, text: str, what: Sayable) -> None:
        if self._json_expected:
            self._error_line(text, what)
        else:
            self._result(text, what)

    def say_each(self, lines: Iterable[Sayable]) -> None:
        """Say lines, one after the other."""
        for line in lines:
            self.say(line)

    def note_each(self, lines: Iterable[Sayable]) -> None:
        """Print notes, one after the other."""
        for line in lines:
            self.note(line)

    def warn_each(self, lines: Iterable[Sayable]) -> None:
        """Say warnings, a line each."""
        for line in lines:
            self.warn(line)

    def say_all(self, lines: Iterable[Sayable]) -> None:
        """Say the lines of one report, whose zone of time is named once."""
        with self.texts.zone_once():
            self.say_each(lines)

    def say_below(self, line: Sayable) -> None:
        """Say a line that belongs to the one above it, farther in."""
        self._say(textwrap.indent(self.in_words(line), "    "), line)

    def note(self, what: Sayable, /, **facts: object) -> None:
        """Print a note beside the result."""
        self._error_line(self.in_words(what, **facts), what)

    def _error_line(self, text: str, what: object) -> None:
        """Write a line to standard error, and keep it for a question where nobody sees it."""
        self._keep_unseen(text, sys.stderr)
        _echo(fitted(text, what, sys.stderr), err=True)

    def _keep_unseen(self, text: str, stream: TextIO | None) -> None:
        if not is_a_terminal(stream):
            self._unseen.append(AsWritten(clean(text)))

    def as_note(self, what: Sayable, /, **facts: object) -> AsWritten:
        """Return a note as it is printed."""
        return fitted(self.in_words(what, **facts), what, sys.stderr)

    def ask(self, what: Sayable, /, **facts: object) -> str:
        """Ask a person, bold where a terminal shows it; return the answer from the same line.

        Where standard error is no terminal, the question stands on the terminal of the process,
        below the lines that went into files.
        """
        question = clean(self.in_words(what, **facts))
        if is_a_terminal(sys.stdin):
            # Whatever was typed before it was shown is no answer to it.
            termios.tcflush(sys.stdin, termios.TCIFLUSH)
        with person_terminal.terminal_of_person() as shown:
            self._show_unseen(shown)
            if is_a_terminal(shown):
                question = styling.wrapped(question, styling.width_of_terminal())
            if styling.are_shown(shown):
                question = typer.style(question, bold=True)
            _write(question, shown, end=" ")
            answer = ""
            try:
                answer = sys.stdin.readline()
            finally:
                if not answer.endswith("\n"):
                    # Nobody pressed Enter: what is printed next begins on a line of its own.
                    _write("", shown)
        return answer.strip()

    def _show_unseen(self, shown: TextIO | None) -> None:
        """Show a person the lines of this command that no terminal has shown."""
        while self._unseen:
            line = self._unseen.popleft()
            if is_a_terminal(shown):
                _write(AsWritten(styling.wrapped(line, styling.width_of_terminal())), shown)

    def agrees(self, answer: str) -> bool:
        """Return whether an answer is a yes, in the person's language or in English."""
        return answer.casefold() in self.texts("send.yes").split()

    def confirm(
        self,
        question: Sayable,
        declined: str,
        unasked: str | None = None,
        /,
        *,
        yes: bool,
        **facts: object,
    ) -> bool:
        """Ask for a yes where somebody sits at a terminal and did not say it before (*yes*).

        Return whether it was asked. Raises typer.Exit for a no, once *declined* is said, and
        InputError *unasked* where nobody can be asked.
        """
        if yes:
            return False
        if not is_terminal():
            if unasked is not None:
                raise InputError(unasked, **facts)
            return False
        if not self.agrees(self.ask(question, **facts)):
            self.decline(declined, **facts)
        return True

    def decline(self, declined: str, /, **facts: object) -> NoReturn:
        """Say that a person declined; raises typer.Exit."""
        self.note(declined, **facts)
        raise typer.Exit(exits.FAILED)

    def warn(self, what: Sayable, /, **facts: object) -> None:
        """Say a warning in one line."""
        self._say_in_one_line("output.warning", self.in_words(what, **facts))

    def fail(self, what: Sayable, /, *, status: int, **facts: object) -> int:
        """Say an error in one line (what, where, the fix) and return *status*.

        On a terminal a command that fixes it follows on a line of its own.
        """
        text = clean(self.in_words(what, **facts))
        if self._json_expected:
            self.show_json({"id": None, "state": None, "error": _with_command(text, " ")})
        self._say_in_one_line("output.error", text)
        return status

    def _say_in_one_line(self, kind: str, text: str) -> None:
        between = f"\n{styling.COMMAND_INDENT}" if is_a_terminal(sys.stderr) else " "
        self._error_line(self.texts(kind, text=_with_command(text, between)), None)

    def show_json(self, value: Mapping[str, Any]) -> None:
        """Print the object of ``--json``."""
        # Value by value: masked as a whole, an open quote in one text would eat the rest.
        line = json.dumps(_clean_values(value), ensure_ascii=False, separators=(", ", ": "))
        written = AsWritten(line)
        self._result(written, written)

    def _result(self, text: str, what: object) -> None:
        """Write to standard output; where that is closed or full, to standard error.

        What was done is done: whoever started it must see the id and the next command. Raises
        BrokenPipeError where a command only shows something and its reader has gone.
        """
        if not self.output_lost:
            self._keep_unseen(text, sys.stdout)
            try:
                _echo(fitted(text, what, sys.stdout), err=False)
            except OSError as error:
                if self._only_shows and isinstance(error, BrokenPipeError):
                    raise
                self.output_lost = True
                _discard_output()
                self.warn("output.lost", reason=of_file(error))
            else:
                return
        _echo(text, err=True)

    def show_page(self, text: str) -> None:
        """Write a help, which has its own line ends.

        Raises BrokenPipeError when nobody reads on, and OutOfReachError where it is not written.
        """
        try:
            _echo(text, err=False, end="")
        except BrokenPipeError:
            raise
        except OSError as error:
            _discard_output()
            raise OutOfReachError("error.output.unwritten", reason=of_file(error)) from None

    def stream(self, rows: Iterable[bytes], *, into: Path | None = None) -> None:
        """Write rows of data, which are no words, to standard output as they come, or into a file.

        Whoever makes them keeps secrets out of them. Raises BrokenPipeError when nobody reads on,
        and OutOfReachError or CutOffError where they ended before their end. There is no file then.
        """
        taken = streaming.Rows(rows)
        try:
            if into is None:
                streaming.write_all(taken)
            else:
                streaming.write_file(into, taken)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutOfReachError("error.output.incomplete", reason=of_file(error)) from None
        except Exception as error:
            if not taken.begun:
                raise
            problem = streaming.cut_off(error)
        else:
            return
        raise problem

    def stream_json(
        self,
        name: str,
        each: Iterable[Mapping[str, Any]],
        *,
        beside: Mapping[str, Any] = MappingProxyType({}),
        into: Path | None = None,
    ) -> None:
        """Print the object of ``--json``, whose list *name* is never held as a whole.

        *beside*: its other members. A list that is cut off is JSON all the same, and its error
        stands in the object; a file is not written then. Raises as :meth:`stream` does.
        """
        every = iter(each)
        # What fails before anything is there to show has the object of every other failure.
        first = list(islice(every, 1))
        self._json_expected = False
        cut: list[BroadcastError] = []
        before = json.dumps(_clean_values(beside), ensure_ascii=False)[1:-1]
        begin = f'{{{before}{", " if before else ""}"{name}": ['.encode()
        rows = self._rows_of_object(begin, chain(first, every), cut)
        self.stream(rows if into is None else streaming.whole(rows, cut), into=into)
        for problem in cut:
            raise problem

    def _rows_of_object(
        self, begin: bytes, each: Iterable[Mapping[str, Any]], cut: list[BroadcastError]
    ) -> Iterator[bytes]:
        """Yield the object in one line; *cut* gets what ended it before its end."""
        yield begin
        between, cut_off = "", None
        try:
            for one in each:
                yield (between + json.dumps(_clean_values(one), ensure_ascii=False)).encode()
                between = ", "
        except Exception as error:  # noqa: BLE001 - raised once the object is whole
            cut.append(streaming.cut_off(error))
            cut_off = _with_command(clean(self.in_words(cut[0])), " ")
        yield f'], "error": {json.dumps(cut_off, ensure_ascii=False)}}}\n'.encode()


def _clean_values(value: Any) -> Any:
    match value:
        case str():
            return clean(value)
        case Mapping():
            return {name: _clean_values(each) for name, each in value.items()}
        case list() | tuple():
            return [_clean_values(each) for each in value]
    return value


def _with_command(text: str, between: str) -> str:
    """Return *text* in one line, and the command on the last one as it is: a shell reads it."""
    sentence, separator, command = text.partition(f"\n{styling.COMMAND_INDENT}")
    return one_line(sentence) + (between if separator else "") + command


def short(text: str, most: int = 40) -> str:
    """Return what somebody typed as an error shows it: on one line, and not too long."""
    return one_line(text)[:most]


def parsed(read: Callable[[str], _Read], text: str, problem: str) -> _Read:
    """Return what *read* makes of an option. Raises InputError *problem* for its ValueError."""
    try:
        return read(text)
    except ValueError:
        raise InputError(problem, text=short(text)) from None


def fitted(text: str, what: object, stream: TextIO | None) -> AsWritten:
    """Return *text* without secrets and, on a terminal, as wide as that is and with its colours."""
    if isinstance(what, Plain) or not is_a_terminal(stream):
        return AsWritten(clean(text))
    shown = styling.wrapped(clean(text), styling.width_of_terminal())
    return AsWritten(styling.painted(shown, what) if styling.are_shown(stream) else shown)


def _echo(text: str, *, err: bool, end: str = "\n") -> None:
    stream = sys.stderr if err else sys.stdout
    if stream is None and not err:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    _write(text, stream, end)


def _write(text: str, stream: TextIO | None, end: str = "\n") -> None:
    """Write to a stream, where there is one."""
    if stream is None:
        return
    # A terminal that cannot show a character gets a substitute, not a traceback.
    encoding = stream.encoding or "utf-8"
    shown = clean(text).encode(encoding, "replace").decode(encoding)
    typer.echo(shown + end, file=stream, nl=False)


def _discard_output() -> None:
    """Discard all later standard output, even what Python kept for its own end."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
