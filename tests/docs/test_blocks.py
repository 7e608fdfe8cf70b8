"""What counts as shown, and what a page that is renewed keeps."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pyte
import pytest
from sybil.example import SybilFailure

from tests.docs.pages import Play, Step, matches, renewed, rewritten, steps
from tests.kit.terminal import Shown

PAGE = """# A page

<!-- skip: nobody has it -->

```console
$ cat nothing
```

1. A list:

   ```console
   $ cat file
   one
   …
   four 4
   ```
"""


class Stage:
    """Types into nothing; every command shows the same lines."""

    def __init__(self, *lines: str, status: int = 0, later: int = 0) -> None:
        self.lines, self.status, self.later = lines, status, later
        self.typed: list[str] = []

    def type(self, line: str, *_: str) -> Shown:
        screen = pyte.Screen(80, 20)
        lines = self.lines if len(self.typed) >= self.later else ["not yet"]
        pyte.Stream(screen).feed("\r\n".join(lines))
        self.typed.append(line)
        return Shown(screen=screen, status=self.status)


def played(folder: Path, stage: Any, text: str = PAGE) -> Play:
    page = folder / "page.md"
    page.write_text(text, "utf-8")
    play = Play(stage=stage)
    for example in play.document(page):
        example.evaluate()
    return play


def test_a_page_that_says_what_the_terminal_shows_passes(tmp_path: Path) -> None:
    stage = Stage("one", "two", "three", "four 4")

    assert played(tmp_path, stage).skipped == ["nobody has it"]
    assert stage.typed == ["cat file"]


@pytest.mark.parametrize("lines", [("one", "two"), ("one", "two", "four 4", "five"), ()])
def test_a_page_that_says_something_else_fails(tmp_path: Path, lines: tuple[str, ...]) -> None:
    with pytest.raises(SybilFailure, match="the terminal shows"):
        played(tmp_path, Stage(*lines))


def test_a_command_that_only_looks_is_typed_until_it_shows_it(tmp_path: Path) -> None:
    page = "```console\n$ broadcast status\ndone\n```\n"

    played(tmp_path, stage := Stage("done", later=2), page)
    with pytest.raises(SybilFailure):
        played(tmp_path, Stage("done", later=2), page.replace("status", "pause"))

    assert stage.typed == ["broadcast status"] * 3


def test_a_command_without_shown_lines_must_succeed(tmp_path: Path) -> None:
    page = "```sh\nfalse --not \\\n  so\n```\n"

    played(tmp_path, stage := Stage(), page)
    with pytest.raises(SybilFailure, match="ended with 3"):
        played(tmp_path, Stage(status=3), page)

    assert stage.typed == ["false --not \\\n  so"]


@pytest.mark.parametrize(
    ("expected", "same"),
    [
        (["Stored as …."], True),
        (["…"], True),
        (["…", "Stored as …."], True),
        (["Stored as …"], True),
        (["Stored as …,"], False),
        (["Stored", "…"], False),
        ([], False),
    ],
)
def test_dots_stand_for_anything_in_a_line_and_for_any_lines(
    expected: list[str], *, same: bool
) -> None:
    assert matches(expected, ["Stored as 20261127-hua4me."]) is same


def test_what_is_typed_at_a_question_stands_behind_it() -> None:
    [first, second] = steps("$ broadcast cancel\nSure? [y/N] n\nNo.\n$ ls \\\n> -l\nx")

    assert (first.command, first.answers) == ("broadcast cancel", ["n"])
    assert (second.command, second.lines) == ("ls \\\n-l", ["x"])


def test_a_renewed_step_keeps_what_is_still_true_and_leaves_out_what_was_left_out() -> None:
    step = Step(command="broadcast status", lines=["Broadcast …", "…", "State: sending"])

    told = renewed(step, ["Broadcast 20261127-hua4me", "Audience: 7", "x", "State: sending now"])

    assert told == "$ broadcast status\nBroadcast …\n…\nState: sending now"


def test_where_a_paragraph_is_wrapped_makes_no_difference() -> None:
    page = ["Send to … followers? It cannot", "  be recalled. [y/N] y", "…", "确", "  认？"]

    assert matches(page, ["Send to 7 followers? It cannot be recalled. [y/N] y", "x", "确认？"])
    assert not matches(page, ["Send to 7 followers? It can be recalled. [y/N] y", "x", "确认？"])


def test_a_command_to_type_next_stands_on_a_line_of_its_own() -> None:
    shown = ["Stored as 20261127-hua4me. Follow", "  it:", "    broadcast watch 20261127-hua4me"]

    assert matches(["Stored as …. Follow it:", "    broadcast watch …"], shown)
    assert not matches(["Stored as …. Follow it: broadcast watch …"], shown)
    assert not matches(["Stored as …. Follow it:", "  broadcast watch …"], shown)
    assert not matches(["Stored as …. Follow it:", "    broadcastwatch …"], shown)


def test_where_a_command_to_type_next_is_broken_makes_no_difference() -> None:
    page = ["To the rest:", "    broadcast recipients … --set refused > rest.txt", "    wc -l"]

    shown = [
        "    broadcast recipients 1 \\",
        "      --set refused \\",
        "      > rest.txt",
        "    wc -l",
    ]

    assert matches(page, ["To the rest:", *shown])


def test_a_renewed_step_keeps_the_command_below_what_it_keeps() -> None:
    step = Step(command="x", lines=["…", "Stored as …. Follow it: broadcast watch …", "…"])
    shown = [
        "7 lines.",
        "Stored as 1. Follow it:",
        "    broadcast watch 1",
        "Now:",
        "    make demo",
    ]

    assert renewed(step, shown).splitlines()[1:] == [
        "…",
        "Stored as 1. Follow it:",
        "    broadcast watch 1",
        "…",
    ]


def test_a_renewed_step_keeps_its_question_and_what_is_typed() -> None:
    step = Step(command="broadcast cancel", lines=["…", "Sure? [y/N] y", "Done."])

    told = renewed(step, ["x", "Do you want to cancel that, which cannot be", "  undone? [y/N] y"])

    assert told.splitlines()[-2:] == [
        "Do you want to cancel that, which cannot be",
        "  undone? [y/N] y",
    ]


def test_new_lines_hide_what_differs_in_every_run() -> None:
    shown = [
        "Stored as 20261127-hua4me, by cli:lina@office-1.",
        "until Sat 2026-11-28 00:00 Beijing time (in 13 h).",
        "时间 2026-11-27 周五 10:39（北京时间，现在）",
        "http://127.0.0.1:36101",
        "Created: Fri 2026-11-27 10:39 Beijing",
        "  time (5 min ago), last 10:39 (now)",
        "结束：10:39",
        "  （现在）",
    ]

    told = renewed(Step(command="x", lines=[]), shown)

    assert told.splitlines()[1:] == [
        "Stored as …, by ….",
        "until ….",
        "时间 …",
        "http://…",
        "Created: …, last …",
        "结束：…",
    ]


def test_a_renewed_page_keeps_everything_beside_its_blocks(tmp_path: Path) -> None:
    play = Play(stage=Stage("one", "2", "four 5"))  # type: ignore[arg-type]  # a stage without servers
    (page := tmp_path / "page.md").write_text(PAGE, "utf-8")
    for example in play.document(page):
        with contextlib.suppress(SybilFailure):
            example.evaluate()

    text = rewritten(PAGE, play.renewed)

    assert text == PAGE.replace("four 4", "four 5")
