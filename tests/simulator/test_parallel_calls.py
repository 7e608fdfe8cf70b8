"""Section 2.5, parallel sends, and the record of how many calls were in flight at once."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.kit.endpoints import MASS_SEND
from tests.kit.wait import until
from tests.simulator.conftest import OTHER
from tests.simulator.expectations import submitted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.simulator import SimulatedAccount, Simulator
    from tests.simulator.wire import Wire


def test_the_first_passes_and_the_others_are_too_fast(
    simulator: Simulator, wire: Wire, in_background: Callable[..., Any]
) -> None:
    assert wire.token
    simulator.set_switches(latency_ms=2000)
    calls = [
        in_background(wire.send, simulator.openids(2), clientmsgid=str(number))
        for number in range(3)
    ]
    assert sorted(call.result()["errcode"] for call in calls) == [0, 42010, 42010], "section 2.5"
    assert simulator.max_in_flight() == 3
    assert simulator.max_accounts_in_flight() == 1
    assert sorted(call["in_flight"] for call in simulator.mass_calls()) == [0, 1, 2]
    simulator.set_switches(latency_ms=0)
    submitted(wire.send(simulator.openids(2), clientmsgid="later"))


def test_parallel_calls_may_be_allowed(
    simulator: Simulator, wire: Wire, in_background: Callable[..., Any]
) -> None:
    assert wire.token
    simulator.set_switches(latency_ms=300, parallel_calls_refused=False)
    calls = [
        in_background(wire.send, simulator.openids(2), clientmsgid=str(number))
        for number in range(3)
    ]
    for call in calls:
        submitted(call.result())


def test_two_accounts_do_not_hinder_each_other(
    simulator: Simulator,
    wire: Wire,
    wire_of: Callable[[SimulatedAccount], Wire],
    in_background: Callable[..., Any],
) -> None:
    other = wire_of(OTHER)
    assert wire.token
    assert other.token
    simulator.set_switches(latency_ms=2000)
    calls = [
        in_background(wire.send, simulator.openids(2)),
        in_background(other.send, simulator.openids(2, appid=OTHER.appid)),
    ]
    for call in calls:
        submitted(call.result())
    assert simulator.max_accounts_in_flight() == 2
    assert (simulator.max_in_flight(), simulator.max_in_flight(OTHER.appid)) == (1, 1)
    assert simulator.state()["concurrency"]["max_total_in_flight"] == 2


def test_calls_one_after_another_are_never_two_in_flight(simulator: Simulator, wire: Wire) -> None:
    """A call ends before its reply is out: the next may come at once."""
    for number in range(20):
        submitted(wire.send(simulator.openids(2), clientmsgid=str(number)))
    simulator.fault("drip", seconds=0.001, path=MASS_SEND)
    for number in range(20, 23):
        submitted(wire.send(simulator.openids(2), clientmsgid=str(number)))
    assert simulator.max_in_flight() == 1


def test_a_call_whose_client_left_is_executed_but_no_longer_in_flight(
    simulator: Simulator, wire: Wire
) -> None:
    """WeChat goes on with it, so the next call is too fast; ours is one call all the same."""
    assert wire.token
    simulator.set_switches(latency_ms=5000)
    with pytest.raises(requests.ReadTimeout):
        wire.call(
            "POST",
            "message/mass/send",
            params={"access_token": wire.token},
            json={
                "touser": simulator.openids(2),
                "msgtype": "text",
                "text": {"content": "a"},
                "clientmsgid": "one",
            },
            timeout=(60, 1),
        )
    simulator.set_switches(latency_ms=0)
    assert wire.send(simulator.openids(2), clientmsgid="two")["errcode"] == 42010
    assert wire.send(simulator.openids(2), clientmsgid="one")["errcode"] == 45066
    simulator.wait_for_jobs(1)
    assert wire.send(simulator.openids(2), clientmsgid="one")["errcode"] == 45065
    assert simulator.max_in_flight() == 1


def test_half_a_body_is_never_executed(simulator: Simulator, wire: Wire) -> None:
    """A sender that dies while it sends has sent nothing."""
    host, port = simulator.url.removeprefix("http://").split(":")
    head = f"POST /cgi-bin/message/mass/send?access_token={wire.token} HTTP/1.1\r\nHost: x\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f'{head}Content-Length: 1000\r\n\r\n{{"touser":['.encode())
        until(simulator.mass_calls, 10, "the call to arrive")
        assert simulator.max_in_flight() == 1
    (call,) = until(
        lambda: [call for call in simulator.mass_calls() if call["end"]], 10, "the end of the call"
    )
    assert (call["abandoned"], call["status"], call["errcode"]) == (True, None, None)
    assert simulator.jobs() == []
    submitted(wire.send(simulator.openids(2)))
    assert simulator.mass_calls()[1]["in_flight"] == 0


def test_the_journal_tells_every_call(simulator: Simulator, wire: Wire) -> None:
    begin = time.time()
    submitted(wire.send(simulator.openids(3), clientmsgid="one"))
    wire.send(simulator.openids(2), clientmsgid="two")
    assert wire.get(1)["errcode"] == 40059
    paths = [call["path"] for call in simulator.calls()]
    assert paths == [
        "/cgi-bin/stable_token",
        "/cgi-bin/message/mass/send",
        "/cgi-bin/message/mass/send",
        "/cgi-bin/message/mass/get",
    ]
    (call,) = simulator.calls(clientmsgid="one")
    (job,) = simulator.jobs(clientmsgid="one")
    assert begin <= call["start"] <= call["end"] <= time.time()
    assert (call["appid"], call["errcode"], call["size"]) == (wire.account.appid, 0, 3)
    assert (call["method"], call["status"], call["msg_id"]) == ("POST", 200, job["msg_id"])
    assert [call["path"] for call in simulator.calls(errcode=40059)] == paths[3:]
    assert simulator.calls(since=3, appid=wire.account.appid)[0]["number"] == 4
    assert not any(wire.token in str(call) for call in simulator.calls())
