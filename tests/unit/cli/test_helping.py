"""The help: every command under a subject, two examples each, and documents that say the same."""

from __future__ import annotations

import shlex

import pytest
import typer

from cli import exits, main
from cli.examples import EXAMPLES
from cli.group import COMMANDS, SUBJECTS, LazyGroup
from cli.terminal import Terminal
from cli.wiring.run import Run
from presentation.texts import LANGUAGES, Language, Texts
from tools import cli_docs

EACH = [example for pair in EXAMPLES.values() for example in pair]


def test_every_command_has_a_subject_and_two_examples() -> None:
    assert set(EXAMPLES) == set(COMMANDS)
    assert len(set(EACH)) == 2 * len(COMMANDS)
    assert sum(map(len, SUBJECTS.values())) == len(COMMANDS)
    assert max(map(len, EACH)) <= 78, "it stands indented on a line of 80 columns"


@pytest.mark.parametrize("example", EACH)
def test_every_example_is_taken_by_its_command(example: str) -> None:
    words = shlex.split(example.partition(" > ")[0])
    words = words[words.index("broadcast") + 1 :]
    root = typer.main.get_command(main._root())
    assert isinstance(root, LazyGroup)
    run = Run(Terminal(Texts("en")))

    with root.make_context("broadcast", list(words), obj=run) as context:
        name, command, rest = root.resolve_command(context, words)
        assert command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("words", [["help"], ["help", "send"], ["help", "token"]])
def test_help_is_a_command_and_an_option_and_both_show_the_same(
    capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert main.run(words) == 0
    as_command = capsys.readouterr().out
    assert main.run([*words[1:], "--help"]) == 0
    assert as_command.split() == capsys.readouterr().out.split()


def test_the_help_of_what_does_not_exist_names_the_near_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.run(["help", "statsu"]) == 2
    assert "did you mean status?" in capsys.readouterr().err


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_help_explains_every_exit_status(lang: Language) -> None:
    assert all(Texts(lang).has(f"help.exit.{status}") for status in exits.ALL)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_document_is_what_the_help_shows(
    lang: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BROADCAST_LANG", "COLUMNS"):
        monkeypatch.setenv(name, "")
    assert cli_docs.FILES[lang].read_text("utf-8") == cli_docs.document(lang), "make cli-docs"
