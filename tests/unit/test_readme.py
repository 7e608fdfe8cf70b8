"""The READMEs: the same real commands in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from entrypoints.cli.group import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
FILES = ("README.md", "README.zh.md")
IN_CODE = re.compile(
    r"^ *(?:\$ )?(broadcast [a-z]+|make [a-z]+)"
    r"|`((?:\. \.venv/bin/activate && )?(?:broadcast|make|celery) [^`]*)`",
    re.MULTILINE,
)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands(name: str) -> list[str]:
    return [shown or quoted for shown, quoted in IN_CODE.findall(text(name))]


def test_both_languages_name_the_same_commands_in_the_same_order() -> None:
    english, chinese = map(commands, FILES)

    assert english == chinese
    assert "make install" in english


@pytest.mark.parametrize("name", FILES)
def test_every_command_exists(name: str) -> None:
    named = {line.split()[1] for line in commands(name) if line.startswith("broadcast ")}

    assert named <= set(COMMANDS)


@pytest.mark.parametrize("name", FILES)
def test_what_runs_in_a_terminal_of_its_own_is_found_there(name: str) -> None:
    started = [line for line in commands(name) if "broadcast up" in line]

    assert started == [". .venv/bin/activate && broadcast up --simulator"]
