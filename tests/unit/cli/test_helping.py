"""The help: every command under a subject, two examples each, and documents that say the same."""

from __future__ import annotations

import re
import shlex

import pytest
import typer
from rich.cells import cell_len

from broadcast.views.texts import LANGUAGES, Language, Texts
from entrypoints.cli import command_help, exits, main
from entrypoints.cli.group import COMMANDS, SUBJECTS, LazyGroup
from entrypoints.cli.run import Run
from entrypoints.cli.terminal import Terminal
from tools import cli_docs

EACH = {
    language: [
        one for command in COMMANDS for one in command_help.examples_of(command, Texts(language))
    ]
    for language in LANGUAGES
}


def test_every_command_has_a_subject_and_two_examples() -> None:
    for command in COMMANDS:
        assert len(list(command_help.examples_of(command, Texts("en")))) == 2
    assert sum(map(len, SUBJECTS.values())) == len(COMMANDS)
    for each in EACH.values():
        assert len(set(each)) == 2 * len(COMMANDS)
        assert max(map(cell_len, each)) <= 78, "it stands indented on a line of 80 columns"


def test_examples_in_chinese_are_what_a_chinese_operator_types() -> None:
    assert "broadcast tags add 会员 --openids 会员.csv" in EACH["zh"]
    english = {word for line in EACH["zh"] for word in re.findall(r"'([^']*)'", line)}
    assert {one for one in english if re.search("[a-z]{4}", one)} == {"api unauthorized"}


@pytest.mark.parametrize("example", dict.fromkeys([*EACH["en"], *EACH["zh"]]))
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


def test_a_terminal_without_a_size_has_the_usual_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    main.run(["help"])
    usual = capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "0")

    main.run(["help"])

    assert capsys.readouterr().out == usual


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


@pytest.mark.parametrize("command", ["send", "followers", "campaigns add", "resolve"])
@pytest.mark.parametrize("columns", [60, 80, 81, 82, 83, 100])
def test_no_line_begins_with_a_mark_that_ends_a_sentence(
    command: str, columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADCAST_LANG", "zh")
    monkeypatch.setenv("COLUMNS", str(columns))

    assert main.run([*command.split(), "--help"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if line.lstrip()[:1] in set("，。；：、）”…")]
    examples = {one.strip() for one in EACH["zh"]}
    assert not [
        one for one in lines if cell_len(one.rstrip()) > columns and one.strip() not in examples
    ]
