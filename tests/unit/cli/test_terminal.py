from __future__ import annotations

import ast
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast import redaction
from broadcast.errors import BroadcastError, InputError, OutOfReachError
from broadcast.quoting import one_line
from entrypoints.cli import main, streaming
from entrypoints.cli.run import Run
from entrypoints.cli.shell_quoting import command_line
from entrypoints.cli.terminal import AsWritten, Plain, Terminal
from tests.unit.views.reports import EN


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def invoke(_: Run) -> int:
        raise error

    monkeypatch.setattr(main, "_invoke", invoke)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("error.key.empty"), 2),
        (OutOfReachError("error.schema.missing", database="sqlite:///x"), 3),
        (BroadcastError("error.broadcast.none"), 1),
        (KeyboardInterrupt(), 130),
        (RuntimeError("odd\nthings"), 1),
    ],
)
def test_every_error_is_one_line_and_a_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
) -> None:
    raising(monkeypatch, error)

    assert main.run(["send"]) == status

    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.splitlines()) == 1


def test_a_bug_tells_its_class_and_how_to_see_more_but_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    redaction.remember("very-secret-value")
    raising(monkeypatch, ValueError("access_token=abcdef0123 and very-secret-value"))

    assert main.run([]) == 1
    short = capsys.readouterr().err
    monkeypatch.setenv(streaming.DEBUG, "1")
    assert main.run([]) == 1
    long = capsys.readouterr().err

    assert "ValueError" in short
    assert "BROADCAST_DEBUG=1" in short
    assert "Traceback" not in short
    assert "Traceback" in long
    assert "test_terminal.py" in long
    for secret in ("abcdef0123", "very-secret-value"):
        assert secret not in short + long
    redaction.forget_all()


def test_with_json_an_error_is_an_object_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, InputError("error.key.empty"))

    main.run(["send", "--json"])

    shown = capsys.readouterr()
    assert json.loads(shown.out)["error"] in shown.err

    main.run(["send"])
    assert capsys.readouterr().out == ""


def test_nothing_is_printed_with_a_secret_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    redaction.remember("very-secret-value")
    text = Plain("very-secret-value, access_token=abcdef0123, redis://:hunter2@host/0")
    terminal = Terminal(EN)

    terminal.say(text)
    terminal.note(text)
    terminal.warn(text)
    terminal.show_json({"a": text, "b": [{"c": text}], "n": 3})

    shown = capsys.readouterr()
    for secret in ("very-secret-value", "abcdef0123", "hunter2"):
        assert secret not in shown.out + shown.err
    assert (shown.out + shown.err).count("access_token=***") == 5
    redaction.forget_all()


def test_a_masked_object_is_still_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    open_quote = "appsecret='never closed"

    Terminal(EN).show_json({"first": open_quote, "last": {"n": 1, "none": None}})

    told = json.loads(capsys.readouterr().out)
    assert "never closed" not in told["first"]
    assert told["last"] == {"n": 1, "none": None}


def test_what_is_marked_as_written_is_printed_as_written(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Terminal(EN).say(AsWritten("password: of nobody"))

    assert capsys.readouterr().out == "password: of nobody\n"


def test_only_the_one_place_prints() -> None:
    """Help holds no facts, and the bars clean the only text that is not their own."""
    own = {"terminal.py", "command_help.py", "progress.py", "sync_progress.py"}
    printing = {"print", "echo", "secho", "write", "print_json"}
    found = [
        f"{file.name}:{node.lineno}"
        for file in sorted(Path(main.__file__).parent.rglob("*.py"))
        if file.name not in own
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _called(node) in printing
    ]

    # The list draws its table into a text first, the guard writes to a process of ours, the
    # configuration of Valkey is a file, and rows of data are no words.
    assert [one.partition(":")[0] for one in found] == [
        "status.py",
        "embedded_parts.py",
        "guard.py",
        "streaming.py",
    ]


def _called(call: ast.Call) -> str:
    return str(getattr(call.func, "id", getattr(call.func, "attr", "")))


def test_a_character_that_the_terminal_lacks_is_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "entrypoints.cli.main", "sned"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "BROADCAST_LANG": "zh"},
    )

    assert done.returncode == 2
    assert b"sned" in done.stderr
    assert b"Traceback" not in done.stderr


def test_line_breaks_and_control_characters_do_not_break_the_line() -> None:
    assert one_line("a\n b\r\x1b[31m\u2028c") == "a b [31m c"


@pytest.mark.parametrize(
    "words",
    [
        ["send", "--text", "a b"],
        ["it's", "$HOME", "`x`"],
        ["two\nlines", "tab\t'and' \\ back"],
        ["周五\n见", "😀"],
    ],
)
def test_a_command_line_is_read_back_by_a_shell(words: list[str]) -> None:
    line = command_line(words)

    assert "\n" not in line
    read = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {line}"],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8"},
    )
    assert read.stdout.decode().split("\0")[:-1] == words


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_quoted_word_never_has_a_line_break(word: str) -> None:
    assert command_line([word]).isprintable()


def test_two_runs_in_one_process_speak_each_its_own_language(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The help too, which is declared where the commands are imported."""
    told = []
    for lang in ("zh", "en", "zh"):
        monkeypatch.setenv("BROADCAST_LANG", lang)
        main.run(["pause", "--help"])
        main.run(["sned"])
        told.append(capsys.readouterr())

    assert told[0] == told[2]
    assert "用法" in told[0].out
    assert "Usage" in told[1].out
    assert "命令" in told[0].err
    assert "command" in told[1].err


@pytest.mark.parametrize("terminal", [True, False])
def test_the_command_of_an_error_is_what_a_shell_reads(
    monkeypatch: pytest.MonkeyPatch,
    *,
    terminal: bool,
) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: terminal  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    words = ["broadcast", "send", "--text", "two  blanks -- and more words than a line holds"]

    Terminal(EN).fail("send.not_stored", status=3, problem="Away.", command=command_line(words))

    shown = stream.getvalue()
    assert len(shown.splitlines()) == 1 or terminal
    assert shlex.split(shown[shown.index("broadcast send") :].replace("\\\n", "")) == words


class Short(io.RawIOBase):
    """An unbuffered output that takes a part of each write, and is full in the end."""

    def __init__(self, room: int) -> None:
        self.room, self.taken = room, b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(data)[: min(7, self.room - len(self.taken))]  # type: ignore[call-overload]
        if not part:
            raise OSError(28, "No space left on device")
        self.taken += part
        return len(part)


@pytest.mark.parametrize("room", [1_000, 30])
def test_rows_are_written_whole_or_it_is_an_error(
    monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """With PYTHONUNBUFFERED standard output may take a part of what it is given."""
    out = Short(room)
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(out))  # type: ignore[type-var]
    rows = [b"one row\n"] * 9

    if room == 30:
        with pytest.raises(OutOfReachError) as raised:
            Terminal(EN).stream(rows)
        assert "incomplete" in EN(raised.value)
    else:
        Terminal(EN).stream(rows)
        assert out.taken == b"".join(rows)
