"""`broadcast tags`: tags and their members, as WeChat has them afterwards."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

ADD = "/cgi-bin/tags/members/batchtagging"
REMOVE = "/cgi-bin/tags/members/batchuntagging"


@pytest.fixture
def system(start_system: StartSystem) -> System:
    """Three hundred followers and the tag VIP."""
    system = start_system(followers=300)
    system.broadcast("tags", "create", "VIP")
    return system


def tomorrow() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="minutes")


def object_of(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout.splitlines()[-1])


def listed(system: System) -> dict[str, Any]:
    told = object_of(system.broadcast("tags", "list", "--json"))
    return {one["name"]: one for one in told["tags"]}


def a_file(system: System, openids: Sequence[str]) -> str:
    (system.folder / "list.txt").write_text("\n".join(openids) + "\n", "utf-8")
    return "list.txt"


def test_a_tag_is_made_renamed_and_deleted_and_doing_it_twice_makes_no_second_one(
    system: System,
) -> None:
    again = system.broadcast("tags", "create", "VIP")
    assert "is there already" in again.stdout
    vip = listed(system)["VIP"]
    assert (vip["count"], vip["system"]) == (0, False)
    assert listed(system)["星标组"]["system"]

    system.broadcast("tags", "rename", "VIP", "老客户")
    assert listed(system)["老客户"]["id"] == vip["id"]
    system.broadcast("tags", "delete", str(vip["id"]))
    assert set(listed(system)) == {name for name, one in listed(system).items() if one["system"]}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("rename", "星标组", "x"), "is WeChat's own"),
        (("delete", "2"), "is WeChat's own"),
        (("delete", "VPI"), "has no tag VPI; it has VIP"),
        (("create", "n" * 31), "1 to 30 characters"),
        (("create", " "), "1 to 30 characters"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    system: System, words: tuple[str, ...], says: str
) -> None:
    done = system.broadcast("tags", *words, status=2)

    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_followers_get_a_tag_fifty_a_call_and_lose_it_again(system: System) -> None:
    people = system.simulator.openids(120)
    file = a_file(system, [*people, people[0]])

    told = object_of(system.broadcast("tags", "add", "VIP", "--openids", file, "--json"))

    assert (told["read"], told["duplicate"], told["done"], told["left"]) == (121, 1, 120, 0)
    assert len(system.simulator.calls(path=ADD)) == 3
    assert listed(system)["VIP"]["count"] == 120

    half = a_file(system, people[:60])
    done = system.broadcast("tags", "remove", "VIP", "--openids", half, "--json")
    # Of a short list nobody is looked up, so nobody knows who had it.
    assert object_of(done)["already"] is None
    assert "taken from 60 followers.\n" in done.stderr
    assert "did not have it" not in done.stderr
    assert listed(system)["VIP"]["count"] == 60


def test_a_command_that_was_ended_goes_on_where_it_was(system: System) -> None:
    people = system.simulator.openids(300)
    file = a_file(system, people)
    system.simulator.fault("errcode", errcode=45009, path=ADD, when="before", skip=4, count=1)
    ended = system.broadcast("tags", "add", "VIP", "--openids", file, status=1)
    assert "Not finished: 100 followers are left" in ended.stdout
    assert "broadcast explain 45009" in ended.stdout

    told = object_of(system.broadcast("tags", "add", "VIP", "--openids", file, "--json"))

    assert (told["already"], told["done"]) == (200, 100)
    assert len(system.simulator.calls(path=ADD)) == 5 + 2
    assert listed(system)["VIP"]["count"] == 300


def test_whom_wechat_refuses_is_named_and_all_others_get_the_tag(system: System) -> None:
    people = system.simulator.openids(60)
    bad = "oNobody00000000000000000000A"
    file = a_file(system, [*people, bad, "no openid"])

    done = system.broadcast("tags", "add", "VIP", "--openids", file, "--json", status=1)

    told = object_of(done)
    assert [one["openid"] for one in told["refused"]] == [bad]
    assert told["refused"][0]["errcode"] in {40003, 49003}
    assert (told["done"], told["malformed"]) == (60, 1)
    assert f"{bad}: refused" in done.stderr
    assert told["error"] in done.stderr
    assert listed(system)["VIP"]["count"] == 60


def test_a_call_whose_reply_is_lost_is_made_good_by_the_next_command(system: System) -> None:
    people = system.simulator.openids(50)
    file = a_file(system, people)
    system.simulator.fault("drop", when="after", path=ADD, count=1)
    lost = system.broadcast("tags", "add", "VIP", "--openids", file, "--json", status=3)
    assert object_of(lost)["error"]

    system.broadcast("tags", "add", "VIP", "--openids", file)

    assert listed(system)["VIP"]["count"] == 50


def test_a_tag_that_nobody_has_is_not_sent_to_and_for_a_later_time_that_is_said(
    system: System,
) -> None:
    words = ("send", "--tag", "VIP", "--text", "hello")

    refused = system.broadcast(*words, status=2)

    assert "Nobody has tag" in refused.stderr
    assert "Nothing was stored" in refused.stderr
    assert system.broadcast("list").stdout.count("waiting") == 0
    later = system.broadcast(*words, "--at", tomorrow())
    assert "Nobody has tag" in later.stderr
    assert system.simulator.mass_calls() == []


def test_a_tag_to_which_a_broadcast_is_still_to_go_is_not_deleted(system: System) -> None:
    vip = str(listed(system)["VIP"]["id"])
    told = object_of(
        system.broadcast("send", "--tag", vip, "--text", "hello", "--at", tomorrow(), "--json")
    )

    done = system.broadcast("tags", "delete", "VIP", status=2)

    assert told["id"] in done.stderr
    assert "VIP" in listed(system)
