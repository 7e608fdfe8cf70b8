"""message/mass/delete and speed: sections 4.2 and 4.4 of the fact sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from tests.simulator.conftest import OTHER
from tests.simulator.expectations import refused, submitted
from tests.simulator.files import JPEG, upload
from tests.simulator.receiver import TOKEN, Receiver

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.simulator import SimulatedAccount, Simulator
    from tests.simulator.wire import Wire


def articles(wire: Wire, count: int = 2) -> str:
    thumb = upload(wire, "material/add_material", JPEG, type="thumb")["media_id"]
    one = {"title": "周报", "content": "<p>正文</p>", "thumb_media_id": thumb}
    return str(wire.post("draft/add", {"articles": [one] * count})["media_id"])


def send(wire: Wire, simulator: Simulator, media_id: str, key: str = "a") -> int:
    """Send articles and let the job end; its msg_id."""
    body = {"msgtype": "mpnews", "mpnews": {"media_id": media_id}, "clientmsgid": key}
    reply = wire.post("message/mass/send", {"touser": simulator.openids(2), **body})
    simulator.shift_clock(2)
    return submitted(reply)


def delete(wire: Wire, **body: Any) -> dict[str, Any]:
    return wire.post("message/mass/delete", body)


def test_one_page_or_all_of_them_are_deleted(wire: Wire, simulator: Simulator) -> None:
    msg_id = send(wire, simulator, articles(wire))
    assert delete(wire, msg_id=msg_id, article_idx=1)["errcode"] == 0
    assert simulator.job(msg_id)["deleted"] == [1]
    assert wire.get(msg_id)["msg_status"] == "SEND_SUCCESS"
    assert delete(wire, msg_id=str(msg_id))["errcode"] == 0
    assert simulator.job(msg_id)["deleted"] == [1, 2]
    assert wire.get(msg_id)["msg_status"] == "DELETE", "section 4.3"


def test_deleting_one_send_kills_the_page_for_all_sends(wire: Wire, simulator: Simulator) -> None:
    media_id = articles(wire, 1)
    first, second = (send(wire, simulator, media_id, key) for key in "ab")
    delete(wire, msg_id=first)
    assert simulator.job(second)["deleted"] == [1]


def test_the_address_of_the_event_names_a_page(wire: Wire, simulator: Simulator) -> None:
    with Receiver() as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        msg_id = send(wire, simulator, articles(wire))
        (event,) = receiver.wait(1)
    items = ET.fromstring(event.body).findall("ArticleUrlResult/ResultList/item")
    assert [item.findtext("ArticleIdx") for item in items] == ["1", "2"]
    assert delete(wire, url=items[1].findtext("ArticleUrl"))["errcode"] == 0
    assert simulator.job(msg_id)["deleted"] == [2]


@pytest.mark.parametrize("body", [{}, {"msg_id": 1}, {"msg_id": "x"}, {"url": "http://x/"}])
def test_what_was_never_sent_cannot_be_deleted(wire: Wire, body: dict[str, Any]) -> None:
    refused(delete(wire, **body), 40059, "invalid msg id", section="4.2")


def test_what_else_cannot_be_deleted(
    wire: Wire, simulator: Simulator, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    text = submitted(wire.send(simulator.openids(2)))
    refused(delete(wire, msg_id=text), 40065, "invalid msg status", section="9.2")
    simulator.shift_clock(2)
    refused(delete(wire, msg_id=text), 40008, "invalid message type", section="4.2")
    msg_id = send(wire, simulator, articles(wire))
    missing = delete(wire, msg_id=msg_id, article_idx=3)
    refused(missing, 40060, "invalid article idx", section="9.2")
    foreign = delete(wire_of(OTHER), msg_id=msg_id)
    refused(foreign, 40059, "invalid msg id", section="4.2")


def test_the_speed_is_read_and_set(wire: Wire) -> None:
    real = []
    for level in range(5):
        reply = wire.post("message/mass/speed/set", {"speed": level})
        assert reply == {"errcode": 0, "errmsg": ""}, "section 4.4"
        shown = wire.post("message/mass/speed/get", {})
        assert shown["speed"] == level
        real.append(shown["realspeed"])
    assert real == [80, 60, 45, 30, 10]


@pytest.mark.parametrize(
    ("body", "errcode", "words"),
    [
        ({}, 45084, "No speed message"),
        ({"speed": 5}, 45083, "the speed out of range"),
        ({"speed": -1}, 45083, "the speed out of range"),
        ({"speed": "1"}, 45083, "the speed out of range"),
    ],
)
def test_a_speed_out_of_range_is_refused(
    wire: Wire, body: dict[str, Any], errcode: int, words: str
) -> None:
    refused(wire.post("message/mass/speed/set", body), errcode, words, section="4.4")


def test_the_speed_may_stretch_a_job(wire: Wire, simulator: Simulator) -> None:
    """10,000 at level 4 take a tenth of a minute."""
    simulator.set_switches(speed_matters=True, job_delay_s=0)
    wire.post("message/mass/speed/set", {"speed": 4})
    msg_id = submitted(wire.send(simulator.openids(10_000)))
    simulator.shift_clock(4)
    assert wire.get(msg_id)["msg_status"] == "SENDING"
    simulator.shift_clock(3)
    assert wire.get(msg_id)["msg_status"] == "SEND_SUCCESS"


def test_an_account_without_permission_has_none_of_it(wire: Wire, simulator: Simulator) -> None:
    simulator.change_account(permission_errcode=48001)
    for path in ("preview", "delete", "speed/get", "speed/set"):
        reply = wire.post(f"message/mass/{path}", {})
        refused(reply, 48001, "api unauthorized", section="5.1")
