from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulator.conftest import OTHER
from tests.simulator.expectations import refused, submitted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.simulator import SimulatedAccount, Simulator
    from tests.simulator.wire import Wire


def test_a_used_id_is_refused_with_the_first_msg_id(simulator: Simulator, wire: Wire) -> None:
    """Section 2.3: exactly errcode, errmsg without rid, and msg_id; no msg_data_id."""
    msg_id = submitted(wire.send(simulator.openids(2), clientmsgid="one"))
    again = wire.send(simulator.openids(2), clientmsgid="one")
    assert again == {"errcode": 45065, "errmsg": "clientmsgid exist", "msg_id": msg_id}
    other = wire.send(simulator.openids(2, start=2), "other content", clientmsgid="one")
    assert other["errcode"] == 45065, "section 14 point 7: the id alone"
    assert simulator.ledger()["deliveries"] == 2


def test_content_may_be_compared_too(simulator: Simulator, wire: Wire) -> None:
    """Section 14 point 7, the other way."""
    simulator.set_switches(clientmsgid_compares_content=True)
    submitted(wire.send(simulator.openids(2), "a", clientmsgid="one"))
    assert wire.send(simulator.openids(2), "a", clientmsgid="one")["errcode"] == 45065
    submitted(wire.send(simulator.openids(2), "b", clientmsgid="one"))


def test_after_24_hours_the_protection_is_gone(
    simulator: Simulator, wire: Wire, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    """Section 2.3."""
    submitted(wire.send(simulator.openids(2), clientmsgid="one"))
    simulator.shift_clock(86_390)
    later = wire_of(wire.account)
    assert later.send(simulator.openids(2), clientmsgid="one")["errcode"] == 45065
    simulator.shift_clock(20)
    submitted(later.send(simulator.openids(2), clientmsgid="one"))
    assert simulator.ledger()["doubled"] == 2


def test_the_same_id_of_another_account_is_free(
    simulator: Simulator, wire: Wire, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    """Section 2.3: scoped per account."""
    submitted(wire.send(simulator.openids(2), clientmsgid="one"))
    other = wire_of(OTHER)
    submitted(other.send(simulator.openids(2, appid=OTHER.appid), clientmsgid="one"))


def test_the_same_id_of_another_account_may_be_taken(
    simulator: Simulator, wire: Wire, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    """Section 2.3, the other way: one scope for everybody; ids that WeChat makes never meet."""
    simulator.set_switches(clientmsgid_scope="everybody")
    msg_id = submitted(wire.send(simulator.openids(2), clientmsgid="one"))
    other, people = wire_of(OTHER), simulator.openids(2, appid=OTHER.appid)
    again = other.send(people, clientmsgid="one")
    assert again == {"errcode": 45065, "errmsg": "clientmsgid exist", "msg_id": msg_id}
    assert other.get(msg_id)["errcode"] == 40059, "the job itself is not the other account's"
    to_all = {"filter": {"is_to_all": True}, "msgtype": "text", "text": {"content": "a"}}
    submitted(wire.post("message/mass/sendall", to_all))
    submitted(other.post("message/mass/sendall", to_all))


def test_an_id_is_at_most_64_bytes(simulator: Simulator, wire: Wire) -> None:
    """Section 2.3: bytes, not characters; shorter limits were seen."""
    words = "clientmsgid size out of limit"
    submitted(wire.send(simulator.openids(2), clientmsgid="x" * 64))
    refused(wire.send(simulator.openids(2), clientmsgid="x" * 65), 45067, words, section="2.3")
    refused(wire.send(simulator.openids(2), clientmsgid="字" * 22), 45067, words, section="2.3")
    simulator.set_switches(clientmsgid_max_bytes=32)
    refused(wire.send(simulator.openids(2), clientmsgid="x" * 34), 45067, words, section="2.3")


def test_without_an_id_the_same_send_collides_with_itself(simulator: Simulator, wire: Wire) -> None:
    """Section 2.3: a digest of scope and content."""
    submitted(wire.send(simulator.openids(2)))
    assert wire.send(simulator.openids(2))["errcode"] == 45065
    submitted(wire.send(simulator.openids(2, start=2)))
    submitted(wire.send(simulator.openids(2), "other"))


def test_the_digest_may_collide_for_other_recipients(simulator: Simulator, wire: Wire) -> None:
    """Section 2.3: 10,000-blocks of one article."""
    simulator.set_switches(auto_clientmsgid_covers_scope=False)
    submitted(wire.send(simulator.openids(2)))
    assert wire.send(simulator.openids(2, start=2))["errcode"] == 45065
    assert simulator.ledger()["deliveries"] == 2


def test_a_failed_call_leaves_the_id_free_or_not(simulator: Simulator, wire: Wire) -> None:
    """Section 14 point 6; an id that was used by a failure has no msg_id."""
    body = {"filter": {"is_to_all": True}, "msgtype": "text", "text": {"content": "a"}}
    for number in range(4):
        submitted(wire.post("message/mass/sendall", body | {"clientmsgid": str(number)}))
    assert wire.post("message/mass/sendall", body | {"clientmsgid": "5"})["errcode"] == 45028
    assert wire.post("message/mass/sendall", body | {"clientmsgid": "5"})["errcode"] == 45028
    simulator.set_switches(failed_call_uses_clientmsgid=True)
    assert wire.post("message/mass/sendall", body | {"clientmsgid": "6"})["errcode"] == 45028
    reply = wire.post("message/mass/sendall", body | {"clientmsgid": "6"})
    assert reply == {"errcode": 45065, "errmsg": "clientmsgid exist"}


def test_a_repeat_may_be_too_fast_after_the_acceptance(simulator: Simulator, wire: Wire) -> None:
    """Section 2.3: 45066, wait a minute, then 45065."""
    simulator.set_switches(clientmsgid_too_fast_s=60)
    msg_id = submitted(wire.send(simulator.openids(2), clientmsgid="one"))
    again = wire.send(simulator.openids(2), clientmsgid="one")
    refused(again, 45066, "same clientmsgid retry too fast", section="2.3")
    assert "msg_id" not in again
    simulator.shift_clock(61)
    assert wire.send(simulator.openids(2), clientmsgid="one")["msg_id"] == msg_id
