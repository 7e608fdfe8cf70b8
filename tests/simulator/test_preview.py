"""message/mass/preview: section 4.1 of the fact sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator.expectations import refused

if TYPE_CHECKING:
    from tests.kit.simulator import Simulator
    from tests.simulator.wire import Wire

TEXT = {"msgtype": "text", "text": {"content": "预览"}}
STRANGER = "o" + "x" * 27


def preview(wire: Wire, **body: Any) -> dict[str, Any]:
    return wire.post("message/mass/preview", TEXT | body)


def sent(simulator: Simulator) -> list[dict[str, Any]]:
    return list(simulator.admin("GET", "previews")["previews"])


def test_a_preview_reaches_one_follower_and_is_no_mass_send(
    wire: Wire, simulator: Simulator
) -> None:
    (openid,) = simulator.openids(1)
    reply = preview(wire, touser=openid)
    assert (reply["errcode"], reply["errmsg"]) == (0, "preview success")
    (one,) = sent(simulator)
    assert (one["openid"], one["msg_id"]) == (openid, reply["msg_id"])
    assert one["content"] == TEXT
    assert simulator.jobs() == []
    assert simulator.ledger()["deliveries"] == 0


def test_the_wechat_id_wins(wire: Wire, simulator: Simulator) -> None:
    openids = simulator.openids(2)
    simulator.change_account(wxnames={"boss": openids[1]})
    assert preview(wire, touser=openids[0], towxname="boss")["errcode"] == 0
    assert sent(simulator)[0]["openid"] == openids[1]
    unknown = preview(wire, touser=openids[0], towxname="nobody")
    refused(unknown, 40132, "invalid username", section="9.2")


@pytest.mark.parametrize(
    ("body", "errcode", "words"),
    [
        ({}, 40003, "invalid openid"),
        ({"touser": "x"}, 40003, "invalid openid"),
        ({"touser": STRANGER}, 40003, "invalid openid"),
        ({"touser": STRANGER, "msgtype": "news"}, 40008, "invalid message type"),
        ({"touser": STRANGER, "text": {"content": ""}}, 44004, "empty content"),
    ],
)
def test_a_preview_to_nobody_or_of_nothing_is_refused(
    wire: Wire, body: dict[str, Any], errcode: int, words: str
) -> None:
    refused(preview(wire, **body), errcode, words, section="4.1")


def test_who_has_left_or_is_blocked_gets_none(wire: Wire, simulator: Simulator) -> None:
    openids = simulator.openids(2)
    simulator.remove_followers(openids[:1])
    refused(preview(wire, touser=openids[0]), 43004, "require subscribe", section="9.2")
    wire.post("tags/members/batchblacklist", {"openid_list": openids[1:]})
    refused(preview(wire, touser=openids[1]), 43019, "require remove blacklist", section="9.2")


def test_a_picture_is_singular_in_a_preview(wire: Wire, simulator: Simulator) -> None:
    simulator.set_switches(media_must_exist=False)
    (openid,) = simulator.openids(1)
    picture = {"touser": openid, "msgtype": "image"}
    assert preview(wire, **picture, image={"media_id": "M" * 64})["errcode"] == 0
    plural = preview(wire, **picture, images={"media_ids": ["M" * 64]})
    refused(plural, 40007, "invalid media_id", section="4.1")


def test_a_hundred_previews_a_day(wire: Wire, simulator: Simulator) -> None:
    path = "/cgi-bin/message/mass/preview"
    assert wire.quota(path)["quota"]["daily_limit"] == 100
    simulator.change_account(used_today={path: 100})
    reply = preview(wire, touser=simulator.openids(1)[0])
    refused(reply, 45009, "reach max api daily quota limit", section="4.1")
