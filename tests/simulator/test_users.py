"""Followers, tags and the blacklist: section 8 of the fact sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.simulator import SimulatedAccount, Simulator
from tests.simulator.conftest import FOLLOWERS, OTHER
from tests.simulator.expectations import refused, submitted
from tests.simulator.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STRANGER = "o" + "x" * 27


def get(wire: Wire, path: str, **query: str) -> dict[str, Any]:
    return wire.json("GET", path, params={"access_token": wire.token, **query})


def pages(wire: Wire) -> Iterator[dict[str, Any]]:
    """Every page of user/get, as the documents say to read them."""
    following = ""
    while True:
        page = get(wire, "user/get", next_openid=following)
        yield page
        following = page["next_openid"]
        if not following:
            return


def tag(wire: Wire, name: str = "VIP") -> int:
    return int(wire.post("tags/create", {"tag": {"name": name}})["tag"]["id"])


def tagged(wire: Wire, tag_id: int, openids: list[str]) -> dict[str, Any]:
    body = {"tagid": tag_id, "openid_list": openids}
    return wire.post("tags/members/batchtagging", body)


def test_the_whole_list_comes_in_pages_and_one_empty_page(wire: Wire, simulator: Simulator) -> None:
    openids = simulator.openids(FOLLOWERS)
    simulator.remove_followers(openids[5:10])
    simulator.add_followers([STRANGER])
    whole = list(pages(wire))
    assert [page["count"] for page in whole] == [10_000, 10_000, 9_996, 0]
    assert {page["total"] for page in whole} == {FOLLOWERS - 4}
    assert whole[-1] == {"total": FOLLOWERS - 4, "count": 0, "next_openid": ""}, "section 8"
    listed = [openid for page in whole[:-1] for openid in page["data"]["openid"]]
    assert listed == [*openids[:5], *openids[10:], STRANGER]


def test_whether_the_last_page_names_a_next_one_is_a_switch(
    wire: Wire, simulator: Simulator
) -> None:
    simulator.set_switches(last_page_names_next=False, followers_page=20_000)
    assert [page["count"] for page in pages(wire)] == [20_000, 10_000]


def test_a_page_goes_on_behind_somebody_who_has_left(wire: Wire, simulator: Simulator) -> None:
    openids = simulator.openids(11)
    simulator.remove_followers(openids[9:10])
    page = get(wire, "user/get", next_openid=openids[9])
    assert page["data"]["openid"][0] == openids[10]


@pytest.mark.parametrize("openid", ["short", STRANGER])
def test_a_page_behind_nobody_is_refused(wire: Wire, openid: str) -> None:
    refused(get(wire, "user/get", next_openid=openid), 40003, "invalid openid", section="8")


@pytest.mark.parametrize(("kind", "limit"), [("service", 500), ("test", 100)])
def test_the_list_has_a_limit_of_the_day(
    simulator: Simulator, wire: Wire, kind: str, limit: int
) -> None:
    simulator.change_account(kind=kind)
    assert wire.quota("/cgi-bin/user/get")["quota"]["daily_limit"] == limit, "section 5.2"


def test_five_million_followers_cost_little() -> None:
    """500 pages: what a page costs must not grow with the account."""
    with Simulator(followers=5_000_000) as simulator:
        wire = Wire(simulator.url, simulator.account)
        wanted = simulator.openids(10, start=4_999_990)
        page = get(wire, "user/get", next_openid=wanted[0])
        assert page["data"]["openid"] == wanted[1:]
        assert page["total"] == 5_000_000
        wire.close()


def test_details_say_who_left_and_nothing_of_a_person(wire: Wire, simulator: Simulator) -> None:
    openids = simulator.openids(3)
    tag_id = tag(wire)
    tagged(wire, tag_id, openids[:1])
    wire.post("user/info/updateremark", {"openid": openids[0], "remark": "老客户"})
    simulator.remove_followers(openids[2:])
    users = [{"openid": openid, "lang": "zh_CN"} for openid in openids]
    reply = wire.post("user/info/batchget", {"user_list": users})
    first, second, third = reply["user_info_list"]
    assert (first["tagid_list"], first["remark"]) == ([tag_id], "老客户")
    assert (second["subscribe"], second["tagid_list"]) == (1, [])
    assert third == {"subscribe": 0, "openid": openids[2]}
    assert not {"nickname", "headimgurl", "sex", "city"} & set(first), "section 8: since 2021"
    assert get(wire, "user/info", openid=openids[0]) == first


def test_the_time_of_subscribing_is_that_of_coming_back(wire: Wire, simulator: Simulator) -> None:
    openids = [*simulator.openids(1), STRANGER]
    before = get(wire, "user/info", openid=openids[0])["subscribe_time"]
    simulator.remove_followers(openids[:1])
    now = simulator.shift_clock(100)
    simulator.add_followers(openids)
    for openid in openids:
        came_at = get(wire, "user/info", openid=openid)["subscribe_time"]
        assert before < now <= came_at + 1


@pytest.mark.parametrize(
    ("openids", "errcode", "words"),
    [
        ([], 40032, "invalid openid list size"),
        (["x"], 40003, "invalid openid"),
        ([STRANGER], 40003, "invalid openid"),
        (101, 40032, "invalid openid list size"),
    ],
)
def test_one_bad_openid_refuses_the_whole_batch(
    wire: Wire, simulator: Simulator, openids: Any, errcode: int, words: str
) -> None:
    listed = simulator.openids(openids) if isinstance(openids, int) else openids
    if listed and len(listed) == 1:
        listed = [*simulator.openids(2), *listed]
    body = {"user_list": [{"openid": openid} for openid in listed]}
    refused(wire.post("user/info/batchget", body), errcode, words, section="8")


def test_tags_are_made_renamed_and_deleted(wire: Wire) -> None:
    starred = {"id": 2, "name": "星标组", "count": 0}
    assert get(wire, "tags/get") == {"tags": [starred]}
    tag_id = tag(wire)
    assert tag_id >= 100, "section 8: the first ids are WeChat's own"
    assert wire.post("tags/update", {"tag": {"id": tag_id, "name": "会员"}})["errcode"] == 0
    assert get(wire, "tags/get")["tags"][1] == {"id": tag_id, "name": "会员", "count": 0}
    assert wire.post("tags/delete", {"tag": {"id": tag_id}})["errcode"] == 0
    assert get(wire, "tags/get") == {"tags": [starred]}
    assert tag(wire) != tag_id, "an id does not come back"


def test_what_no_tag_may_be(wire: Wire) -> None:
    tag(wire)
    refused(
        wire.post("tags/create", {"tag": {"name": "VIP"}}), 45157, "invalid tag name", section="8"
    )
    long = {"tag": {"name": "字" * 31}}
    refused(wire.post("tags/create", long), 45158, "tag name too long", section="8")
    rename = wire.post("tags/update", {"tag": {"id": 2, "name": "x"}})
    refused(rename, 45058, "can't modify sys tag", section="8")
    unknown = wire.post("tags/delete", {"tag": {"id": 999}})
    refused(unknown, 45159, "invalid tag id", section="8")
    for number in range(99):
        tag(wire, f"tag {number}")
    words = "too many tag now, no need to add new"
    refused(wire.post("tags/create", {"tag": {"name": "one more"}}), 45056, words, section="8")


def test_members_are_tagged_listed_and_untagged(wire: Wire, simulator: Simulator) -> None:
    tag_id, openids = tag(wire), simulator.openids(50)
    assert tagged(wire, tag_id, openids)["errcode"] == 0
    simulator.set_switches(tag_page=30)
    simulator.remove_followers(openids[:1])
    first = wire.post("user/tag/get", {"tagid": tag_id, "next_openid": ""})
    rest = wire.post("user/tag/get", {"tagid": tag_id, "next_openid": first["next_openid"]})
    assert first["data"]["openid"] + rest["data"]["openid"] == openids[1:]
    last = wire.post("user/tag/get", {"tagid": tag_id, "next_openid": rest["next_openid"]})
    assert last == {"count": 0, "next_openid": ""}
    body = {"tagid": tag_id, "openid_list": openids[1:]}
    assert wire.post("tags/members/batchuntagging", body)["errcode"] == 0
    assert get(wire, "tags/get")["tags"][1]["count"] == 0
    assert wire.post("tags/getidlist", {"openid": openids[3]}) == {"tagid_list": []}


def test_what_cannot_be_tagged(
    wire: Wire, simulator: Simulator, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    tag_id, openids = tag(wire), simulator.openids(51)
    foreign = simulator.openids(1, appid=OTHER.appid)
    size = "invalid openid list size"
    refused(tagged(wire, tag_id, openids), 40032, size, section="8")
    refused(tagged(wire, tag_id, ["x"]), 40003, "invalid openid", section="8")
    words = "not match openid with appid"
    refused(tagged(wire, tag_id, foreign), 49003, words, section="8")
    refused(tagged(wire, 999, openids[:1]), 45159, "invalid tag id", section="8")
    for number in range(20):
        assert tagged(wire, tag(wire, f"t{number}"), openids[:1])["errcode"] == 0
    too_much = tagged(wire, tag_id, openids[:2])
    refused(too_much, 45059, "can not tagging one user too much", section="8")
    assert get(wire, "tags/get")["tags"][1]["count"] == 0, "all or none"
    assert wire_of(OTHER).post("user/tag/get", {"tagid": tag_id})["errcode"] == 45159


def test_a_tag_with_very_many_members_cannot_be_deleted() -> None:
    with Simulator(followers=100_001) as simulator:
        path = f"accounts/{simulator.account.appid}/tags/105"
        simulator.admin("POST", path, lines=simulator.openids(100_001))
        wire = Wire(simulator.url, simulator.account)
        words = "can't delete the tag that has too many fans"
        refused(wire.post("tags/delete", {"tag": {"id": 105}}), 45057, words, section="8")
        wire.close()


def test_a_mass_send_reaches_a_tag_made_through_the_api(wire: Wire, simulator: Simulator) -> None:
    tag_id, openids = tag(wire), simulator.openids(5)
    tagged(wire, tag_id, openids)
    body = {"filter": {"is_to_all": False, "tag_id": tag_id}, "msgtype": "text"}
    submitted(wire.post("message/mass/sendall", body | {"text": {"content": "开课"}}))
    assert set(simulator.ledger_dump()) == set(openids)


def test_neither_the_blacklist_nor_who_refuses_gets_it(wire: Wire, simulator: Simulator) -> None:
    """Section 6.4: FilterCount is who is left."""
    openids, appid = simulator.openids(10), simulator.account.appid
    blocked = {"openid_list": openids[:2]}
    assert wire.post("tags/members/batchblacklist", blocked)["errcode"] == 0
    listed = wire.post("tags/members/getblacklist", {"begin_openid": ""})
    assert (listed["total"], listed["data"]["openid"]) == (2, openids[:2])
    simulator.admin("POST", f"accounts/{appid}/refusing", lines=openids[2:3])
    job = simulator.job(submitted(wire.send(openids)))
    assert (job["total"], job["eligible"]) == (10, 7)
    assert set(simulator.ledger_dump()) == set(openids[3:])
    assert wire.post("tags/members/batchunblacklist", blocked)["errcode"] == 0
    simulator.admin("DELETE", f"accounts/{appid}/refusing", lines=openids[2:3])
    again = simulator.job(submitted(wire.send(openids, "再来")))
    assert again["eligible"] == 10


def test_twenty_go_onto_the_blacklist_at_once(wire: Wire, simulator: Simulator) -> None:
    body = {"openid_list": simulator.openids(21)}
    reply = wire.post("tags/members/batchblacklist", body)
    refused(reply, 40032, "invalid openid list size", section="8")
