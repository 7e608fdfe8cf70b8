"""clear_quota and rid/get: section 5.3 of the fact sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator.conftest import ACCOUNTS, OTHER
from tests.simulator.expectations import refused, submitted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.simulator import SimulatedAccount, Simulator
    from tests.simulator.wire import Wire

SEND = "/cgi-bin/message/mass/send"
ACCOUNT = ACCOUNTS["service"]


def clear(wire: Wire) -> dict[str, Any]:
    return wire.post("clear_quota", {"appid": ACCOUNT.appid})


def test_every_call_of_the_day_comes_back(wire: Wire, simulator: Simulator) -> None:
    simulator.change_account(used=100)
    assert wire.send(simulator.openids(2))["errcode"] == 45009
    assert clear(wire) == {"errcode": 0, "errmsg": "ok"}
    assert wire.quota()["quota"]["used"] == 0
    submitted(wire.send(simulator.openids(2)))


def test_messages_to_many_do_not_come_back(
    simulator: Simulator, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    account = ACCOUNTS["subscription"]
    wire = wire_of(account)
    body = {"filter": {"is_to_all": True}, "msgtype": "text", "text": {"content": "一"}}
    submitted(wire.post("message/mass/sendall", body))
    wire.post("clear_quota", {"appid": account.appid})
    again = wire.post("message/mass/sendall", body | {"text": {"content": "二"}})
    refused(again, 45028, "has no masssend quota", section="5.1")


def test_without_a_token_the_secret_clears(wire: Wire, simulator: Simulator) -> None:
    simulator.change_account(used=100)
    body = {"appid": ACCOUNT.appid, "appsecret": ACCOUNT.secret}
    assert wire.json("POST", "clear_quota/v2", json=body)["errcode"] == 0
    assert wire.json("POST", "clear_quota/v2", params=body)["errcode"] == 0
    assert wire.quota()["quota"]["used"] == 0
    wrong = wire.json("POST", "clear_quota/v2", json=body | {"appsecret": "x"})
    refused(wrong, 40125, "invalid appsecret", section="9.2")


def test_one_interface_is_cleared_alone(wire: Wire, simulator: Simulator) -> None:
    other = "/cgi-bin/user/get"
    simulator.change_account(used=5, used_today={other: 7})
    assert wire.post("openapi/quota/clear", {"cgi_path": SEND})["errcode"] == 0
    assert wire.quota(SEND)["quota"]["used"] == 0
    assert wire.quota(other)["quota"]["used"] == 7
    for path, errcode in (("x", 76003), ("/cgi-bin/nothing", 76021)):
        assert wire.post("openapi/quota/clear", {"cgi_path": path})["errcode"] == errcode


def test_ten_clears_a_month_whichever_way(wire: Wire, simulator: Simulator) -> None:
    for _ in range(9):
        clear(wire)
    wire.post("openapi/quota/clear", {"cgi_path": SEND})
    words = "forbid to clear quota because of reaching the limit"
    refused(clear(wire), 48006, words, section="5.3")
    simulator.shift_clock(32 * 86_400)
    body = {"appid": ACCOUNT.appid, "appsecret": ACCOUNT.secret}
    assert wire.json("POST", "clear_quota/v2", json=body)["errcode"] == 0


def test_the_quota_of_another_account_is_not_cleared(wire: Wire) -> None:
    reply = wire.post("clear_quota", {"appid": OTHER.appid})
    refused(reply, 40013, "invalid appid", section="9.2")


def test_a_rid_shows_what_wechat_received(
    wire: Wire, simulator: Simulator, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    wire.token  # noqa: B018 - fetched
    rid = wire.send(["x", "y"])["errmsg"].rsplit(" ", 1)[1]
    shown = wire.post("openapi/rid/get", {"rid": rid})["request"]
    assert '"touser": ["x", "y"]' in shown["request_body"]
    assert rid in shown["response_body"]
    assert shown["client_ip"] == "127.0.0.1"
    assert wire.token not in shown["request_url"]
    foreign = wire_of(OTHER).post("openapi/rid/get", {"rid": rid})
    assert foreign["errcode"] == 76003
    simulator.shift_clock(7 * 86_400 + 60)
    later = {"access_token": wire.stable()["access_token"]}
    gone = wire.json("POST", "openapi/rid/get", params=later, json={"rid": rid})
    refused(gone, 76001, "rid not found", section="5.3")


@pytest.mark.parametrize("rid", ["", "x", None])
def test_what_is_no_rid(wire: Wire, rid: str | None) -> None:
    refused(wire.post("openapi/rid/get", {"rid": rid}), 76002, "rid is error", section="5.3")
