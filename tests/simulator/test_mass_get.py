from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator.conftest import OTHER
from tests.simulator.expectations import refused, submitted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.simulator import SimulatedAccount, Simulator
    from tests.simulator.wire import Wire


def test_a_job_is_sending_and_then_sent(simulator: Simulator, wire: Wire) -> None:
    """Section 4.3: no errcode on success; the id as a string or a number."""
    simulator.set_switches(job_delay_s=30)
    msg_id = submitted(wire.send(simulator.openids(2)))
    assert wire.get(str(msg_id)) == {"msg_id": msg_id, "msg_status": "SENDING"}
    simulator.shift_clock(31)
    assert wire.get(msg_id) == {"msg_id": msg_id, "msg_status": "SEND_SUCCESS"}


@pytest.mark.parametrize("msg_id", [1, "x", None, 10**30])
def test_an_unknown_msg_id_is_refused(wire: Wire, msg_id: Any) -> None:
    refused(wire.get(msg_id), 40059, "invalid msg id", section="4.3")


def test_a_job_of_another_account_is_unknown(
    simulator: Simulator, wire: Wire, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    msg_id = submitted(wire.send(simulator.openids(2)))
    refused(wire_of(OTHER).get(msg_id), 40059, "invalid msg id", section="4.3")


def test_a_new_job_may_be_unknown_for_a_while(simulator: Simulator, wire: Wire) -> None:
    """Section 4.3: 40059 directly after a success is reported."""
    simulator.set_switches(job_unknown_s=5, job_delay_s=10)
    msg_id = submitted(wire.send(simulator.openids(2)))
    refused(wire.get(msg_id), 40059, "invalid msg id", section="4.3")
    simulator.shift_clock(6)
    assert wire.get(msg_id)["msg_status"] == "SENDING"


@pytest.mark.parametrize("status", ["SENDING", "SEND_SUCCESS", "SEND_FAIL", "DELETE"])
def test_a_status_can_be_forced(simulator: Simulator, wire: Wire, status: str) -> None:
    """Section 4.3, the table of statuses."""
    msg_id = submitted(wire.send(simulator.openids(2)))
    simulator.force_job_status(msg_id, status)
    assert wire.get(msg_id)["msg_status"] == status


def test_nobody_left_after_filtering_is_delete(simulator: Simulator, wire: Wire) -> None:
    """Section 4.3: DELETE, "also seen when nobody was left"."""
    simulator.set_switches(job_delay_s=0, monthly_cap=1)
    submitted(wire.send(simulator.openids(2), "a"))
    msg_id = submitted(wire.send(simulator.openids(2), "b"))
    assert wire.get(msg_id)["msg_status"] == "DELETE"


def test_every_job_may_fail(simulator: Simulator, wire: Wire) -> None:
    simulator.set_switches(job_delay_s=0, job_status="SEND_FAIL")
    msg_id = submitted(wire.send(simulator.openids(2)))
    assert wire.get(msg_id)["msg_status"] == "SEND_FAIL"


def test_mass_get_wants_a_token_and_a_post(wire: Wire) -> None:
    refused(wire.json("POST", "message/mass/get"), 41001, "access_token missing", section="4.3")
    reply = wire.json("GET", "message/mass/get", params={"access_token": wire.token})
    refused(reply, 43002, "require POST method", section="9.2")
