"""Section 13, "fault modes": what the client sees, and what really happened."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.kit.endpoints import MASS_SEND
from tests.simulator.conftest import OTHER
from tests.simulator.expectations import refused, submitted
from tests.simulator.wire import text_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.simulator import SimulatedAccount, Simulator
    from tests.simulator.wire import Wire

MASS = "/cgi-bin/message/mass/"
WHEN = pytest.mark.parametrize(("when", "jobs"), [("before", 0), ("after", 1)])


def raw_send(wire: Wire, openids: list[str], **options: Any) -> requests.Response:
    body = json.dumps(text_message(openids) | {"clientmsgid": "one"}, ensure_ascii=False)
    query = {"access_token": wire.token}
    return wire.call("POST", MASS_SEND, params=query, data=body.encode(), **options)


def check_repeat(simulator: Simulator, wire: Wire, jobs: int) -> None:
    """The same call again: accepted if the first was not executed, else 45065."""
    pair = simulator.openids(2)
    assert len(simulator.jobs()) == jobs
    assert simulator.ledger()["deliveries"] == 2 * jobs
    again = wire.send(pair, clientmsgid="one")
    assert again["errcode"] == (45065 if jobs else 0)
    assert again["msg_id"] == simulator.jobs()[0]["msg_id"]
    assert set(simulator.delivered(pair).values()) == {1}


@WHEN
def test_a_dropped_connection(simulator: Simulator, wire: Wire, when: str, jobs: int) -> None:
    """Not a byte of a reply comes, whether the job exists or not."""
    simulator.fault("drop", when=when, path=MASS_SEND)
    with pytest.raises(requests.ConnectionError, match="without response"):
        raw_send(wire, simulator.openids(2))
    (call,) = simulator.mass_calls()
    assert call["fault"] == f"drop {when}"
    assert (call["status"], call["errcode"]) == (None, 0 if jobs else None)
    check_repeat(simulator, wire, jobs)


def test_a_connection_dropped_before_the_body_is_read(simulator: Simulator, wire: Wire) -> None:
    simulator.fault("drop_unread", path=MASS_SEND)
    with pytest.raises(requests.ConnectionError):
        raw_send(wire, simulator.openids(10_000))
    check_repeat(simulator, wire, 0)


@WHEN
def test_a_gateway_page(simulator: Simulator, wire: Wire, when: str, jobs: int) -> None:
    """Section 0.1, "other statuses"."""
    simulator.fault("html", when=when, path=MASS_SEND)
    reply = raw_send(wire, simulator.openids(2))
    assert reply.status_code == 502
    assert reply.headers["content-type"].startswith("text/html")
    assert "<html>" in reply.text
    check_repeat(simulator, wire, jobs)


@pytest.mark.parametrize("status", [412, 413, 504, 200])
def test_a_gateway_page_with_another_status(simulator: Simulator, wire: Wire, status: int) -> None:
    simulator.fault("html", status=status, path=MASS_SEND)
    assert raw_send(wire, simulator.openids(2)).status_code == status


@WHEN
def test_a_garbage_body(simulator: Simulator, wire: Wire, when: str, jobs: int) -> None:
    simulator.fault("garbage", when=when, path=MASS_SEND)
    reply = raw_send(wire, simulator.openids(2))
    assert reply.status_code == 200
    with pytest.raises(ValueError):  # noqa: PT011 - requests has one for JSON and one for UTF-8
        json.loads(reply.content.decode())
    check_repeat(simulator, wire, jobs)


@WHEN
def test_a_truncated_body(simulator: Simulator, wire: Wire, when: str, jobs: int) -> None:
    """Half of the announced bytes come, then the connection is closed."""
    simulator.fault("truncated", when=when, path=MASS_SEND)
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        raw_send(wire, simulator.openids(2))
    check_repeat(simulator, wire, jobs)


def test_a_slow_reply_after_the_acceptance(simulator: Simulator, wire: Wire) -> None:
    simulator.fault("slow", seconds=30, path=MASS_SEND)
    with pytest.raises(requests.ReadTimeout):
        raw_send(wire, simulator.openids(2), timeout=(60, 2))
    check_repeat(simulator, wire, 1)


def test_a_late_execution_goes_on_when_the_client_has_left(
    simulator: Simulator, wire: Wire
) -> None:
    """The job appears although nobody waits for the reply any more."""
    simulator.fault("slow", when="before", seconds=5, path=MASS_SEND)
    with pytest.raises(requests.ReadTimeout):
        raw_send(wire, simulator.openids(2), timeout=(60, 0.5))
    assert simulator.jobs() == []
    simulator.wait_for_jobs(1)
    (call,) = simulator.mass_calls()
    assert (call["abandoned"], call["errcode"]) == (True, 0)
    check_repeat(simulator, wire, 1)


@WHEN
def test_a_dripping_reply(simulator: Simulator, wire: Wire, when: str, jobs: int) -> None:
    """Each read is quick and the whole is slow, so a time-out per read never ends it."""
    simulator.fault("drip", when=when, seconds=0.05, path=MASS_SEND)
    begin = time.monotonic()
    reply = raw_send(wire, simulator.openids(2), timeout=(60, 2))
    assert time.monotonic() - begin > 0.05 * len(reply.content) > 2
    assert reply.json()["errcode"] == (0 if jobs else -1)
    check_repeat(simulator, wire, jobs)


@WHEN
def test_system_error(simulator: Simulator, wire: Wire, when: str, jobs: int) -> None:
    """Sections 2.5 and 9.2: -1 says nothing about what was done."""
    simulator.fault("errcode", errcode=-1, when=when, path=MASS_SEND)
    reply = raw_send(wire, simulator.openids(2)).json()
    refused(reply, -1, "system error", section="9.2")
    assert "msg_id" not in reply
    check_repeat(simulator, wire, jobs)


def test_clientmsgid_exist_on_the_first_call(simulator: Simulator, wire: Wire) -> None:
    """Section 2.3: WeChat's own retry; the message went out."""
    simulator.fault("errcode", errcode=45065, path=MASS_SEND)
    reply = wire.send(simulator.openids(2), clientmsgid="one")
    (job,) = simulator.jobs()
    assert reply == {"errcode": 45065, "errmsg": "clientmsgid exist", "msg_id": job["msg_id"]}


@pytest.mark.parametrize("errcode", [45009, 45011, 42010, 45066, 48001, 45028, 40001, 12345])
@WHEN
def test_any_errcode(simulator: Simulator, wire: Wire, errcode: int, when: str, jobs: int) -> None:
    simulator.fault("errcode", errcode=errcode, when=when, path=MASS_SEND)
    assert wire.send(simulator.openids(2), clientmsgid="one")["errcode"] == errcode
    check_repeat(simulator, wire, jobs)


def test_an_errcode_with_words_of_its_own(simulator: Simulator, wire: Wire) -> None:
    simulator.fault("errcode", errcode=99999, errmsg="新的错误", when="before")
    refused(wire.classic(), 99999, "新的错误", section="9.2, any other")


def test_a_token_invalidated_in_the_middle(simulator: Simulator, wire: Wire) -> None:
    """Section 1.3: token errors come before the send is executed."""
    token = wire.token
    simulator.fault("invalidate_token", path=MASS_SEND, skip=1)
    submitted(wire.send(simulator.openids(2), "a"))
    reply = wire.send(simulator.openids(2), "b")
    words = "invalid credential, access_token is invalid or not latest"
    refused(reply, 40001, words, section="1.3")
    assert len(simulator.jobs()) == 1
    assert wire.stable()["access_token"] != token


def test_a_refused_call_is_not_touched_by_a_fault_after_acceptance(
    simulator: Simulator, wire: Wire
) -> None:
    simulator.fault("drop", path=MASS_SEND)
    assert wire.send([])["errcode"] == 40130
    (fault,) = simulator.faults()
    assert (fault["seen"], fault["fired"]) == (0, 0)


def test_faults_have_a_count_and_may_let_calls_pass(simulator: Simulator, wire: Wire) -> None:
    simulator.fault("errcode", errcode=-1, when="before", path=MASS_SEND, skip=2, count=3)
    replies = [wire.send(simulator.openids(2), f"{n}")["errcode"] for n in range(7)]
    assert replies == [0, 0, -1, -1, -1, 0, 0]
    (fault,) = simulator.faults()
    assert (fault["seen"], fault["fired"]) == (5, 3)


def test_chance_is_repeatable(simulator: Simulator, wire: Wire) -> None:
    """The same seed hits the same calls, another seed others."""

    def hits(seed: int) -> list[int]:
        simulator.reset()
        simulator.fault("errcode", errcode=-1, when="before", probability=0.5, seed=seed)
        return [wire.classic().get("errcode", 0) for _ in range(40)]

    assert hits(1) == hits(1) != hits(2)
    assert 5 < hits(1).count(-1) < 35


def test_a_fault_of_one_account_leaves_the_others_alone(
    simulator: Simulator, wire: Wire, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    other, pair = wire_of(OTHER), simulator.openids(2, appid=OTHER.appid)
    simulator.fault("errcode", errcode=-1, when="before", appid=OTHER.appid, path=MASS, count=9)
    submitted(wire.send(simulator.openids(2)))
    assert other.send(pair)["errcode"] == -1
    assert "access_token" in other.stable(), "the path is limited to what is below mass/"
    simulator.clear_faults()
    submitted(other.send(pair))


@pytest.mark.parametrize("path", ["token", "stable_token"])
def test_token_calls_fail_too(simulator: Simulator, wire: Wire, path: str) -> None:
    """An appid is known from the query or the body, where there is no token yet."""
    fetch = wire.classic if path == "token" else wire.stable
    limits = {"path": f"/cgi-bin/{path}", "appid": wire.account.appid}
    simulator.fault("drop", when="before", **limits)
    with pytest.raises(requests.ConnectionError):
        fetch()
    simulator.fault("errcode", errcode=-1, **limits)
    assert fetch()["errcode"] == -1
    assert "access_token" in fetch()


@pytest.mark.parametrize(
    "order",
    [
        {"kind": "flood"},
        {"kind": "errcode"},
        {"kind": "drop", "probability": 2},
        {"kind": "drop", "count": 0},
        {"kind": "drop", "patch": MASS_SEND},
    ],
)
def test_an_order_that_makes_no_sense_is_refused(
    simulator: Simulator, order: dict[str, Any]
) -> None:
    with pytest.raises(AssertionError, match="400"):
        simulator.admin("POST", "faults", order)
