from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator.conftest import ACCOUNTS, FOLLOWERS, OTHER
from tests.simulator.expectations import refused, submitted
from tests.simulator.wire import text_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.simulator import SimulatedAccount, Simulator
    from tests.simulator.wire import Wire


def test_an_accepted_send_names_the_job(simulator: Simulator, wire: Wire) -> None:
    """Section 2.2."""
    reply = wire.send(simulator.openids(2), clientmsgid="job1-b1")
    assert set(reply) == {"errcode", "errmsg", "msg_id", "msg_data_id"}
    assert submitted(reply) >= 3147483649, "section 2.2: beyond 32 signed bits"
    (job,) = simulator.jobs()
    assert (job["clientmsgid"], job["size"], job["total"], job["eligible"]) == ("job1-b1", 2, 2, 2)
    assert simulator.ledger() == {
        "delivered_distinct": 2,
        "delivered_max": 1,
        "doubled": 0,
        "deliveries": 2,
    }


def test_msg_data_id_may_be_for_articles_alone(simulator: Simulator, wire: Wire) -> None:
    """Section 14 point 13; section 7.5: the same for every send of one article."""
    simulator.set_switches(msg_data_id_for_all=False, media_must_exist=False)
    assert "msg_data_id" not in wire.send(simulator.openids(2))
    article = {"msgtype": "mpnews", "mpnews": {"media_id": "D1"}}
    replies = [
        wire.post("message/mass/send", article | {"touser": simulator.openids(2, start=at)})
        for at in (0, 2)
    ]
    assert replies[0]["msg_data_id"] == replies[1]["msg_data_id"] > 2**31


@pytest.mark.parametrize(
    "content",
    [
        {"msgtype": "text", "text": {"content": "您好"}},
        {"msgtype": "mpnews", "mpnews": {"media_id": "D1"}, "send_ignore_reprint": 1},
        {"msgtype": "voice", "voice": {"media_id": "V1"}},
        {"msgtype": "image", "images": {"media_ids": ["M1", "M2"], "recommend": "新品"}},
        {"msgtype": "image", "image": {"media_id": "M1"}},
        {"msgtype": "mpvideo", "mpvideo": {"media_id": "X1", "title": "t", "description": "d"}},
        {"msgtype": "wxcard", "wxcard": {"card_id": "pX1"}},
    ],
)
def test_every_msgtype_of_the_table_is_taken_and_kept(
    simulator: Simulator, wire: Wire, content: dict[str, Any]
) -> None:
    """Section 2.1."""
    simulator.set_switches(media_must_exist=False)
    reply = wire.post("message/mass/send", content | {"touser": simulator.openids(3)})
    assert simulator.job(submitted(reply))["content"] == content


def test_a_text_survives_byte_for_byte(simulator: Simulator, wire: Wire) -> None:
    """Section 10: emoji, links, line breaks, quotes, no-break spaces."""
    family = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
    text = f'A&B <a href="https://a.cn?x=1&y=2">看</a>\n\t"\\ {family}\u00a0\u2028e\u0301\u0000'
    job = simulator.job(submitted(wire.send(simulator.openids(2), text)))
    assert job["content"]["text"]["content"].encode() == text.encode()


@pytest.mark.parametrize(
    ("body", "errcode", "words"),
    [
        (b"", 44002, "empty post data"),
        (b"{", 47001, "data format error"),
        (b"[]", 47001, "data format error"),
        (
            b'{"a":"\xd6\xd0"}',
            40033,
            "invalid charset. please check your request, if include \\uxxxx will create fail!",
        ),
    ],
)
def test_a_body_that_is_not_json_is_refused(
    wire: Wire, body: bytes, errcode: int, words: str
) -> None:
    refused(wire.post("message/mass/send", body), errcode, words, section="13, JSON")


def test_escaped_chinese_is_refused_or_parsed(simulator: Simulator, wire: Wire) -> None:
    """Section 10, the escape trap; escaped control characters are plain JSON."""
    body = json.dumps(text_message(simulator.openids(2), "中\n\u0001")).encode()
    assert wire.post("message/mass/send", body)["errcode"] == 40033
    simulator.set_switches(escaped_unicode="accept")
    job = simulator.job(submitted(wire.post("message/mass/send", body)))
    assert job["content"]["text"]["content"] == "中\n\u0001"


def test_a_backslash_before_a_u_is_not_an_escape(simulator: Simulator, wire: Wire) -> None:
    job = simulator.job(submitted(wire.send(simulator.openids(2), "C:\\u4e2d")))
    assert job["content"]["text"]["content"] == "C:\\u4e2d"


@pytest.mark.parametrize(
    ("content", "errcode", "words"),
    [
        ({"msgtype": "video"}, 40008, "invalid message type"),
        ({"msgtype": "music", "music": {"media_id": "x"}}, 40008, "invalid message type"),
        ({"msgtype": None}, 40008, "invalid message type"),
        ({"text": {"content": ""}}, 44004, "empty content"),
        ({"text": None}, 44004, "empty content"),
        ({"text": {"content": "字" * 601}}, 45002, "content size out of limit"),
        ({"msgtype": "mpnews", "mpnews": {}}, 40007, "invalid media_id"),
        ({"msgtype": "image", "images": {"media_ids": []}}, 40007, "invalid media_id"),
        (
            {"msgtype": "image", "images": {"media_ids": ["M"] * 21}},
            45020,
            "too many image, please input less",
        ),
        ({"msgtype": "wxcard", "wxcard": {}}, 40073, "invalid card id"),
        ({"clientmsgid": 7}, 47001, "data format error"),
    ],
)
def test_wrong_content_is_refused(
    simulator: Simulator, wire: Wire, content: dict[str, Any], errcode: int, words: str
) -> None:
    refused(wire.send(simulator.openids(2), **content), errcode, words, section="2.1 and 9.2")
    assert simulator.ledger()["deliveries"] == 0


def test_the_text_limit_is_a_switch(simulator: Simulator, wire: Wire) -> None:
    """Section 14 point 11."""
    submitted(wire.send(simulator.openids(2), "字" * 600))
    simulator.set_switches(text_limit=300, text_limit_errcode=40126)
    refused(wire.send(simulator.openids(2), "字" * 301), 40126, "invalid text size", section="14")


def test_the_old_image_object_may_be_refused(simulator: Simulator, wire: Wire) -> None:
    """Section 14 point 9."""
    simulator.set_switches(single_image_object=False)
    old = {"msgtype": "image", "image": {"media_id": "M1"}}
    assert wire.send(simulator.openids(2), **old)["errcode"] == 44004


def test_a_dead_media_id_is_refused(simulator: Simulator, wire: Wire) -> None:
    """Section 9.2, 40007; a draft may die with its first send."""
    article = {"msgtype": "mpnews", "mpnews": {"media_id": "D1"}}
    simulator.set_switches(draft_dies_after_send=True, media_must_exist=False)
    submitted(wire.send(simulator.openids(2), **article))
    reply = wire.send(simulator.openids(2, start=2), **article)
    refused(reply, 40007, "invalid media_id", section="7.5 and 9.2")
    simulator.change_account(dead_media=[])
    submitted(wire.send(simulator.openids(2, start=2), **article))


def test_less_than_two_openids_are_refused(simulator: Simulator, wire: Wire) -> None:
    """Section 2.4: also when touser is missing or misspelt."""
    words = "invalid openid list size, at least two openid"
    for touser in ([], simulator.openids(1), None):
        reply = wire.post("message/mass/send", text_message([]) | {"touser": touser})
        refused(reply, 40130, words, section="2.4")
    misspelt = text_message([]) | {"toUsers": simulator.openids(2)}
    del misspelt["touser"]
    refused(wire.post("message/mass/send", misspelt), 40130, words, section="2.4")


def test_openids_of_others_are_dropped_before_the_count(simulator: Simulator, wire: Wire) -> None:
    """Section 2.4, the list of three, two of them with odd prefixes."""
    strangers = simulator.openids(2, appid=OTHER.appid)
    reply = wire.send([*simulator.openids(1), *strangers])
    assert reply["errcode"] == 40130
    reply = wire.send([*simulator.openids(2), *strangers, *simulator.openids(1, start=FOLLOWERS)])
    job = simulator.job(submitted(reply, section="14 point 4"))
    assert (job["size"], job["total"], job["eligible"]) == (5, 5, 2)
    assert set(simulator.delivered(strangers).values()) == {0}


def test_total_may_leave_out_the_dropped(simulator: Simulator, wire: Wire) -> None:
    """Section 14 point 5."""
    simulator.set_switches(total_counts_dropped=False)
    mixed = [*simulator.openids(3), *simulator.openids(2, appid=OTHER.appid)]
    assert simulator.job(submitted(wire.send(mixed)))["total"] == 3


@pytest.mark.parametrize(
    "bad", ["oTEST", "\roTEST000000000000000000001A", "o" * 29, 7, None, "中" * 28]
)
def test_a_malformed_openid_refuses_the_whole_list(
    simulator: Simulator, wire: Wire, bad: object
) -> None:
    """Section 2.4; a switch drops it instead (section 14 point 4)."""
    mixed = [*simulator.openids(2), bad]
    refused(wire.send(mixed), 40003, "invalid openid", section="2.4")
    assert simulator.ledger()["deliveries"] == 0
    simulator.set_switches(malformed_openid="drop")
    assert simulator.job(submitted(wire.send(mixed)))["eligible"] == 2


def test_touser_that_is_no_list_is_refused(simulator: Simulator, wire: Wire) -> None:
    reply = wire.post("message/mass/send", text_message([]) | {"touser": simulator.openids(1)[0]})
    refused(reply, 40031, "invalid openid list", section="9.2")


def test_ten_thousand_are_taken_and_one_more_is_not(simulator: Simulator, wire: Wire) -> None:
    """Sections 2.1 and 2.4, section 14 point 3."""
    submitted(wire.send(simulator.openids(10_000)))
    too_many = simulator.openids(10_001)
    refused(wire.send(too_many, "b"), 40032, "invalid openid list size", section="2.4")
    simulator.set_switches(too_many_errcode=45019)
    words = "too many openid, please input less"
    refused(wire.send(too_many, "b"), 45019, words, section="9.2")
    assert simulator.ledger()["deliveries"] == 10_000


def test_a_fifth_message_in_a_month_is_filtered_silently(simulator: Simulator, wire: Wire) -> None:
    """Section 5.1: an errcode 0, and fewer eligible."""
    pair = simulator.openids(2)
    eligible = [
        simulator.job(submitted(wire.send(pair, clientmsgid=f"n{n}")))["eligible"] for n in range(5)
    ]
    assert eligible == [2, 2, 2, 2, 0]
    assert simulator.ledger()["delivered_max"] == 4
    simulator.shift_clock(31 * 86_400)
    wire_again = wire.stable()["access_token"]
    assert wire_again
    reply = wire.json(
        "POST",
        "message/mass/send",
        params={"access_token": wire_again},
        data=json.dumps(text_message(pair), ensure_ascii=False).encode(),
    )
    assert simulator.job(submitted(reply))["eligible"] == 2


def test_an_openid_twice_in_a_list_is_delivered_twice_or_once(
    simulator: Simulator, wire: Wire
) -> None:
    """Nobody knows: a switch."""
    one, two = simulator.openids(2)
    submitted(wire.send([one, two, one], "a"))
    assert simulator.delivered([one, two]) == {one: 2, two: 1}
    assert simulator.ledger()["doubled"] == 1
    simulator.set_switches(duplicates_delivered="once")
    submitted(wire.send([two, two, one], "b"))
    assert simulator.delivered([one, two]) == {one: 3, two: 2}


def test_every_wellformed_openid_may_count_as_a_follower(simulator: Simulator, wire: Wire) -> None:
    simulator.set_switches(accept_any_wellformed=True)
    made_up = [f"oMADE{number:023d}" for number in range(500)]
    mixed = [*made_up, *simulator.openids(500)]
    submitted(wire.send(mixed, "a"))
    submitted(wire.send([*made_up[:100], *simulator.openids(2)], "b"))
    assert simulator.delivered(made_up) == {
        openid: 2 if number < 100 else 1 for number, openid in enumerate(made_up)
    }
    assert simulator.ledger()["delivered_distinct"] == 1000
    assert simulator.ledger_dump()[made_up[0]] == 2


def test_followers_may_come_and_go(simulator: Simulator, wire: Wire) -> None:
    """Section 2.4: who unsubscribed is dropped like an unknown one."""
    own = [f"oTEST{number:023d}" for number in range(3)]
    assert simulator.add_followers(own)["followers"] == FOLLOWERS + 3
    assert simulator.remove_followers([own[2], *simulator.openids(1)])["followers"] == FOLLOWERS + 1
    job = simulator.job(submitted(wire.send([*own, *simulator.openids(2)])))
    assert job["eligible"] == 3
    assert simulator.add_followers(simulator.openids(1))["followers"] == FOLLOWERS + 2


def test_an_error_ends_in_a_rid_that_holds_the_time(simulator: Simulator, wire: Wire) -> None:
    """Section 0.1: the first group is the hex Unix time of the call."""
    match = re.search(r"rid: ([0-9a-f]{8})-", wire.send([])["errmsg"])
    assert match is not None
    assert int(match[1], 16) == pytest.approx(time.time(), abs=300)


@pytest.mark.parametrize(
    ("form", "pattern"),
    [
        ("hint", r".* hint: \[\w+\]"),
        ("both", r".* hint: \[\w+\] rid: [0-9a-f-]{26}"),
        ("none", r"invalid openid list size, at least two openid"),
    ],
)
def test_older_forms_of_an_errmsg(
    simulator: Simulator, wire: Wire, form: str, pattern: str
) -> None:
    """Section 0.1, hint and zhmsg."""
    simulator.set_switches(error_suffix=form, zhmsg=True)
    reply = wire.send([])
    assert re.fullmatch(pattern, reply["errmsg"])
    assert reply["zhmsg"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/json"])
def test_the_content_type_is_a_switch(simulator: Simulator, wire: Wire, content_type: str) -> None:
    """Section 0.1: inconsistent, so never branch on it."""
    simulator.set_switches(content_type=content_type)
    reply = wire.call("GET", "token")
    assert reply.headers["content-type"] == content_type


def test_a_send_is_a_post(wire: Wire) -> None:
    reply = wire.json("GET", "message/mass/send", params={"access_token": wire.token})
    refused(reply, 43002, "require POST method", section="9.2")


def test_a_subscription_account_has_no_mass_send(
    simulator: Simulator, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    """Section 14 point 1."""
    account = ACCOUNTS["subscription"]
    wire, pair = wire_of(account), simulator.openids(2, appid=account.appid)
    refused(wire.send(pair), 48001, "api unauthorized", section="2")
    simulator.set_switches(subscription_mass_send=True)
    submitted(wire.send(pair))


def test_a_test_account_sends_by_openid(
    simulator: Simulator, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    """Section 5.1, test account."""
    account = ACCOUNTS["test"]
    submitted(wire_of(account).send(simulator.openids(2, appid=account.appid)))


@pytest.mark.parametrize(
    ("errcode", "words"),
    [
        (48001, "api unauthorized"),
        (48004, "api forbidden for irregularities, view detail on mp.weixin.qq.com"),
        (50002, "user limited"),
    ],
)
def test_permission_can_be_taken_away(
    simulator: Simulator, wire: Wire, errcode: int, words: str
) -> None:
    simulator.change_account(permission_errcode=errcode)
    refused(wire.send(simulator.openids(2)), errcode, words, section="5.1 and 9.2")


def test_the_mass_send_agreement_must_be_accepted(simulator: Simulator, wire: Wire) -> None:
    simulator.change_account(agreement=False)
    reply = wire.send(simulator.openids(2))
    refused(reply, 48003, "user not agree mass-send protocol", section="9.2")
