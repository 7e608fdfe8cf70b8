"""Drafts through real processes: found, sent, watched, and never sent as another than approved."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
from PIL import Image

from broadcast import day
from broadcast.call.waits import Waits
from broadcast.drafts.mark import Mark
from broadcast.drafts.watch import Gone
from models.ledger import drafts
from tests.acceptance import by_hand
from tests.acceptance.conftest import sets_of
from tests.acceptance.test_terminal import on_terminal
from tests.kit import ledger
from tests.kit.clock import Clock
from tests.kit.endpoints import MASS_SEND
from wechat.api.draft import Article, DraftAdd
from wechat.api.token import StableToken
from wechat.client import WeChatClient
from wechat.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydantic import SecretStr
    from sqlalchemy import Engine

    from tests.acceptance.conftest import StartSystem
    from tests.kit.command_line import CommandLine
    from tests.kit.system import System

GET, BATCHGET = "/cgi-bin/draft/get", "/cgi-bin/draft/batchget"
EVENING = datetime(2026, 2, 27, 22, tzinfo=day.SHANGHAI)


class Console:
    """A person at WeChat's console."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._client = WeChatClient(system.simulator.url)

    def write(self, *titles: str) -> str:
        """Save a draft; return its media_id."""
        articles = [
            Article(title=one, content=f"<p>{one}正文</p>", thumb_media_id="T" * 43)
            for one in titles
        ]
        return str(self._call(DraftAdd(articles=articles)))

    def edit(self, media_id: str, **fields: str) -> None:
        """Change the first article of a draft."""
        self._admin("POST", media_id, {"index": 0, "fields": fields})

    def delete(self, media_id: str) -> None:
        """Delete a draft."""
        self._admin("DELETE", media_id, None)

    def delete_materials(self) -> None:
        """Delete every permanent material of the account."""
        with self._system.engine.connect() as connection:
            query = "SELECT media_id FROM bc_media WHERE media_id IS NOT NULL"
            ids = connection.exec_driver_sql(query).scalars().all()
        for media_id in ids:
            token = self._token().get_secret_value()
            url = f"{self._system.simulator.url}/cgi-bin/material/del_material?access_token={token}"
            said = requests.post(url, json={"media_id": media_id}, timeout=240).json()
            assert said["errcode"] == 0

    def _admin(self, method: str, media_id: str, body: Any) -> None:
        appid = self._system.simulator.account.appid
        self._system.simulator.admin(method, f"accounts/{appid}/drafts/{media_id}", body)

    def _call(self, request: Request[Any]) -> Any:
        return self._client.call(request, token=self._token())

    def _token(self) -> SecretStr:
        from pydantic import SecretStr

        known = self._system.simulator.account
        asked = StableToken(appid=known.appid, secret=SecretStr(known.secret))
        return self._client.call(asked).access_token


@pytest.fixture
def system(start_system: StartSystem) -> System:
    system = start_system(followers=30, BROADCAST_BATCH_SIZE="10")
    system.simulator.set_switches(media_must_exist=False)  # the covers of the drafts
    return system


def send(system: System, title: str, *words: str, status: int = 0) -> dict[str, Any]:
    """Send a draft by its title to all followers; return the object."""
    listed = system.folder / "all.txt"
    listed.write_text("\n".join(system.simulator.openids(30)))
    done = system.broadcast(
        "send", "--openids", str(listed), "--draft", title, *words, "--json", status=status
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def answered(system: System) -> int:
    """How many looks at a draft were answered: the clock ends tokens as well."""
    return len([call for call in system.simulator.calls(path=GET) if call["errcode"] == 0])


def test_drafts_are_listed_with_title_cover_and_time_and_shown_by_title(system: System) -> None:
    console = Console(system)
    for n in range(21):
        console.write(f"周报 {n}")
    weekly = console.write("招聘", "第二篇")

    listed = system.broadcast("draft", "list", "--most", "22", "--json")
    shown = system.broadcast("draft", "show", "招聘", "--json")

    drafts = json.loads(listed.stdout.splitlines()[-1])["drafts"]
    assert [one["articles"][0]["title"] for one in drafts][:2] == ["招聘", "周报 20"]
    assert len(drafts) == 22
    assert drafts[0]["media_id"] == weekly
    assert drafts[0]["articles"][0]["cover"] == "T" * 43
    assert drafts[0]["edited_at"].endswith("Z")
    assert "招聘" in listed.stderr
    assert len(system.simulator.calls(path=BATCHGET)) == 2 + 2
    told = json.loads(shown.stdout.splitlines()[-1])
    assert [one["content"] for one in told["articles"]] == ["<p>招聘正文</p>", "<p>第二篇正文</p>"]


def test_a_draft_is_sent_by_its_title_which_status_shows(system: System) -> None:
    media_id = Console(system).write("周报", "招聘")
    system.worker()
    system.beat()

    told = send(system, "周报", "--key", "weekly", "--wait")

    jobs = [system.simulator.job(one["msg_id"])["content"] for one in system.simulator.jobs()]
    assert jobs == [{"msgtype": "mpnews", "mpnews": {"media_id": media_id}}] * 3
    assert (told["state"], told["title"]) == ("completed", "周报")
    assert told["draft"]["titles"] == ["周报", "招聘"]
    assert told["draft"]["changes"] == []
    assert "周报" in system.broadcast("status", told["id"]).stdout
    # Sending took it out of the draft box, and the same command finds what it stored.
    again = send(system, "周报", "--key", "weekly")
    assert again["id"] == told["id"]


def test_an_unknown_title_and_one_of_several_are_refused_with_what_there_is(
    system: System,
) -> None:
    console = Console(system)
    first, second = console.write("周报"), console.write("周报")
    console.write("招聘")

    unknown = send(system, "周报一", status=2)["error"]
    several = send(system, "周报", status=2)["error"]

    assert "周报" in unknown
    assert "招聘" in unknown
    assert first in several
    assert second in several
    assert system.all_reports() == []


def test_what_was_edited_after_the_submit_is_held_shown_and_sent_after_a_resume(
    system: System,
) -> None:
    console = Console(system)
    media_id = console.write("周报")
    sent = send(system, "周报")["id"]

    console.edit(media_id, title="月报", content="<p>改过</p>")
    # The look of the submit was a moment ago.
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bc_drafts SET looked_at = '2026-01-01 00:00:00.000000'")
    system.worker()
    system.beat()
    system.until_state(sent, "held")

    shown = system.broadcast("status", sent).stdout
    assert "月报" in shown
    assert "content" in shown
    assert system.simulator.mass_calls() == []
    told = json.loads(system.broadcast("status", sent, "--json").stdout.splitlines()[-1])
    assert told["blockers"][0]["reason"] == "draft_edited"
    assert told["draft"]["changes"] == [
        {"article": 1, "parts": ["title", "content"], "before": "周报", "now": "月报"}
    ]

    resumed = system.broadcast("resume", sent)
    assert "月报" in resumed.stderr
    report = system.until_state(sent, "completed")
    assert sets_of(report) == {"accepted": 30}


# tests/integration/worker/test_draft_watch.py has it in short.
@pytest.mark.prove
def test_an_edit_between_two_days_is_held_on_the_second(
    start_system: StartSystem, tmp_path: Path
) -> None:
    clock = Clock(tmp_path)
    settings: dict[str, Any] = {"BROADCAST_BATCH_SIZE": "10", **clock.settings}
    system = start_system(followers=30, **settings)
    clock.follow(system)
    clock.put(system, EVENING)
    system.simulator.set_switches(draft_leaves_box=False)
    system.simulator.change_account(daily_limit=2)
    console = Console(system)
    media_id = console.write("周报")
    system.worker()
    system.beat()
    sent = send(system, "周报", "--spread-days")["id"]
    system.simulator.wait_for_jobs(2)
    system.until_state(sent, "sending")
    looks = answered(system)

    console.edit(media_id, digest="另一段摘要")
    clock.put(system, EVENING + timedelta(hours=12))
    system.until_state(sent, "held")

    assert answered(system) == looks + 1
    assert len(system.simulator.mass_calls()) == 2
    told = json.loads(system.broadcast("status", sent, "--json").stdout.splitlines()[-1])
    assert told["draft"]["changes"][0]["parts"] == ["digest"]
    assert told["recipients"]["accepted"] == 20
    system.broadcast("resume", sent, "--why", "the summary was wrong")
    system.until_state(sent, "completed")


def test_a_draft_that_is_gone_is_held_and_one_that_dies_in_between_pauses(system: System) -> None:
    console = Console(system)
    gone, dying = console.write("周报"), console.write("招聘")
    first = send(system, "周报")["id"]
    console.delete(gone)
    with system.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bc_drafts SET looked_at = '2026-01-01 00:00:00.000000'")
    system.simulator.set_switches(draft_dies_after_send=True)
    system.worker()
    system.beat()

    system.until_state(first, "held")
    second = send(system, "招聘")["id"]
    system.until_state(second, "paused")

    assert "no such draft" in system.broadcast("status", first).stdout
    refused = system.broadcast("resume", first, "--yes", status=2).stderr
    assert "WeChat has no such draft any more. Broadcast" in refused
    assert "It is not known" not in refused
    assert json.loads(system.broadcast("status", first, "--json").stdout)["state"] == "held"
    assert [call["errcode"] for call in system.simulator.mass_calls(path=MASS_SEND)] == [0, 40007]
    told = json.loads(system.broadcast("status", second, "--json").stdout.splitlines()[-1])
    assert told["draft"]["media_id"] == dying
    assert told["recipients"] == {
        "accepted": 10, "refused": 10, "cancelled": 0, "in_doubt": 0, "waiting": 10,
    }  # fmt: skip
    assert told["blockers"][0]["errcode"] == 40007


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
        ("image", False), ("article_image", True),
    ]  # fmt: skip
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


def test_a_person_is_shown_an_edit_and_asked_before_a_resume_sends_it(
    line: CommandLine, store: Engine
) -> None:
    content = {"msgtype": "mpnews", "mpnews": {"media_id": "D" * 43}}
    (line.folder / "content.json").write_text(json.dumps(content))
    sent = line.run("send", "--openids", "list.txt", "--content", "content.json", "--json")
    which = sent.json["id"]
    assert "The draft was not read" in sent.err
    ledger.planned(store, which, owner=by_hand.OWNER)
    waits = Waits()
    assert drafts.looked(store, which, (Mark(title="周报"),), waits=waits)
    assert not drafts.looked(store, which, (Mark(title="月报"),), waits=waits)

    kept = on_terminal(line, "resume", which, types=b"n\n")
    assert kept.status == 1
    assert "周报" in kept.out
    assert "月报" in kept.out
    assert line.run("status", which, "--json").json["state"] == "held"

    on_terminal(line, "resume", which, types=b"y\n")
    told = line.run("status", which, "--json").json
    assert told["state"] != "held"
    assert told["draft"]["changes"] == []


def test_what_is_gone_is_sent_only_by_a_person_who_was_told_so(
    line: CommandLine, store: Engine
) -> None:
    content = {"msgtype": "mpnews", "mpnews": {"media_id": "D" * 43}}
    (line.folder / "content.json").write_text(json.dumps(content))
    sent = line.run("send", "--openids", "list.txt", "--content", "content.json", "--json")
    which = sent.json["id"]
    ledger.planned(store, which, owner=by_hand.OWNER)
    assert drafts.looked(store, which, (Mark(title="周报"),), waits=Waits())
    assert not drafts.looked(store, which, Gone(), waits=Waits())

    refused = line.run("resume", which, "--yes")
    assert refused.status == 2
    assert len(refused.err.splitlines()) == 1
    assert "it had no such draft any more" in refused.err
    kept = on_terminal(line, "resume", which, "--yes", types=b"n\n")
    assert kept.status == 1
    assert "it had no such draft any more" in kept.out
    assert line.run("status", which, "--json").json["state"] == "held"

    on_terminal(line, "resume", which, types=b"y\n")
    assert line.run("status", which, "--json").json["state"] != "held"


def test_a_draft_that_nobody_could_look_up_is_not_sent_and_nothing_is_stored(
    line: CommandLine,
) -> None:
    done = line.run("send", "--openids", "list.txt", "--draft", "周报")

    assert done.status == 3
    assert "nothing was stored" in done.err
    assert len(done.lines) == 1
    assert line.run("list", "--json").json["broadcasts"] == []
