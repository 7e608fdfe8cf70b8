"""Tab in a shell: what may come next on the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import typer
from sqlalchemy import Engine, update

from broadcast.rules.reports import SETS
from broadcast.views.texts import LANGUAGES, Language, Texts
from broadcast.wechat.errcodes import errcodes
from entrypoints.cli import candidates, completing, main
from entrypoints.cli.candidates import MOST
from entrypoints.cli.group import COMMANDS, LazyGroup, help_id
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import Terminal
from models.broadcast_tables import BroadcastRow
from models.ledger.views import broadcast_reports
from tests.kit import ledger
from tests.kit.wait import until

#: What a shell would make of this title is for its eyes only.
TITLE = "it's $(touch ran) `touch ran` [bold] \\$(touch ran) a:b"


def offered(
    capsys: pytest.CaptureFixture[str], line: str, lang: Language = "en"
) -> dict[str, str | None]:
    """Return what may come next at the end of *line*, each with what it is."""
    root = typer.main.get_command(main._root())
    completing.answer(root, Run(Terminal(Texts(lang))), f"broadcast {line}")
    told = capsys.readouterr()
    assert told.err == ""
    each = [one.partition("\t") for one in told.out.splitlines()]
    return {value: about if tab else None for value, tab, about in each}


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine answers, too."""
    monkeypatch.setattr(candidates, "PATIENCE_S", 60)


def titled(engine: Engine, title: str) -> str:
    broadcast_id = ledger.broadcast(engine)
    with engine.begin() as connection:
        row = update(BroadcastRow).where(BroadcastRow.id == broadcast_id)
        connection.execute(row.values(title=title))
    return broadcast_id


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_command_is_offered_with_its_help(
    capsys: pytest.CaptureFixture[str], lang: Language
) -> None:
    found = offered(capsys, "", lang)

    assert list(found) == list(COMMANDS)
    assert all(
        (told or "").removesuffix("…") in Texts(lang)(help_id(n)) for n, told in found.items()
    )
    assert list(offered(capsys, "unh")) == ["unhalt"]
    assert list(offered(capsys, "help unh")) == ["unhalt"]


def test_the_help_of_a_command_is_known_without_importing_it() -> None:
    root = LazyGroup(name="broadcast")

    each = {name: root.get_command(None, name) for name in COMMANDS}

    assert {name: help_id(name) for name in each} == {n: c.help for n, c in each.items()}


def test_options_and_their_values_are_offered(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--spread-days" in offered(capsys, "send --")
    assert "--account" not in offered(capsys, "send --account default --a")
    assert list(offered(capsys, "recipients --set ")) == [*SETS, "skipped"]
    assert list(offered(capsys, "recipients --set=in")) == ["in_doubt"]
    assert list(offered(capsys, "watch --until ")) == ["accepted", "finished"]
    assert offered(capsys, "halt --account d") == {"default": ledger.account().appid}
    assert offered(capsys, "explain 45009") == {"45009": errcodes()[45009].meaning}
    assert list(offered(capsys, "completion z")) == ["zsh"]


@pytest.mark.usefixtures("patient")
def test_broadcasts_are_offered_newest_first_with_their_titles_or_first_words(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = ledger.broadcast(here), titled(here, "sale\tof\n" + "x" * 100)

    for command in ("status", "watch", "pause --why hurry", "recipients --set waiting", "audit"):
        found = offered(capsys, f"{command} ")
        assert list(found) == [second, first, "@last"]
        assert found[first] == "您好 🎉"
        assert found[second] == "sale of " + "x" * (completing.LONGEST - 9) + "…"
    assert list(offered(capsys, f"status {first[:-1]}")) == [first]


@pytest.mark.usefixtures("patient")
def test_no_more_than_the_newest_are_offered(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(MOST + 1):
        ledger.broadcast(here, size=2, batches=1)

    assert len(offered(capsys, "status ")) == MOST + len(["@last"])


def test_what_cannot_be_looked_up_is_silence_and_makes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")
    monkeypatch.setenv("BROADCAST_ACCOUNTS_FILE", "none.toml")
    monkeypatch.setenv("WECHAT_APPIDD", "misspelt")

    for line in ("status ", "halt --account ", "nonsense ", "send --text --json -", "list x y "):
        assert offered(capsys, line) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_does_not_answer_keeps_nobody_waiting(
    here: Engine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    monkeypatch.setattr(
        broadcast_reports, "reports", lambda *_, **__: [] if answers.wait(600) else None
    )
    monkeypatch.setattr(candidates, "PATIENCE_S", 0.1)
    before = set(threading.enumerate())

    assert offered(capsys, "status ") == {}

    [looks] = set(threading.enumerate()) - before
    # Any other would keep the process from its end.
    assert looks.daemon
    answers.set()
    looks.join(60)


#: The words of a line as bash divides them, anew at = and at @; what comes next there, and in fish.
LINES = {
    "broadcast status @la": ("broadcast status @ la", "last", "@last"),
    "broadcast recipients --set=i": (
        "broadcast recipients --set = i",
        "in_doubt",
        "--set=in_doubt",
    ),
    "broadcast status 2": ("broadcast status 2", "ID", "ID"),
}
IN_SHELLS = {
    "bash": r"""
        . "$SCRIPT"
        complete() {
            COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=($2) COMP_CWORD=$(($3 - 1))
            _broadcast broadcast
            echo "$1 -> ${COMPREPLY[*]}"
        }
    """
    + "\n".join(f"complete '{n}' '{w}' {len(w.split())}" for n, (w, *_) in LINES.items()),
    "fish": "source $SCRIPT\n"
    + "\n".join(f"echo '{n} -> '(complete -C '{n}' | string replace -r '\\t.*' '')" for n in LINES),
}


@pytest.mark.parametrize("shell", IN_SHELLS)
def test_a_real_shell_completes_and_runs_nothing_of_a_title(
    here: Engine, tmp_path: Path, shell: str
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"this machine has no {shell}")
    script = tmp_path / "script"
    script.write_text(completing.script(shell), "utf-8")
    broadcast_id = titled(here, TITLE)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def complete() -> dict[str, str]:
        done = subprocess.run(
            [shell, "-c", IN_SHELLS[shell]],
            capture_output=True,
            text=True,
            check=True,
            timeout=240,
            env={**os.environ, "PATH": path, "SCRIPT": str(script)},
        )
        assert done.stderr == ""
        return dict(line.split(" -> ") for line in done.stdout.splitlines())

    words = {line: each[1 if shell == "bash" else 2] for line, each in LINES.items()}
    wanted = {line: one.replace("ID", broadcast_id) for line, one in words.items()}
    # On a busy machine a database may be too slow for who types, and nothing is offered.
    told = until(lambda: all((told := complete()).values()) and told, 60, "every candidate")
    assert told == wanted
    assert not (tmp_path / "ran").exists()


def test_zsh_takes_the_script_as_a_file_and_as_a_function() -> None:
    if shutil.which("zsh") is None:
        pytest.skip("this machine has no zsh")
    script = completing.script("zsh")

    subprocess.run(["zsh", "-f", "-c", f"compdef() {{ print $1 }}\n{script}"], check=True)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize(
    ("shell", "place"),
    [
        ("bash", ".local/share/bash-completion/completions/broadcast"),
        ("zsh", ".zfunc/_broadcast"),
        ("fish", ".config/fish/completions/broadcast.fish"),
    ],
)
def test_the_script_is_printed_or_written_to_where_the_shell_looks(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    lang: Language,
    shell: str,
    place: str,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BROADCAST_LANG", lang)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)

    assert main.run(["completion", shell]) == 0
    assert capsys.readouterr().out == completing.script(shell)
    assert list(tmp_path.iterdir()) == []
    assert main.run(["completion", shell, "--install"]) == 0
    assert str(tmp_path / place) in capsys.readouterr().out
    assert (tmp_path / place).read_text("utf-8") == completing.script(shell)


def test_another_shell_and_a_place_that_cannot_be_written_are_told_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "en")
    (tmp_path / ".zfunc").write_text("a file")
    monkeypatch.setenv("HOME", str(tmp_path))

    for words, part in ((["tcsh"], "tcsh"), (["zsh", "--install"], "File exists")):
        assert main.run(["completion", *words]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert part in line
