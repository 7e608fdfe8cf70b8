"""Limits of the product's weight: what is counted, and what is said of a limit that fails."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from tools import limits

ROOM = "broadcast/rules"


@pytest.mark.parametrize("found", [98, 100])
def test_a_room_may_weigh_its_limit_or_two_per_cent_less(found: int) -> None:
    assert list(limits.broken({ROOM: 100}, {ROOM: found})) == []


def test_a_room_above_its_limit_is_told_with_the_line_and_the_trailer_to_commit() -> None:
    [line] = limits.broken({ROOM: 100}, {ROOM: 101})

    assert line.startswith("broadcast/rules: weight 101, the limit is 100. Make it lighter, or ")
    assert '`"broadcast/rules" = 101`' in line
    assert "`Limit: broadcast/rules +1, WHY`" in line


def test_a_limit_is_lowered_where_the_room_weighs_less() -> None:
    assert list(limits.broken({ROOM: 100}, {ROOM: 97})) == [
        'broadcast/rules: weight 97, the limit is 100. Lower it to: "broadcast/rules" = 97'
    ]


def test_each_room_has_a_limit_and_each_limit_a_room() -> None:
    assert list(limits.broken({"gone": 1}, {"new": 2_000})) == [
        "new: a room without a limit. Add it to tools/limits.toml: new = 2_000",
        "gone: a limit of no room. Take it out of tools/limits.toml.",
    ]


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        # The assignment, its target, the call, its function and its argument.
        ("import a\n\nx = f(1)\n", 5),
        ('"""A module."""\nimport a\nx: int = f(\n    1,\n)\n', 5),
        # The option of a command: a call, its function and its argument.
        ("def f(x: Annotated[str, Option('--x')]): pass\n", 2 + 3),
        # Two members of an enum weigh as much in a string as a name and a value each.
        ("X = StrEnum('X', 'A B')\n", 6 + 4),
    ],
)
def test_weight_is_what_is_written_and_not_how(text: str, weight: int) -> None:
    assert limits.weight(ast.parse(text)) == weight


@pytest.mark.parametrize(
    ("name", "text", "weight"),
    [
        ("a.json", '{"a": [1, 2], "b": {"c": null}}', 6),
        ("a.csv", "a,b\n1,\n", 3),
        ("a.lua", "return redis.call('GET', x)", 11),
        ("a.txt", "words", 0),
        ("locale/a.json", "[1, 2]", 0),
    ],
)
def test_a_data_file_weighs_its_values(tmp_path: Path, name: str, text: str, weight: int) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, "utf-8")

    assert limits.weight_of(file) == weight


@pytest.mark.parametrize(
    ("message", "lacks"),
    [
        ("Grow", 1),
        ("Grow\n\nLimit: broadcast/rules +30, a rule of the month\n", 0),
        ("Grow\n\nLimit: broadcast/rules +29, a rule of the month\n", 1),
        ("Grow\n\nLimit: broadcast/rules +30\n", 1),
    ],
)
def test_a_commit_that_raises_a_limit_says_why(tmp_path: Path, message: str, lacks: int) -> None:
    file = tmp_path / limits.FILE
    file.parent.mkdir()

    def git(*words: str) -> None:
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )

    git("init")
    for weight, said in ((100, "Begin"), (130, message), (90, "Shrink")):
        file.write_text(f'"broadcast/rules" = {weight}\n', "utf-8")
        git("add", ".")
        git("commit", "-m", said)
    told = list(limits.unexplained(tmp_path))

    assert len(told) == lacks
    assert all("lacks the trailer `Limit: broadcast/rules +30, WHY`." in line for line in told)


def test_a_folder_without_history_lacks_no_trailer(tmp_path: Path) -> None:
    assert list(limits.unexplained(tmp_path)) == []
