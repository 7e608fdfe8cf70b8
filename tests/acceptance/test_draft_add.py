"""broadcast draft add against the simulator: a folder, a cover, HTML, and what is wrong."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.acceptance.test_drafts import Console, send

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.acceptance.conftest import StartSystem
    from tests.kit.command_line import CommandLine
    from tests.kit.system import System


@pytest.fixture
def system(start_system: StartSystem) -> System:
    system = start_system(followers=30, BROADCAST_BATCH_SIZE="10")
    system.simulator.set_switches(media_must_exist=False)  # the covers of the drafts
    return system


def picture(file: Path, *, size: tuple[int, int] = (4, 4)) -> None:
    """Write a picture whose bytes cannot be packed."""
    Image.frombytes("RGB", size, os.urandom(size[0] * size[1] * 3)).save(file)


def written(folder: Path) -> Path:
    """Write an article in Markdown with a cover and two pictures, one of them twice."""
    folder.mkdir()
    for name in ("cover.jpg", "a b.png", "c.jpg"):
        picture(folder / name)
    (folder / "weekly.md").write_text(
        "---\ntitle: 周报\nauthor: 运营\ncover: cover.jpg\ncomments: followers\n---\n"
        "**注意：**请准时\n\n![甲](<a b.png>)\n\n![乙](c.jpg)\n\n![甲](a%20b.png)\n",
        encoding="utf-8",
    )
    return folder


def test_a_folder_becomes_a_draft_whose_pictures_are_uploaded_once(system: System) -> None:
    folder = written(system.folder / "weekly")

    dry = system.broadcast("draft", "add", folder, "--dry-run", "--json")
    assert system.simulator.calls() == []
    first = system.broadcast("draft", "add", folder, "--json")
    again = system.broadcast("draft", "add", folder, "--title", "周报二", "--json")
    Console(system).delete_materials()
    system.simulator.set_switches(media_must_exist=True)
    renewed = system.broadcast("draft", "add", folder, "--title", "周报三")

    assert len(system.simulator.calls(path="/cgi-bin/media/uploadimg")) == 2
    assert len(system.simulator.calls(path="/cgi-bin/material/add_material")) == 2
    assert renewed.stdout.count("Uploaded: ") == 1
    wanted, told, repeated = (json.loads(d.stdout.splitlines()[-1]) for d in (dry, first, again))
    assert wanted["media_id"] is None
    assert [one["uploaded"] for one in told["articles"][0]["files"]] == [True] * 3
    assert [one["uploaded"] for one in repeated["articles"][0]["files"]] == [False] * 3
    shown = system.broadcast("draft", "show", told["media_id"], "--json")
    (article,) = json.loads(shown.stdout.splitlines()[-1])["articles"]
    assert (article["title"], article["author"]) == ("周报", "运营")
    assert (article["need_open_comment"], article["only_fans_can_comment"]) == (1, 1)
    assert article["content"].count("http://mmbiz.qpic.cn/") == 3
    assert "<strong>注意：</strong>请准时" in article["content"]
    system.worker()
    system.beat()
    assert send(system, "周报", "--wait")["state"] == "completed"


def test_a_cover_that_is_a_picture_as_well_is_uploaded_again_where_it_was_deleted(
    system: System,
) -> None:
    folder = written(system.folder / "weekly")
    (folder / "plain.html").write_text("<title>旧</title><p>正文</p>", "utf-8")
    both = "<title>新</title><p>正文</p><img src='cover.jpg'>"
    (folder / "both.html").write_text(both, "utf-8")
    cover = ("--cover", folder / "cover.jpg")
    system.broadcast("draft", "add", folder / "plain.html", *cover)
    Console(system).delete_materials()
    system.simulator.set_switches(media_must_exist=True)

    dry = system.broadcast("draft", "add", folder / "both.html", *cover, "--dry-run", "--json")
    done = system.broadcast("draft", "add", folder / "both.html", *cover, "--json")

    (planned,) = json.loads(dry.stdout.splitlines()[-1])["articles"]
    assert [(one["kind"], one["uploaded"]) for one in planned["files"]] == [
        ("image", False),
        ("article_image", True),
    ]
    assert json.loads(done.stdout.splitlines()[-1])["media_id"]
    assert len(system.simulator.calls(path="/cgi-bin/material/add_material")) == 2
    assert len(system.simulator.calls(path="/cgi-bin/media/uploadimg")) == 1


def test_html_is_cleaned_and_said_so(system: System) -> None:
    folder = written(system.folder / "page")
    (folder / "page.html").write_text(
        "<title>招聘</title><p onclick='x()'>正文</p><script>alert(1)</script><img src='c.jpg'>",
        encoding="utf-8",
    )

    done = system.broadcast("draft", "add", folder / "page.html", "--cover", folder / "cover.jpg")

    assert "<script> × 1" in done.stdout
    assert "onclick × 1" in done.stdout
    shown = system.broadcast("draft", "show", "招聘", "--json").stdout.splitlines()[-1]
    content = json.loads(shown)["articles"][0]["content"]
    assert content.startswith("<p>正文</p><img src=")
    assert "alert" not in content


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "c.jpg").unlink(), "c.jpg"),
        (lambda folder: (folder / "c.jpg").write_bytes(b"GIF89a"), "c.jpg"),
        (lambda folder: picture(folder / "a b.png", size=(700, 700)), "1.0 MB"),
        (lambda folder: (folder / "cover.jpg").unlink(), "cover.jpg"),
        (
            lambda folder: [(folder / one).unlink() for one in ("a b.png", "c.jpg", "cover.jpg")],
            "3 files are missing or cannot be used: a b.png, c.jpg, cover.jpg. The first: ",
        ),
        (lambda folder: (folder / "weekly.md").write_text("# 周报\n\n正文"), "--cover"),
        (lambda folder: (folder / "weekly.md").write_text("---\ntitle: x\n"), "---"),
    ],
    ids=["missing", "broken", "large", "no-cover-file", "several", "no-cover", "open"],
)
def test_what_is_wrong_is_said_in_one_line_before_anything_is_uploaded(
    line: CommandLine, change: Callable[[Path], object], words: str
) -> None:
    folder = written(line.folder / "weekly")
    change(folder)

    done = line.run("draft", "add", str(folder))

    assert done.status == 2
    assert words in done.err
    assert len(done.lines) == 1
