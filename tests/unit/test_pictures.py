"""The pictures of the terminal: each character at its column, in both languages, with no link."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from tools.pictures import (
    LANGUAGES,
    PICTURES,
    drawn,
    in_the_office,
    pictures,
    said,
    with_our_ids,
)

NAMES = [f"{name}.{lang}.svg" for lang in LANGUAGES for name in pictures(lang)]
ATTRIBUTES = {
    "viewBox",
    "width",
    "height",
    "font-family",
    "font-size",
    "font-weight",
    "fill",
    "rx",
    "x",
    "y",
    "textLength",
}
X = re.compile(r'<text x="([\d.]+)" y="(\d+)"[^>]*>([^<]+)<')


def test_every_picture_was_drawn_and_no_other_is_there() -> None:
    assert sorted(file.name for file in PICTURES.glob("*.svg")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_loads_nothing_and_names_nobody(name: str) -> None:
    text = (PICTURES / name).read_text("utf-8")
    drawing = list(ET.fromstring(text).iter())

    assert {each.tag.rpartition("}")[2] for each in drawing} == {"svg", "rect", "g", "text"}
    assert {attribute for each in drawing for attribute in each.attrib} <= ATTRIBUTES
    assert {host for _, host in re.findall(r"(cli:\w+@)([\w.-]+)", text)} <= {"office"}


def test_what_follows_full_width_characters_stands_at_its_own_column() -> None:
    places = X.findall(drawn("已受理 30\r\nabcdef 30".encode()))

    assert [letters for _, _, letters in places] == ["已", "受", "理", "30", "abcdef", "30"]
    (above, below) = [(x, y) for x, y, letters in places if letters == "30"]
    assert above[0] == below[0]
    assert above[1] != below[1]


def test_a_line_that_a_terminal_would_break_inside_a_word_or_a_number_is_not_drawn() -> None:
    before = "x" * 70 + " 结束："

    with pytest.raises(ValueError, match="结束：11:52"):
        drawn(f"{before}11:52".encode())
    with pytest.raises(ValueError, match="20261201-5zhxqq"):
        drawn(f"{before}20261201-5zhxqq".encode())
    assert [letters for _, _, letters in X.findall(drawn(f"{before}11 52".encode()))][-1] == "52"


def test_every_program_that_is_started_for_a_picture_knows_one_name_of_its_machine() -> None:
    before = dict(os.environ)
    command = [
        sys.executable,
        "-c",
        "from entrypoints.cli import run as person; print(person.who())",
    ]
    with in_the_office():
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert told.strip().endswith("@office")
    assert dict(os.environ) == before


@pytest.mark.parametrize("colour", [b"", b"\x1b[1m"])
def test_an_id_is_the_same_in_every_picture_whatever_its_colour(colour: bytes) -> None:
    shown = colour + b"20261127-48vrgf\x1b[0m."

    assert with_our_ids(shown) == shown.replace(b"20261127-48vrgf", b"20261201-5zhxqq")


def test_colours_are_drawn_and_the_text_is_escaped() -> None:
    svg = drawn(b"\x1b[1;36mbroadcast\x1b[0m \x1b[2mnow\x1b[0m <a>&")

    assert re.search(r'fill="#56c8d8" font-weight="bold">broadcast<', svg)
    assert re.search(r'fill="#7f8794">now<', svg)
    assert "&lt;a&gt;&amp;" in svg


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "Created: Fri 2026-11-27 18:03 Beijing time (9 s ago), by ops",
            "Created: Sat 2026-11-28 09:59 Beijing time (12 s ago),\r\n  by ops",
        ),
        (
            "提交：2026-11-27 周五 18:04（北京时间，9 秒前），操作者 ops",
            "提交：2026-11-28 周六 09:04（北京时间，12 秒前），操作\r\n  者 ops",
        ),
        ("Server http://127.0.0.1:34705, 42 ms", "Server http://127.0.0.1:4001, 7 ms"),
    ],
)
def test_a_later_run_of_the_same_program_says_the_same(one: str, other: str) -> None:
    assert said(drawn(one.encode())) == said(drawn(other.encode()))
    assert said(drawn(one.encode())) != said(drawn(f"{other} now".encode()))
    assert said(drawn(one.encode())) != said(drawn(f"\x1b[1m{one}\x1b[0m".encode()))
