"""Before a send, its preview to named people; after it, the page taken away."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.kit.wait import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import StartSystem
    from tests.kit.command_line import CommandLine
    from tests.kit.system import System

PREVIEW = "/cgi-bin/message/mass/preview"
DELETE = "/cgi-bin/message/mass/delete"
CLEAR = "/cgi-bin/clear_quota"
ARTICLE = "DRAFT-of-the-tests-0001"


@pytest.fixture
def system(start_system: StartSystem) -> System:
    """Twelve followers; nobody sends yet."""
    return start_system(followers=12)


def object_of(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout.splitlines()[-1])


def previews(system: System) -> list[dict[str, Any]]:
    return list(system.simulator.admin("GET", "previews")["previews"])


def article(system: System, **more: Any) -> Path:
    system.simulator.set_switches(media_must_exist=False)
    file = system.folder / "post.json"
    content = {"msgtype": "mpnews", "mpnews": {"media_id": ARTICLE}, **more}
    file.write_text(json.dumps(content), "utf-8")
    return file


# Preview


def test_a_preview_reaches_each_named_person_once_and_nobody_else(system: System) -> None:
    first, second = system.simulator.openids(2)
    system.simulator.change_account(wxnames={"editor_01": second})
    words = ("--to", first, "--to", "editor_01", "--to", first)

    done = system.broadcast("preview", "--text", "周五晚8点", *words, "--json")

    assert [(one["openid"], one["wxname"]) for one in previews(system)] == [
        (first, None),
        (second, "editor_01"),
    ]
    told = object_of(done)
    assert [(one["receiver"], one["result"]) for one in told["previews"]] == [
        (first, "sent"),
        ("editor_01", "sent"),
    ]
    assert told["calls_left_before"] == 100
    assert system.simulator.mass_calls() == []
    assert system.all_reports() == []


def test_a_group_of_the_settings_gets_every_picture_of_an_image_message(system: System) -> None:
    first, second = system.simulator.openids(2)
    file = system.folder / "accounts.toml"
    groups = f'[accounts.default.preview_groups]\nteam = ["{first}", "{second}"]\n'
    file.write_text(f"{file.read_text('utf-8')}{groups}", "utf-8")
    system.simulator.set_switches(media_must_exist=False)
    images = {"msgtype": "image", "images": {"media_ids": ["M1", "M2"], "recommend": "新品"}}
    (system.folder / "images.json").write_text(json.dumps(images), "utf-8")

    system.broadcast("preview", "--content", "images.json", "--group", "team")

    assert [(one["openid"], one["content"]["image"]) for one in previews(system)] == [
        (first, {"media_id": "M1"}),
        (first, {"media_id": "M2"}),
        (second, {"media_id": "M1"}),
        (second, {"media_id": "M2"}),
    ]
    system.simulator.fault("errcode", errcode=45002, when="before", path=PREVIEW, skip=1, count=1)
    done = system.broadcast(
        "preview", "--content", "images.json", "--to", first, "--json", status=1
    )
    [shown] = object_of(done)["previews"]
    assert (shown["result"], shown["sent"]) == ("refused", 1)
    assert f"{first}: got 1 of the pictures" in done.stderr
    assert len(previews(system)) == 5
    unknown = system.broadcast("preview", "--text", "hi", "--group", "tema", status=2)
    assert "no preview group tema" in unknown.stderr
    assert "team" in unknown.stderr


def test_a_local_file_is_uploaded_once_for_the_preview_and_for_the_send_after_it(
    system: System,
) -> None:
    one = system.simulator.openids(1)[0]
    Image.new("RGB", (20, 20), "red").save(system.folder / "photo.png")

    for _ in range(2):
        system.broadcast("preview", "--image", "./photo.png", "--to", one)

    first, second = (each["content"]["image"]["media_id"] for each in previews(system))
    assert first == second
    assert len(system.simulator.calls(path="/cgi-bin/media/upload")) == 1


def test_who_cannot_get_it_is_named_in_words_and_the_others_get_it(system: System) -> None:
    left, stays = system.simulator.openids(2)
    system.simulator.remove_followers([left])
    words = ("--to", left, "--to", "nobody_here", "--to", stays)

    done = system.broadcast("preview", "--text", "hello", *words, status=1)

    assert f"{left}: not sent. WeChat refused it" in done.stdout
    assert "the receiver does not follow the account" in done.stdout
    assert "broadcast explain 40132" in done.stdout
    assert f"{stays}: sent" in done.stdout
    assert [one["openid"] for one in previews(system)] == [stays]


def test_a_preview_beyond_the_calls_of_the_day_is_refused_before_anybody_gets_it(
    system: System,
) -> None:
    people = system.simulator.openids(3)
    system.simulator.change_account(used_today={PREVIEW: 98})
    words = [word for one in people for word in ("--to", one)]

    done = system.broadcast("preview", "--text", "hello", *words, status=2)

    assert "needs 3 calls" in done.stderr
    assert "2 of 100 left" in done.stderr
    assert previews(system) == []


def test_where_wechat_does_not_count_them_our_own_calls_are_counted(system: System) -> None:
    one = system.simulator.openids(1)[0]
    system.simulator.fault("errcode", errcode=76021, path="/cgi-bin/openapi/quota/get")
    system.broadcast("preview", "--text", "hello", "--to", one)

    done = system.broadcast("preview", "--text", "hello", "--to", one, "--json")

    assert object_of(done)["calls_left_before"] == 99


def test_a_preview_whose_reply_is_lost_is_never_repeated_and_said_to_be_possibly_sent(
    system: System,
) -> None:
    one, two = system.simulator.openids(2)
    system.simulator.fault("drop", when="after", path=PREVIEW, count=1)

    done = system.broadcast("preview", "--text", "a", "--to", one, "--to", two, "--json", status=3)

    assert f"{one}: possibly sent, do not repeat it" in done.stderr
    assert object_of(done)["error"]
    assert [each["openid"] for each in previews(system)] == [one, two]


def test_a_preview_to_nobody_is_refused(line: CommandLine) -> None:
    for words, says in (
        ((), "A preview goes to named people"),
        (("--to", "张三"), "张三 is no OpenID"),
        (("--to", "o" * 29), "is no OpenID"),
        (("--to", ""), "--to is empty"),
        (("--group", "team"), "has no preview group team, nor any other"),
    ):
        done = line.run("preview", "--text", "hello", *words)
        assert (done.status, done.lines[0].count(says)) == (2, 1)
    assert "bc_hand_calls" not in line.rows()


# Commands that were ended


def ended_in_the_middle(system: System, *words: str, path: str) -> None:
    """Kill a command while WeChat has its call and has not answered."""
    fault = system.simulator.fault("slow", when="after", seconds=600, path=path, count=1)
    process = system.command(*words)
    until(lambda: fired(system, fault), 60, f"a call to {path}")
    process.kill()
    system.simulator.clear_faults()


def fired(system: System, number: int) -> bool:
    return any(one["number"] == number and one["fired"] for one in system.simulator.faults())


def test_what_a_killed_command_had_begun_counts_as_possibly_done_and_is_shown(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=12)
    system.worker()
    broadcast_id = sent(system, key="one")
    one, two = system.simulator.openids(2)
    preview = ("preview", "--text", "hello", "--to")

    ended_in_the_middle(system, *preview, one, path=PREVIEW)
    ended_in_the_middle(system, "recall", broadcast_id, path=DELETE)
    ended_in_the_middle(system, "quota", "clear", path=CLEAR)

    # Recall: shown until a later one settles it.
    seen = object_of(system.broadcast("status", broadcast_id, "--json"))
    assert [(did["action"], did["possibly"]) for did in seen["operator_actions"]] == [
        ("recall", True)
    ]
    again = system.broadcast("recall", broadcast_id, status=None).stdout
    assert "Recalled before" not in again
    # Preview: whoever may have got one is named before they get another; nobody else is.
    repeated = system.broadcast(*preview, one, "--to", two)
    assert f"{one} may have got a preview already" in " ".join(repeated.stderr.split())
    assert f"{two} may have got" not in repeated.stderr
    # A clearing: one of the ten of the month.
    cleared = system.broadcast("quota", "clear", "--json")
    assert "may have been carried out" in " ".join(cleared.stderr.split())
    assert object_of(cleared)["clears_this_month"] == 2


# Recall


def sent(system: System, *, key: str, start: int = 0) -> str:
    people = system.simulator.openids(4, start=start)
    told = system.send(people, "--content", str(article(system)), "--key", key, "--wait")
    # WeChat has finished it.
    system.simulator.shift_clock(3600)
    return str(told["id"])


def status_at_wechat(system: System) -> set[str]:
    return {str(job["status"]) for job in system.simulator.jobs()}


def test_one_call_takes_the_page_away_for_every_send_of_it_and_both_histories_say_so(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=12, BROADCAST_BATCH_SIZE="2")
    system.worker()
    first, second = sent(system, key="one"), sent(system, key="two", start=4)

    done = system.broadcast("recall", first, "--why", "wrong price", "--json")

    [call] = system.simulator.calls(path=DELETE)
    assert call["errcode"] == 0
    assert status_at_wechat(system) == {"DELETE"}
    told = object_of(done)
    [page] = told["pages"]
    assert (page["result"], page["batches"]) == ("recalled", [1, 2])
    assert [(one["id"], one["batch"]) for one in told["shared"]] == [(second, 1), (second, 2)]
    assert f"These lose it too: {second} (batches 1, 2)" in done.stderr
    for one, through in ((first, None), (second, first)):
        [action] = object_of(system.broadcast("status", one, "--json"))["operator_actions"]
        assert (action["action"], action["why"]) == ("recall", "wrong price")
        assert (action["article"], action["through"]) == (None, through)
    assert "recalled its page (recall)" in system.broadcast("status", first).stdout
    assert f"recalled with that of broadcast {first}" in system.broadcast("status", second).stdout

    again = system.broadcast("recall", first, "--batch", "2", "--json")
    assert "Recalled before" in again.stderr
    shared = [(one["id"], one["batch"]) for one in object_of(again)["shared"]]
    assert shared == [(first, 1), (second, 1), (second, 2)]
    assert "Recalled before" in system.broadcast("recall", second).stdout
    assert len(system.simulator.calls(path=DELETE)) == 1


def test_what_was_never_sent_what_has_no_page_and_what_is_not_there_is_refused(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=12)
    people = system.simulator.openids(4)
    waiting = system.send(people, "--content", str(article(system)), "--key", "waits")["id"]
    text = system.send(people, "--key", "text")["id"]

    for words, says in (
        ((waiting,), "Nothing of broadcast"),
        ((waiting, "--batch", "1"), "was not sent, or does not exist"),
        ((text,), "which WeChat cannot recall"),
        ((waiting, "--article", "first"), "--article takes the number"),
        ((waiting, "--batch", "0"), "--batch takes the number"),
        (("zzzzzz",), "zzzzzz"),
    ):
        assert says in system.broadcast("recall", *words, status=2).stderr
    assert system.simulator.calls(path=DELETE) == []


def test_wechat_s_refusals_of_a_recall_are_told_in_words_and_one_can_be_repeated(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=12)
    system.worker()
    broadcast_id = sent(system, key="one")

    wrong = system.broadcast("recall", broadcast_id, "--article", "9", status=1)
    system.simulator.fault("drop", when="before", path=DELETE, count=1)
    words = ("--batch", "1", "--article", "1", "--json")
    lost = system.broadcast("recall", broadcast_id, *words, status=3)
    system.simulator.fault("errcode", errcode=40059, path=DELETE, count=1)
    foreign = system.broadcast("recall", broadcast_id, status=1)

    assert "broadcast explain 40060" in wrong.stdout
    assert "Possibly recalled" in lost.stderr
    assert object_of(lost)["error"]
    # Without them it would take the other articles away as well, and nothing brings those back.
    assert f"    broadcast recall {broadcast_id} --batch 1 --article 1\n" in lost.stderr
    assert "broadcast explain 40059" in foreign.stdout
    seen = object_of(system.broadcast("status", broadcast_id, "--json"))
    [perhaps] = seen["operator_actions"]
    assert (perhaps["action"], perhaps["possibly"]) == ("recall", True)
    assert "possibly recalled its article 1" in system.broadcast("status", broadcast_id).stdout
    assert "no longer opens" in system.broadcast("recall", broadcast_id).stdout
    assert "possibly recalled" not in system.broadcast("status", broadcast_id).stdout
    assert status_at_wechat(system) == {"DELETE"}
