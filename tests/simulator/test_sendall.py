from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator.conftest import ACCOUNTS, FOLLOWERS
from tests.simulator.expectations import refused, submitted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.simulator import SimulatedAccount, Simulator
    from tests.simulator.wire import Wire

TO_ALL = {"is_to_all": True}


def sendall(wire: Wire, filter_: Any, **fields: Any) -> dict[str, Any]:
    body = {"filter": filter_, "msgtype": "text", "text": {"content": "a"}} | fields
    return wire.post("message/mass/sendall", body)


def test_a_send_to_all_reaches_every_follower(simulator: Simulator, wire: Wire) -> None:
    """Section 3; section 2.2: msg_ids of sends to all begin at 1,000,000,001."""
    simulator.remove_followers(simulator.openids(10))
    job = simulator.job(submitted(sendall(wire, TO_ALL), section="3"))
    assert (job["kind"], job["total"], job["eligible"]) == ("all", FOLLOWERS - 10, FOLLOWERS - 10)
    assert 10**9 < job["msg_id"] < 2**31
    assert simulator.ledger()["delivered_distinct"] == FOLLOWERS - 10


def test_a_send_to_a_tag_reaches_its_followers(simulator: Simulator, wire: Wire) -> None:
    """Section 3."""
    tagged = simulator.openids(5, start=100)
    path = f"accounts/{simulator.account.appid}/tags/102"
    assert simulator.admin("POST", path, lines=tagged) == {"count": 5}
    simulator.remove_followers(tagged[:1])
    msg_id = submitted(sendall(wire, {"is_to_all": False, "tag_id": 102}), section="3")
    assert simulator.job(msg_id)["eligible"] == 4
    assert msg_id > 2**31
    assert simulator.delivered(tagged) == dict(zip(tagged, (0, 1, 1, 1, 1), strict=True))


@pytest.mark.parametrize(
    ("filter_", "errcode", "words"),
    [
        (None, 40035, "invalid args size"),
        ({}, 45159, "invalid tag id"),
        ({"is_to_all": False}, 45159, "invalid tag id"),
        ({"tag_id": 103}, 45159, "invalid tag id"),
        ({"is_to_all": "false"}, 45159, "invalid tag id"),
    ],
)
def test_no_audience_is_never_everybody(
    simulator: Simulator, wire: Wire, filter_: Any, errcode: int, words: str
) -> None:
    refused(sendall(wire, filter_), errcode, words, section="3 and 9.2")
    assert simulator.ledger()["deliveries"] == 0


def test_a_service_account_sends_to_all_four_times_a_month(
    simulator: Simulator, wire: Wire
) -> None:
    """Sections 3 and 5.1."""
    for number in range(4):
        submitted(sendall(wire, TO_ALL, clientmsgid=str(number)))
    reply = sendall(wire, TO_ALL, clientmsgid="5")
    refused(reply, 45028, "has no masssend quota", section="5.1")


def test_a_subscription_account_sends_once_a_day(
    simulator: Simulator, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    """Section 5.1: to all or to one tag."""
    account = ACCOUNTS["subscription"]
    path = f"accounts/{account.appid}/tags/102"
    simulator.admin("POST", path, lines=simulator.openids(2, appid=account.appid))
    wire = wire_of(account)
    submitted(sendall(wire, {"tag_id": 102}))
    reply = sendall(wire, TO_ALL)
    refused(reply, 45028, "has no masssend quota", section="5.1")
    simulator.admin("POST", "clock", {"day_turns_in_s": -1})
    submitted(sendall(wire_of(account), TO_ALL))


def test_a_test_account_has_no_sendall(
    simulator: Simulator, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    """Section 3, last row: 45028 or 48003."""
    wire = wire_of(ACCOUNTS["test"])
    refused(sendall(wire, TO_ALL), 45028, "has no masssend quota", section="3")
    simulator.set_switches(test_account_sendall_errcode=48003)
    refused(sendall(wire, TO_ALL), 48003, "user not agree mass-send protocol", section="3")


def test_sendall_has_the_idempotency_key_too(wire: Wire) -> None:
    """Section 3: clientmsgid as in section 2."""
    msg_id = submitted(sendall(wire, TO_ALL, clientmsgid="one"))
    again = sendall(wire, TO_ALL, clientmsgid="one")
    assert again == {"errcode": 45065, "errmsg": "clientmsgid exist", "msg_id": msg_id}
