"""Replies that are no refusal and still not the truth, and requests that arrive again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import requests

from tests.kit.endpoints import MASS_SEND
from tests.kit.wait import until
from tests.simulator.conftest import OTHER
from tests.simulator.expectations import submitted
from tests.simulator.wire import text_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.simulator import SimulatedAccount, Simulator
    from tests.simulator.wire import Wire


def cut_send(wire: Wire, openids: list[str], clientmsgid: str) -> None:
    """A mass send whose connection is closed without a byte of a reply."""
    body = json.dumps(text_message(openids) | {"clientmsgid": clientmsgid}, ensure_ascii=False)
    with pytest.raises(requests.ConnectionError, match="without response"):
        wire.call("POST", MASS_SEND, params={"access_token": wire.token}, data=body.encode())


def test_a_success_may_lack_its_msg_id(simulator: Simulator, wire: Wire) -> None:
    """Section 2.2 names msg_id in every reply 0; a client must not trust one without it."""
    simulator.fault("omit", path=MASS_SEND)
    reply = wire.send(simulator.openids(2), clientmsgid="one")
    (job,) = simulator.jobs()
    assert reply == {
        "errcode": 0,
        "errmsg": "send job submission success",
        "msg_data_id": job["msg_data_id"],
    }
    assert wire.send(simulator.openids(2), clientmsgid="one")["msg_id"] == job["msg_id"]


def test_a_success_may_name_the_job_before(
    simulator: Simulator, wire: Wire, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    """Section 2.2: msg_id is the key of one job; this reply breaks that."""
    first = submitted(wire.send(simulator.openids(2), "a"))
    submitted(wire_of(OTHER).send(simulator.openids(2, appid=OTHER.appid), "b"))
    simulator.fault("same_msg_id", path=MASS_SEND)
    assert submitted(wire.send(simulator.openids(2), "c")) == first
    assert len({job["msg_id"] for job in simulator.jobs()}) == 3


def test_the_very_first_job_has_none_before_it(simulator: Simulator, wire: Wire) -> None:
    simulator.fault("same_msg_id", path=MASS_SEND)
    msg_id = submitted(wire.send(simulator.openids(2)))
    assert [job["msg_id"] for job in simulator.jobs()] == [msg_id]


def test_clientmsgid_exist_after_the_acceptance_may_name_no_job(
    simulator: Simulator, wire: Wire
) -> None:
    """Section 2.3: 45065 on the very first call; section 9.2 has it with a msg_id, not always."""
    simulator.fault("errcode", errcode=45065, path=MASS_SEND, name_job=False)
    reply = wire.send(simulator.openids(2), clientmsgid="one")
    assert reply == {"errcode": 45065, "errmsg": "clientmsgid exist"}
    assert len(simulator.jobs()) == 1


def test_a_cut_request_arrives_twice(simulator: Simulator, wire: Wire) -> None:
    """Section 13, "accept then drop", by a gateway that repeats what was cut (section 2.3)."""
    pair = simulator.openids(2)
    simulator.fault("twice", path=MASS_SEND, seconds=0.2)
    cut_send(wire, pair, "one")
    assert len(simulator.jobs()) == 1
    until(lambda: len(simulator.mass_calls(errcode=45065)) == 1, 10, "the second arrival")
    first, again = simulator.mass_calls()
    assert (first["errcode"], first["fault"], first["status"]) == (0, "twice after", None)
    assert again["fault"] == "twice after, again"
    assert again["start"] - first["start"] > 0.2
    assert (again["clientmsgid"], again["busy"]) == ("one", False)
    assert set(simulator.delivered(pair).values()) == {1}


def test_a_cut_request_arrives_late(simulator: Simulator, wire: Wire) -> None:
    """Section 13, "accept then drop", where the acceptance comes after the drop."""
    pair = simulator.openids(2)
    simulator.fault("late", path=MASS_SEND, seconds=0.3)
    cut_send(wire, pair, "one")
    assert simulator.jobs() == []
    simulator.wait_for_jobs(1)
    first, again = simulator.mass_calls()
    assert (first["errcode"], again["errcode"]) == (None, 0)
    again = wire.send(pair, clientmsgid="one")
    assert (again["errcode"], again["msg_id"]) == (45065, simulator.jobs()[0]["msg_id"])
    assert set(simulator.delivered(pair).values()) == {1}


def test_what_arrives_late_is_too_late_after_a_repeat(simulator: Simulator, wire: Wire) -> None:
    """Section 2.3: the id keeps the one that comes second from being a second send."""
    pair = simulator.openids(2)
    simulator.fault("late", path=MASS_SEND, seconds=0.3)
    cut_send(wire, pair, "one")
    submitted(wire.send(pair, clientmsgid="one"))
    until(lambda: len(simulator.mass_calls(errcode=45065)) == 1, 10, "the late arrival")
    assert set(simulator.delivered(pair).values()) == {1}


def test_what_arrives_late_is_forgotten_by_a_reset(simulator: Simulator, wire: Wire) -> None:
    simulator.fault("late", path=MASS_SEND, seconds=0.2)
    cut_send(wire, simulator.openids(2), "one")
    simulator.reset()
    simulator.fault("late", path=MASS_SEND, seconds=0.4, appid=OTHER.appid)
    wire_of_other = type(wire)(simulator.url, OTHER)
    cut_send(wire_of_other, simulator.openids(2, appid=OTHER.appid), "two")
    wire_of_other.close()
    simulator.wait_for_jobs(1)
    assert [job["clientmsgid"] for job in simulator.jobs()] == ["two"]
