"""Lines as wide as the terminal."""

from __future__ import annotations

import re
import shlex
import subprocess

import pytest
from rich.cells import cell_len

from entrypoints.cli.shell_quoting import command_line
from entrypoints.cli.styling import COMMAND, units, wrapped
from tests.unit.test_catalogue import catalogue

ZH = "已自动暂停：微信拒绝了群发内容（45166 bad content），共 30,001 人。请“修改”后提交……"
EN = "Paused: WeChat refused “the content” (45166 bad content) of 20261127-abcdef, 30,001."


@pytest.mark.parametrize("text", [ZH, EN])
@pytest.mark.parametrize("width", range(20, 60, 3))
def test_nothing_is_lost_and_no_mark_stands_alone(text: str, width: int) -> None:
    lines = wrapped(text, width).split("\n")

    assert "".join(units(text)) == text
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert max(map(cell_len, lines)) <= width
    assert not [line for line in lines if line.strip()[0] in "，。：）”…"]
    assert not [line for line in lines if line[-1] in "（“"]


def test_a_sentence_goes_on_farther_in_and_keeps_its_indent() -> None:
    assert wrapped("  one two three", 10) == "  one two\n    three"


def test_a_command_in_a_sentence_stays_whole() -> None:
    assert wrapped("Then run broadcast pause 20261127-abcdef at once.", 39) == (
        "Then run\n  broadcast pause 20261127-abcdef at\n  once."
    )


@pytest.mark.parametrize(
    "whole",
    [
        "--exclude broadcast:20261127-abcdef",
        "--exclude tag:3",
        "--sample N",
        "broadcast unhalt --account shop.two",
        "(broadcast cancel 20261127-abcdef)",
        "broadcast pause 20261127-abcdef,",
    ],
)
@pytest.mark.parametrize(
    "words", ["请加上 {} 后再发。", "Leave them out: add {} to it, then send."]
)
def test_an_option_stays_with_its_value_and_a_mark_with_its_command(whole: str, words: str) -> None:
    text = words.format(whole)

    assert not [width for width in range(40, 60) if whole not in wrapped(text, width)]


TEXTS = [
    "a  b",
    "Big sale tonight -- come early, 20:00 sharp, all shops && online > everything | x",
    "it's -- here " * 9,
    'say "a -- b" and \\ c\' ' * 5,
    "one\ntwo -- three " * 6,
    "周五 20:00 直播 -- 请看 " * 6,
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_command_on_its_own_line_is_broken_as_a_shell_reads_it(text: str, width: int) -> None:
    words = ["broadcast", "send", "--openids", "rest.txt", "--text", text, "--key", "k"]

    shown = wrapped(f"    {command_line(words)}", width)

    said = shown.replace("broadcast", "printf '%s\\0'", 1)
    done = subprocess.run(["bash", "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.split("\0")[:-1] == words[1:]


def test_commands_one_after_the_other_are_broken_between_them() -> None:
    commands = (
        "broadcast cancel 20261127-abcdef && broadcast recipients 20261127-abcdef --set refused"
        " > rest.txt && broadcast send --account shop --openids rest.txt"
    )

    shown = wrapped(f"    {commands}", 60)

    assert max(map(len, shown.split("\n"))) <= 60
    assert shlex.split(shown.replace("\\\n", "")) == shlex.split(commands)


class Facts(dict[str, object]):
    """What stands in the place of every placeholder."""

    def __missing__(self, name: str) -> object:
        return Fact(GIVEN.get(name, "flagship-store"))


class Fact(str):
    """Takes every format."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return "30,001" if spec else str(self)


GIVEN = {
    "id": "20261127-abcdef",
    "ids": "20261127-abcdef, 20261127-fedcba",
    "code": "40003",
    "n": "12",
    "at": "Fri 2026-11-27 14:00 Beijing time (in 6 h)",
    "who": "cli:ann@office (“wrong list”)",
    "command": "broadcast send --openids followers.csv --text 'a  b' --key k",
    "commands": "broadcast cancel 20261127-abcdef --yes",
    "text": "It cannot be read.",
}
#: In tables of their own, or printed as they are.
OTHERWISE = ("help.", "accounts.line", "confirmation.")


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_text_of_the_catalogue_breaks_a_command_or_is_wider_than_a_terminal(lang: str) -> None:
    wrong = []
    for name, text in catalogue(lang).items():
        if name.startswith(OTHERWISE):
            continue
        words = text.format_map(Facts())
        shown = wrapped(words, 80)
        commands = re.sub(r" \\\n *", " ", shown)
        if (
            max(map(cell_len, shown.split("\n"))) > 80
            or QUOTED.findall(commands) != QUOTED.findall(words)
            or re.findall(COMMAND, commands) != re.findall(COMMAND, words)
        ):
            wrong.append((name, shown))

    assert wrong == []


QUOTED = re.compile(r"`[^`]*`")
