"""An account with protection: a send to all waits for its administrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.kit.endpoints import MASS_SENDALL
from tests.simulator.expectations import submitted
from tests.simulator.receiver import TOKEN, Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kit.simulator import Simulator
    from tests.simulator.wire import Wire

HALF_AN_HOUR_S = 1800


@pytest.fixture
def receiver(simulator: Simulator) -> Iterator[Receiver]:
    simulator.change_account(send_protection=True)
    with Receiver() as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        yield receiver


def to_all(wire: Wire, **filters: Any) -> int:
    """Send a text to everybody, or to a tag; return its msg_id."""
    body = {
        "filter": filters or {"is_to_all": True},
        "msgtype": "text",
        "text": {"content": "您好"},
    }
    return submitted(wire.post(MASS_SENDALL, body))


def status(receiver: Receiver) -> str:
    [event] = receiver.wait(1)
    return str(event.fields["Status"])


def test_nobody_gets_it_before_the_administrator_confirms_it(
    wire: Wire, simulator: Simulator, receiver: Receiver
) -> None:
    msg_id = to_all(wire)
    simulator.shift_clock(HALF_AN_HOUR_S - 60)
    assert wire.get(msg_id)["msg_status"] == "SENDING"
    assert simulator.ledger()["deliveries"] == 0

    simulator.admin("POST", f"jobs/{msg_id}/administrator", {"answer": "yes"})
    simulator.shift_clock(2)

    assert status(receiver) == "send success"
    assert wire.get(msg_id)["msg_status"] == "SEND_SUCCESS"
    assert simulator.ledger()["deliveries"] == simulator.followers
    with pytest.raises(AssertionError, match="does not wait for the administrator"):
        simulator.admin("POST", f"jobs/{msg_id}/administrator", {"answer": "no"})
    simulator.shift_clock(HALF_AN_HOUR_S)
    assert len(receiver.wait(1)) == 1


@pytest.mark.parametrize(("answer", "end"), [("no", "err(40001)"), ("none", "err(40002)")])
def test_without_a_yes_it_ends_and_nobody_got_it(
    wire: Wire, simulator: Simulator, receiver: Receiver, answer: str, end: str
) -> None:
    simulator.set_switches(
        administrator_answer=answer,
        administrator_answers_after_s=60,
        administrator_hides_job=True,
    )
    msg_id = to_all(wire)
    assert wire.get(msg_id)["errcode"] == 40059
    simulator.shift_clock(60 if answer == "no" else HALF_AN_HOUR_S)

    assert status(receiver) == end
    assert wire.get(msg_id)["msg_status"] == "SEND_FAIL"
    assert simulator.ledger()["deliveries"] == 0


def test_a_send_from_the_console_and_one_to_a_tag_wait_for_nobody(
    wire: Wire, simulator: Simulator, receiver: Receiver
) -> None:
    appid = simulator.account.appid
    simulator.admin("POST", f"accounts/{appid}/tags/100", lines=simulator.openids(3))
    to_all(wire, is_to_all=False, tag_id=100)
    message = {"msgtype": "text", "text": {"content": "您好"}}
    simulator.admin("POST", f"accounts/{appid}/console-sends", {"message": message})
    simulator.shift_clock(2)

    assert [event.fields["Status"] for event in receiver.wait(2)] == ["send success"] * 2
    assert simulator.ledger()["deliveries"] == 3 + simulator.followers
