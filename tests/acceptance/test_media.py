"""Files at WeChat: uploaded once while they live, refused before they would fail, and named."""

from __future__ import annotations

import json
import re
import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from broadcast.crashpoints import VARIABLE, Point
from broadcast.rules.media import MARGIN
from tests.acceptance.conftest import sets_of
from tests.kit import media
from tests.kit.clock import Clock
from tests.kit.endpoints import MASS_SEND
from tests.kit.wait import until

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

FIRST, SECOND = "wx0000000000000001", "wx0000000000000002"
#: WeChat's clock and the ledger's when the test begins.
START = datetime(2027, 3, 1, 4, tzinfo=UTC)
UPLOAD = "/cgi-bin/media/upload"
PREVIEW = "/cgi-bin/message/mass/preview"
UPLOADS = ("/media/", "/material/")


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """The clock of the ledger and of WeChat."""
    return Clock(tmp_path)


@pytest.fixture
def system(start_system: StartSystem, clock: Clock) -> System:
    """Two accounts, one picture, a list of six each, and nobody who sends."""
    settings: dict[str, Any] = {"BROADCAST_BATCH_SIZE": "2", **clock.settings}
    system = start_system(followers=9, accounts=2, **settings)
    clock.follow(system)
    clock.put(system, START)
    (system.folder / "photo.jpg").write_bytes(media.picture())
    for n, appid in enumerate((FIRST, SECOND), 1):
        openids = "\n".join(system.simulator.openids(6, appid=appid))
        (system.folder / f"list{n}.txt").write_text(openids, encoding="ascii")
    return system


def uploads(system: System) -> list[str]:
    """The endpoints that were given files, in order."""
    paths = [call["path"] for call in system.simulator.calls()]
    return [path.rpartition("/")[2] for path in paths if any(one in path for one in UPLOADS)]


def object_of(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout.splitlines()[-1])


def put(system: System, *words: str, account: int = 1) -> dict[str, Any]:
    told = object_of(
        system.broadcast("media", "upload", *words, "--account", f"account{account}", "--json")
    )
    [one] = told["media"]
    assert isinstance(one, dict)
    return one


def send(
    system: System, *words: str, account: int = 1, status: int = 0
) -> subprocess.CompletedProcess[str]:
    name = f"account{account}"
    return system.broadcast(
        "send",
        "--openids",
        f"list{account}.txt",
        "--account",
        name,
        *words,
        "--json",
        status=status,
    )


def at(days: float) -> tuple[str, str]:
    return "--at", (START + timedelta(days=days)).isoformat()


def test_a_file_is_uploaded_once_an_account_while_it_lives_and_again_after_it_died(
    system: System, clock: Clock
) -> None:
    first = put(system, "photo.jpg")
    assert (first["kind"], first["permanent"], first["name"]) == ("image", False, "photo.jpg")
    (system.folder / "copy.png").write_bytes((system.folder / "photo.jpg").read_bytes())
    assert put(system, "copy.png")["media_id"] == first["media_id"]
    assert put(system, "photo.jpg", account=2)["media_id"] != first["media_id"]
    kept = put(system, "photo.jpg", "--permanent")
    assert (kept["expires_at"], kept["permanent"]) == (None, True)
    assert kept["url"].startswith("http")
    assert uploads(system) == ["upload", "upload", "add_material"]

    clock.put(system, START + timedelta(days=3, minutes=1))
    alive = object_of(system.broadcast("media", "list", "--json"))["media"]
    assert [one["media_id"] for one in alive] == [kept["media_id"]]
    every = object_of(system.broadcast("media", "list", "--all", "--json"))["media"]
    assert len(every) == 3
    said = system.broadcast("media", "list", "--all").stdout
    assert first["media_id"] in said
    assert "expired at" in said
    assert put(system, "photo.jpg")["media_id"] != first["media_id"]


def test_a_preview_and_its_broadcast_share_one_upload_and_a_dry_run_needs_none(
    system: System,
) -> None:
    [someone] = system.simulator.openids(1, appid=FIRST)
    asked = send(system, "--image", "photo.jpg", "--dry-run").stderr
    assert "photo.jpg (JPG, 60 × 40, " in asked
    assert uploads(system) == []
    system.simulator.fault("errcode", errcode=40009, when="before", path=UPLOAD, count=1)
    refused = send(system, "--image", "photo.jpg", status=2).stderr
    assert "photo.jpg: WeChat refuses this file (40009 invalid image size)" in refused
    assert refused.count("\n") == 1
    assert system.all_reports() == []
    preview = ("preview", "--image", "photo.jpg", "--to", someone, "--account", "account1")
    system.simulator.fault("errcode", errcode=40007, when="before", path=PREVIEW, count=1)
    assert "40007" in system.broadcast(*preview, status=1).stdout
    # WeChat has lost the picture: the command uploads it again.
    system.broadcast(*preview)
    shown = system.simulator.admin("GET", "previews")["previews"][-1]
    sent = object_of(send(system, "--image", "photo.jpg", *at(1)))["id"]
    assert uploads(system) == ["upload", "upload", "upload"]
    [listed] = object_of(system.broadcast("media", "list", "--json"))["media"]
    assert shown["content"]["image"] == {"media_id": listed["media_id"]}
    late = send(system, "--image", listed["media_id"], *at(3), "--again", status=2)
    assert "Give the file itself" in late.stderr
    assert late.stderr.count("\n") == 1
    system.broadcast("cancel", sent, "--yes")


def test_a_preview_and_a_cover_refuse_an_id_that_is_not_good_for_them_before_any_call(
    system: System, clock: Clock
) -> None:
    [someone] = system.simulator.openids(1, appid=FIRST)
    foreign = put(system, "photo.jpg", account=2)["media_id"]
    mine = put(system, "photo.jpg")["media_id"]
    kept = put(system, "photo.jpg", "--permanent")["media_id"]
    (system.folder / "weekly.md").write_text("# 周报\n\n正文", encoding="utf-8")
    before = len(system.simulator.calls())

    def preview(*content: str) -> str:
        words = ("preview", *content, "--to", someone, "--account", "account1")
        return system.broadcast(*words, status=2).stderr

    def draft(cover: str, *words: str, status: int = 2) -> str:
        named = ("weekly.md", "--cover", cover, "--account", "account1")
        return system.broadcast("draft", "add", *named, *words, status=status).stderr

    assert "belongs to account account2" in preview("--image", foreign)
    assert "was uploaded as a picture" in preview("--voice", mine)
    assert "an article is needed" in preview("--mpnews", mine)
    assert "belongs to account account2" in draft(foreign, "--dry-run")
    assert "must be permanent" in draft(mine)
    clock.put(system, START + timedelta(days=3, minutes=1))
    assert "expired at" in preview("--image", mine)
    assert len(system.simulator.calls()) == before
    draft(kept, "--dry-run", status=0)


def test_a_picture_that_wechat_no_longer_has_pauses_the_rest_and_says_how_it_gets_theirs(
    system: System,
) -> None:
    system.simulator.fault("errcode", errcode=40007, when="before", path=MASS_SEND, skip=1, count=1)
    system.worker()
    sent = object_of(send(system, "--image", "photo.jpg"))["id"]

    report = system.until_state(sent, "paused")

    assert sets_of(report) == {"accepted": 2, "refused": 2, "waiting": 2}
    assert len(system.simulator.mass_calls()) == 2
    said = system.broadcast("status", sent, status=None).stdout
    assert "Give the file itself, and it is uploaded again." in said
    # Followed to the letter, it is: WeChat did not have the id that was uploaded before.
    commands = re.findall(r"\n    broadcast (.*)", said)
    assert commands[-1] == "send --account account1 --openids rest.txt --image FILE"
    system.broadcast("cancel", sent, "--yes")
    rest = system.broadcast(*commands[1].removesuffix(" > rest.txt").split()).stdout
    (system.folder / "rest.txt").write_text(rest, encoding="ascii")
    system.broadcast(*commands[-1].replace("FILE", "photo.jpg").split(), "--wait")
    assert uploads(system) == ["upload", "upload"]
    assert system.simulator.ledger(FIRST) == {
        "delivered_distinct": 6,
        "deliveries": 6,
        "delivered_max": 1,
        "doubled": 0,
    }


def test_a_picture_for_a_time_after_its_death_is_uploaded_again_before_it_is_sent(
    system: System, clock: Clock
) -> None:
    sent = object_of(send(system, "--image", "photo.jpg", *at(5)))["id"]
    assert uploads(system) == ["upload"]
    (system.folder / "photo.jpg").unlink()
    clock.put(system, START + timedelta(days=5))
    system.worker()
    system.beat()

    report = system.until_state(sent, "completed")

    assert sets_of(report) == {"accepted": 6}
    assert uploads(system) == ["upload", "upload"]
    listed = object_of(system.broadcast("media", "list", "--all", "--json"))["media"]
    jobs = [system.simulator.job(one["msg_id"]) for one in system.simulator.jobs()]
    said = {job["content"]["images"]["media_ids"][0] for job in jobs}
    assert said == {listed[0]["media_id"]} != {listed[1]["media_id"]}
    # Its bytes go with it.
    until(lambda: not files_of(system), 30, "the files are removed")


@pytest.mark.prove
def test_a_spread_past_the_death_of_its_picture_repeats_what_it_said_and_uploads_for_the_next_day(
    system: System, clock: Clock
) -> None:
    system.simulator.set_switches(clientmsgid_compares_content=True)
    system.simulator.change_account(FIRST, daily_limit=2)
    # Ten minutes before what is in it becomes too old for a first call.
    first_day = START + timedelta(days=3) - MARGIN - timedelta(minutes=10)
    # The claim of a killed worker is no start: the repeat has to be in time as well.
    words = ("--image", "photo.jpg", "--spread-days", "--late-by", "1h")
    sent = object_of(send(system, *words, "--at", first_day.isoformat()))["id"]
    clock.put(system, first_day)
    system.beat()
    dies(system, Point.CALL_ENDED)
    clock.put(system, first_day + timedelta(minutes=20))
    dies(system, Point.RECORD_COMMITTED)
    # WeChat knows the batch by its key and its body: it is the same, and nobody gets it twice.
    assert [call["errcode"] for call in system.simulator.mass_calls()] == [0, 45065]
    assert taken(system) == 1

    clock.put(system, first_day + timedelta(days=1))
    dies(system, Point.MEDIA_UPLOADED)
    assert (taken(system), len(system.simulator.jobs())) == (2, 1)
    system.worker()

    report = system.until_state(sent, "completed")

    assert sets_of(report) == {"accepted": 6}
    newest, old = object_of(system.broadcast("media", "list", "--all", "--json"))["media"]
    jobs = [system.simulator.job(one["msg_id"]) for one in system.simulator.jobs()]
    said = [job["content"]["images"]["media_ids"] for job in jobs]
    assert said == [[old["media_id"]], [newest["media_id"]], [newest["media_id"]]]
    assert taken(system) == 3
    assert system.simulator.ledger(FIRST) == {
        "delivered_distinct": 6,
        "deliveries": 6,
        "delivered_max": 1,
        "doubled": 0,
    }


def taken(system: System) -> int:
    """How many files WeChat took; a token that has expired is no answer to one."""
    return sum(call["errcode"] == 0 for call in system.simulator.calls() if UPLOAD in call["path"])


def dies(system: System, point: Point) -> None:
    """Start a worker, and see it die at a crash point."""
    doomed = system.worker(ready=False, **{VARIABLE: point.value})
    assert doomed.wait(timeout_s=60) == -signal.SIGKILL


def files_of(system: System) -> list[Any]:
    with system.engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT id FROM bc_file_pieces"))


def test_a_media_id_that_wechat_has_no_more_is_named_before_the_question(system: System) -> None:
    words = ("send", "--openids", "list1.txt", "--account", "account1", "--dry-run")

    gone = system.broadcast(*words, "--image", "id:" + "G" * 43, status=1)
    assert f"WeChat has nothing under media_id {'G' * 43}" in gone.stderr
    assert "the plan does not fit" in gone.stderr
    there = put(system, "photo.jpg")["media_id"]
    assert "WeChat has nothing" not in system.broadcast(*words, "--image", f"id:{there}").stderr
