"""Section 13: which refusal comes first when a call deserves several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator.expectations import refused, submitted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.simulator import Simulator
    from tests.simulator.wire import Wire

# Each step makes the call wrong in one more way; the later ones stand first in the order.
Spoil = tuple[int, str, dict[str, Any], dict[str, Any]]
LADDER: list[Spoil] = [
    (45065, "body", {"clientmsgid": "used"}, {}),
    (45067, "body", {"clientmsgid": "x" * 65}, {}),
    (40003, "body", {"touser": ["bad", "worse"]}, {}),
    (40130, "body", {"touser": []}, {}),
    (44004, "body", {"text": {"content": ""}}, {}),
    (40008, "body", {"msgtype": "video"}, {}),
    (47001, "bytes", {}, {}),
    (45011, "account", {}, {"calls_per_minute": 1}),
    (45009, "account", {}, {"daily_limit": 1}),
    (48003, "account", {}, {"agreement": False}),
    (48001, "account", {}, {"permission_errcode": 48001}),
    (40001, "token", {}, {}),
]


@pytest.mark.parametrize("steps", range(1, len(LADDER) + 1))
def test_the_earlier_check_wins(simulator: Simulator, wire: Wire, steps: int) -> None:
    good = {"touser": simulator.openids(2), "msgtype": "text", "text": {"content": "a"}}
    submitted(wire.post("message/mass/send", good | {"clientmsgid": "used"}))
    body: Any = dict(good)
    for _, where, fields, change in LADDER[:steps]:
        if where == "body":
            body |= fields
        elif where == "bytes":
            body = b"{"
        elif where == "account":
            simulator.change_account(**change)
        else:
            simulator.invalidate_token()
    errcode = LADDER[steps - 1][0]
    assert wire.post("message/mass/send", body)["errcode"] == errcode, "section 13"


def test_the_method_comes_before_the_token(wire: Wire) -> None:
    assert wire.json("GET", "message/mass/send")["errcode"] == 43002, "section 13"


def test_parallel_calls_come_before_the_message_quota(
    simulator: Simulator, wire: Wire, in_background: Callable[..., Any]
) -> None:
    """Section 13: 42010 while another call runs, although the month's messages are used up."""
    to_all = {"filter": {"is_to_all": True}, "msgtype": "text", "text": {"content": "a"}}
    for number in range(4):
        submitted(wire.post("message/mass/sendall", to_all | {"clientmsgid": str(number)}))
    simulator.set_switches(latency_ms=3000)
    first = in_background(wire.send, simulator.openids(2), clientmsgid="one")
    simulator.wait_for_mass_call()
    reply = wire.post("message/mass/sendall", to_all | {"clientmsgid": "5"})
    refused(reply, 42010, "masssend fast, retry again", section="13")
    submitted(first.result())
    reply = wire.post("message/mass/sendall", to_all | {"clientmsgid": "5"})
    assert reply["errcode"] == 45028, "section 13"


def test_the_clientmsgid_comes_before_parallel_calls(
    simulator: Simulator, wire: Wire, in_background: Callable[..., Any]
) -> None:
    """Section 13: 45066 while the first one runs, then 42010 for another id."""
    assert wire.token
    simulator.set_switches(latency_ms=3000)
    first = in_background(wire.send, simulator.openids(2), clientmsgid="one")
    simulator.wait_for_mass_call()
    again = in_background(wire.send, simulator.openids(2), clientmsgid="one")
    other = in_background(wire.send, simulator.openids(2), clientmsgid="two")
    refused(again.result(), 45066, "same clientmsgid retry too fast", section="2.3")
    refused(other.result(), 42010, "masssend fast, retry again", section="2.5")
    submitted(first.result())
    assert len(simulator.jobs()) == 1
