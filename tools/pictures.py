"""Draws ``docs/pictures/*.svg``: what a terminal of 80 columns shows, in both languages.

The real program runs against WeChat's stand-in; each character stands at its own column, so that
Chinese lines up in every font. No picture links anything. Usage: python -m tools.pictures [NAME …]
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from itertools import groupby, pairwise
from pathlib import Path
from typing import Final
from unittest.mock import patch
from xml.etree import ElementTree as ET

import pyte
from rich.cells import cell_len, chop_cells

from broadcast.settings.program_settings import variables
from entrypoints.cli.embedded.supervisor import beside_proxies
from tests.docs.pages import IN_MAKE
from tests.docs.scenes import SCENES
from tests.docs.stage import Stage
from tests.kit import terminal
from tests.kit.terminal import COLUMNS, PROMPT
from tests.servers.valkey import Valkey

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
LANGUAGES: Final = ("en", "zh")
WIDTH, HEIGHT, SIZE, EDGE = 8.4, 20, 14, 16
#: Columns of a Chinese character, and its size beside the others.
FULL, FULL_SIZE = 2, 15.4
FONTS = (
    "ui-monospace,Menlo,Consolas,'DejaVu Sans Mono','Noto Sans Mono CJK SC','PingFang SC',"
    "'Microsoft YaHei',monospace"
)
GROUND, INK = "#16181d", "#d7dae0"
#: By pyte's names of the colours.
INKS: Final = {
    "red": "#f07178",
    "green": "#7ccf7c",
    "brown": "#e5c07b",
    "blue": "#6cb6ff",
    "magenta": "#c792ea",
    "cyan": "#56c8d8",
    "white": INK,
    "brightblack": "#7f8794",
}
#: Before it may stand the letter that ends a colour.
ID = re.compile(rb"(?<!\d)\d{8}-[0-9a-z]{6}\b")
#: Python reads it at its start. Every machine has this name, so a line ends at the same word.
OFFICE = 'import socket\nsocket.gethostname = lambda: "office"\n'
#: Between these two no line may end.
INSIDE = re.compile(r"[\w:,.@-]{2}", re.ASCII)
#: In the place of those of the run, so that a picture changes only when the program does.
IDS = [b"20261201-" + name for name in (b"5zhxqq", b"8kt3mw", b"2c7rva", b"yh4dnp", b"m9e6gt")]


SVG: Final = "{http://www.w3.org/2000/svg}"
#: Moments with their distance, spans of time and ports, in a text without blanks.
VOLATILE: Final = re.compile(
    r"((Mon|Tue|Wed|Thu|Fri|Sat|Sun)?\d{4}-\d\d-\d\d(周.)?)?\d\d:\d\d(:\d\d)?(Beijingtime)?"
    r"(\([^)]*\)|（[^）]*）)?"
    r"|\d+(ms|s|min|h|days|毫秒|秒|分钟|小时|天)(ago|前)?"
    r"|127\.0\.0\.1:\d+"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What has happened, and what is typed then."""

    scene: str
    commands: tuple[str, ...]


SEND = {
    "en": "broadcast send --openids followers.csv --text 'Live on Friday, 20:00'",
    "zh": "broadcast send --openids followers.csv --text '周五 20:00 直播'",
}
STATUS = ("broadcast status",)
RESOLVE = "broadcast resolve --batch 2 --not-sent"


def pictures(lang: str) -> dict[str, Picture]:
    """Return every picture by its name."""
    return {
        "demo": Picture(scene="quiet", commands=("make demo",)),
        "send": Picture(scene="quiet", commands=(SEND[lang],)),
        "waiting": Picture(scene="calls used up", commands=STATUS),
        "held": Picture(scene="late", commands=STATUS),
        "doubt": Picture(scene="doubt", commands=(*STATUS, RESOLVE)),
        "partial": Picture(scene="refused in the middle", commands=STATUS),
        "list": Picture(scene="under way", commands=("broadcast list --most 5",)),
        "explain": Picture(scene="quiet", commands=("broadcast explain 45009",)),
    }


class Screen(pyte.Screen):
    """A terminal that shows what is dim in grey."""

    def select_graphic_rendition(self, *attributes: int, **options: bool) -> None:
        """Set colours and the like."""
        plain = not {38, 48} & set(attributes)
        dim = [90 if plain and one == 2 else one for one in attributes]  # noqa: PLR2004 - ECMA-48
        super().select_graphic_rendition(*dim, **options)


def drawn(written: bytes) -> str:
    """Return what a terminal shows, as SVG.

    Raises:
        ValueError: a line is wider than the terminal, which breaks it inside a word or a number.
    """
    _refuse_broken(written)
    screen = Screen(COLUMNS, 200)
    pyte.ByteStream(screen).feed(written)
    rows = [n for n, line in enumerate(screen.display, 1) if line.strip()]
    lines = [line for n in range(max(rows)) for line in _line(screen, n)]
    width, height = COLUMNS * WIDTH + 2 * EDGE, max(rows) * HEIGHT + 2 * EDGE
    size = f'width="{width:g}" height="{height:g}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" {size}'
        f' font-family="{FONTS}" font-size="{SIZE}">'
    )
    ground = f'<rect {size} rx="8" fill="{GROUND}"/>'
    return "\n".join([head, ground, f'<g fill="{INK}">', *lines, "</g>", "</svg>\n"])


def _refuse_broken(written: bytes) -> None:
    screen = pyte.Screen(terminal.WIDTH, terminal.HEIGHT)
    pyte.ByteStream(screen).feed(written)
    for line in screen.display:
        for one, following in pairwise(chop_cells(line.rstrip(), COLUMNS)):
            if INSIDE.fullmatch(one[-1] + following[0]):
                raise ValueError(f"broken after {COLUMNS} columns: {line.rstrip()}")


def _line(screen: pyte.Screen, n: int) -> Iterator[str]:
    cells = [(x, cell) for x, cell in sorted(screen.buffer[n].items()) if cell.data]
    y = EDGE + n * HEIGHT + SIZE
    for (_, colour, bold, blank), run in groupby(cells, _kind):
        if blank:
            continue
        places, letters = zip(*((x, cell.data) for x, cell in run), strict=True)
        ink = f' fill="{INKS.get(colour, INK)}"' if colour != "default" else ""
        weight = ' font-weight="bold"' if bold else ""
        at = f'x="{EDGE + places[0] * WIDTH:.5g}" y="{y}"{_measure(letters)}'
        yield f"<text {at}{ink}{weight}>{escape(''.join(letters), quote=False)}</text>"


def _kind(place: tuple[int, pyte.screens.Char]) -> tuple[int, str, bool, bool]:
    """Return what a run has in common; a full-width character is one of its own."""
    x, cell = place
    alone = x if cell_len(cell.data[0]) == FULL else -1
    return alone, cell.fg, cell.bold, cell.data == " "


def _measure(letters: Sequence[str]) -> str:
    if cell_len(letters[0]) == FULL:
        return f' font-size="{FULL_SIZE:g}"'
    return f' textLength="{len(letters) * WIDTH:.5g}"' if len(letters) > 1 else ""


def taken(stage: Stage, picture: Picture) -> bytes:
    """Return what a terminal gets to see of a picture's commands."""
    stage.clear()
    SCENES[picture.scene](stage)
    written = b""
    for command in picture.commands:
        shown = stage.type(IN_MAKE.get(command, command), "y")
        written += f"\x1b[1m{PROMPT}{command}\x1b[0m\r\n".encode() + shown.written
    return with_our_ids(written)


def with_our_ids(written: bytes) -> bytes:
    """Return it with ids that are the same in every run."""
    found = list(dict.fromkeys(ID.findall(written)))
    for old, new in zip(found, IDS, strict=False):
        written = written.replace(old, new)
    return written


def main(names: Sequence[str]) -> None:
    """Draw the pictures of these names, or all."""
    warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
    for name in variables():
        os.environ.pop(name, None)
    os.environ.update(beside_proxies(os.environ))
    PICTURES.mkdir(exist_ok=True)
    for lang in LANGUAGES:
        # An access_token of the other stage's would be refused, and a picture would show that.
        with (
            Valkey() as valkey,
            in_the_office(),
            tempfile.TemporaryDirectory(prefix="pictures-") as folder,
        ):
            _draw(Stage(Path(folder), valkey=valkey, lang=lang), names)


@contextmanager
def in_the_office() -> Iterator[None]:
    """Let every program that is started believe that its machine has that name."""
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder:
        (Path(folder) / "sitecustomize.py").write_text(OFFICE, "ascii")
        with patch.dict(os.environ, PYTHONPATH=os.pathsep.join([folder, str(ROOT)])):
            yield


def _draw(stage: Stage, names: Sequence[str]) -> None:
    with stage:
        for name, picture in pictures(stage.lang).items():
            if not names or name in names:
                _put(PICTURES / f"{name}.{stage.lang}.svg", drawn(taken(stage, picture)))


def _put(file: Path, picture: str) -> None:
    """Write a picture where it shows something new."""
    if not file.exists() or said(file.read_text("utf-8")) != said(picture):
        file.write_text(picture, "utf-8")
        print(file.relative_to(Path.cwd()))


def said(picture: str) -> list[tuple[str, str, str]]:
    """Return the words of a picture by their colour, without what is different in every run."""
    words = [
        (one.get("fill", ""), one.get("font-weight", ""), one.text or "")
        for one in ET.fromstring(picture).iter(f"{SVG}text")  # noqa: S314 - our own
    ]
    return [
        (fill, weight, VOLATILE.sub("", "".join(text for *_, text in run).replace(" ", "")))
        for (fill, weight), run in groupby(words, lambda one: one[:2])
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
