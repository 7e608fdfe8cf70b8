"""Drafts through real processes: found, sent, watched, and never sent as another than approved."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from broadcast import day
from broadcast.rules.calls.waits import Waits
from broadcast.rules.drafts import Gone, Mark
from broadcast.wechat.api.drafts import Article, DraftAdd
from broadcast.wechat.api.token import StableToken
from broadcast.wechat.client import WeChatClient
from broadcast.wechat.endpoint import Request
from models.ledger.gates import drafts
from tests.acceptance import by_hand
from tests.acceptance.conftest import sets_of
from tests.acceptance.test_terminal import on_terminal
from tests.kit import ledger
from tests.kit.clock import Clock
from tests.kit.endpoints import MASS_SEND

if TYPE_CHECKING:
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
    system.simulator.set_switches(draft_leaves_box=False, media_must_exist=False)
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
        "accepted": 10,
        "refused": 10,
        "cancelled": 0,
        "in_doubt": 0,
        "waiting": 10,
    }
    assert told["blockers"][0]["errcode"] == 40007


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
    assert drafts.record_look(store, which, (Mark(title="周报"),), waits=waits)
    assert not drafts.record_look(store, which, (Mark(title="月报"),), waits=waits)

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
    assert drafts.record_look(store, which, (Mark(title="周报"),), waits=Waits())
    assert not drafts.record_look(store, which, Gone(), waits=Waits())

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
