"""The page at `/`."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

import pytest

from tests.simulator.expectations import submitted

if TYPE_CHECKING:
    from tests.kit.simulator import Simulator
    from tests.simulator.wire import Wire


def shown(wire: Wire, **query: str) -> str:
    answer = wire.call("GET", "/", params=query)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


def cells(page: str) -> list[str]:
    return [unescape(cell) for cell in re.findall(r"<td>([^<]*)", page)]


def test_the_page_shows_what_is_going_on(wire: Wire, simulator: Simulator) -> None:
    simulator.fault("errcode", errcode=-1, path="/cgi-bin/user/get")
    simulator.set_switches(job_delay_s=300)
    msg_id = submitted(wire.send(simulator.openids(3), "周五<b>开课</b>"))
    page = shown(wire, lang="en")
    assert "1 mass sends, 1 running" in page
    seen = cells(page)
    assert str(msg_id) in seen
    assert {"SENDING", "3 / 3 / 3 / 0", "message/mass/send", "job_delay_s", "300.0"} <= set(seen)
    assert "errcode -1 after" in seen
    assert "周五<b>开课</b>" in seen, "what followers read is text, not markup"
    assert "<b>" not in page


def test_a_job_that_the_review_refused_reached_nobody(wire: Wire, simulator: Simulator) -> None:
    simulator.set_switches(job_status="SEND_FAIL")
    submitted(wire.send(simulator.openids(3)))
    assert "3 / 3 / 0 / 0" in cells(shown(wire, lang="en"))


def test_the_page_says_what_one_follower_got(wire: Wire, simulator: Simulator) -> None:
    openids = simulator.openids(3)
    msg_id = submitted(wire.send(openids[:2]))
    story = shown(wire, lang="en", openid=openids[0]).split("<h2>")[1]
    assert str(msg_id) in cells(story)
    nothing = shown(wire, lang="en", openid=openids[2]).split("<h2>")[1]
    assert "none" in nothing
    assert "an OpenID is 28 characters" in shown(wire, openid="x<script>")


@pytest.mark.parametrize(
    ("headers", "words"),
    [({"accept-language": "zh-CN,zh;q=0.9"}, "微信模拟器"), ({}, "WeChat simulator")],
)
def test_the_page_speaks_the_language_of_the_browser(
    wire: Wire, headers: dict[str, str], words: str
) -> None:
    assert words in wire.call("GET", "/", headers=headers).text


def test_the_page_loads_nothing_and_shows_no_secret(wire: Wire, simulator: Simulator) -> None:
    simulator.set_callback("http://127.0.0.1:1/", "aCallbackToken")
    answer = wire.call("GET", "/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<script" not in answer.text
    assert "src=" not in answer.text
    for secret in (wire.account.secret, wire.token, "aCallbackToken"):
        assert secret not in answer.text


def test_a_path_that_wechat_does_not_have_is_said_so(wire: Wire, simulator: Simulator) -> None:
    reply = wire.post("groups/get", {})
    assert reply["errcode"] == 40066
    assert simulator.calls()[-1]["path"] == "/cgi-bin/groups/get"
