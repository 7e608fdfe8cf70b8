from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator.conftest import ACCOUNTS, FOLLOWERS
from tests.simulator.expectations import submitted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.simulator import Simulator
    from tests.simulator.wire import Wire


def test_the_ledger_counts_what_was_delivered(simulator: Simulator, wire: Wire) -> None:
    submitted(wire.send(simulator.openids(10), "a"))
    submitted(wire.send(simulator.openids(10, start=5), "b"))
    assert simulator.ledger() == {
        "delivered_distinct": 15,
        "delivered_max": 2,
        "doubled": 5,
        "deliveries": 20,
    }
    expected = {
        openid: 2 if 5 <= number < 10 else 1 for number, openid in enumerate(simulator.openids(15))
    }
    assert simulator.ledger_dump() == expected
    assert simulator.delivered(simulator.openids(16)) == expected | {simulator.openids(16)[15]: 0}


def test_the_ledger_of_one_content(simulator: Simulator, wire: Wire) -> None:
    """Two broadcasts to the same followers are no doubled delivery of either."""
    for text in ("a", "b"):
        submitted(wire.send(simulator.openids(10), text))
    submitted(wire.send(simulator.openids(3), "b", clientmsgid="again"))
    digests = [job["content_digest"] for job in simulator.jobs()]
    assert digests[0] != digests[1] == digests[2]
    assert simulator.ledger()["doubled"] == 10
    assert simulator.ledger(content=digests[0])["doubled"] == 0
    assert simulator.ledger(content=digests[1]) == {
        "delivered_distinct": 10,
        "delivered_max": 2,
        "doubled": 3,
        "deliveries": 13,
    }


def test_the_story_of_one_follower(simulator: Simulator, wire: Wire) -> None:
    msg_ids = [submitted(wire.send(simulator.openids(2), text)) for text in ("a", "b")]
    path = f"ledger/{simulator.account.appid}/openid/"
    first, stranger = simulator.openids(1)[0], "o" * 28
    assert simulator.admin("GET", path + first) == {
        "openid": first,
        "known": True,
        "follows": True,
        "count": 2,
        "msg_ids": msg_ids,
    }
    assert simulator.admin("GET", path + stranger) == {
        "openid": stranger,
        "known": False,
        "follows": False,
        "count": 0,
        "msg_ids": [],
    }


def test_a_reset_goes_back_to_the_start(simulator: Simulator, wire: Wire) -> None:
    token = wire.token
    submitted(wire.send(simulator.openids(2)))
    simulator.fault("drop")
    simulator.set_switches(content_type="text/plain")
    simulator.change_account(daily_limit=1, kind="test")
    simulator.shift_clock(1000)
    simulator.remove_followers(simulator.openids(1))
    simulator.reset()
    state = simulator.state()
    assert (state["shift_s"], state["calls"], state["jobs"], state["faults"]) == (0, 0, 0, [])
    account = state["accounts"][0]
    assert (account["kind"], account["daily_limit"], account["used"]) == ("service", 100, 0)
    assert account["followers"] == FOLLOWERS
    assert simulator.ledger()["deliveries"] == 0
    assert simulator.switches()["content_type"] == "application/json; charset=utf-8"
    assert wire.works(token) == 40001


def test_a_reset_in_the_middle_of_a_call_leaves_no_trace(
    simulator: Simulator, wire: Wire, in_background: Callable[..., Any]
) -> None:
    assert wire.token
    simulator.set_switches(latency_ms=2000)
    call = in_background(wire.send, simulator.openids(2))
    simulator.wait_for_mass_call()
    simulator.reset()
    call.result()
    wire_again = wire.stable()["access_token"]
    query = {"access_token": wire_again}
    body = {"touser": simulator.openids(2), "msgtype": "text", "text": {"content": "b"}}
    submitted(wire.json("POST", "message/mass/send", params=query, json=body))
    assert simulator.max_in_flight() == 1


def test_an_account_can_be_opened_and_changed(simulator: Simulator) -> None:
    opened = simulator.change_account("wxnew", secret="s" * 32, kind="test", followers=7)
    assert (opened["kind"], opened["followers"]) == ("test", 7)
    assert "secret" not in opened
    with pytest.raises(AssertionError, match="no account has the appid"):
        simulator.change_account("wxnobody", daily_limit=1)
    with pytest.raises(AssertionError, match="400"):
        simulator.change_account(daily_limit=-1)
    with pytest.raises(AssertionError, match="400"):
        simulator.change_account(colour="green")
    changed = simulator.change_account(used=42, whitelist=["10.0.0.1"])
    assert (changed["used"], changed["whitelist"], changed["kind"]) == (42, ["10.0.0.1"], "service")


def test_a_secret_never_comes_back(simulator: Simulator) -> None:
    with pytest.raises(AssertionError) as refusal:
        simulator.change_account(secret=["a-secret"])
    assert "a-secret" not in str(refusal.value)
    assert not any(account.secret in str(simulator.state()) for account in ACCOUNTS.values())


@pytest.mark.parametrize(
    "values", [{"colour": "green"}, {"latency_ms": -1}, {"minute_errcode": 1}, {"zhmsg": "maybe"}]
)
def test_a_switch_that_does_not_exist_is_refused(
    simulator: Simulator, values: dict[str, Any]
) -> None:
    before = simulator.switches()
    with pytest.raises(AssertionError, match="400"):
        simulator.set_switches(text_limit=1, **values)
    assert simulator.switches() == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "ledger/wxnobody", None),
        ("GET", "ledger/wx0000000000000001/openid/short", None),
        ("GET", "jobs/1", None),
        ("POST", "jobs/1", {"status": "SENDING"}),
        ("POST", "clock", {"hours": 1}),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(
    simulator: Simulator, method: str, path: str, body: dict[str, Any] | None
) -> None:
    with pytest.raises(AssertionError, match="400"):
        simulator.admin(method, path, body)


EVENTS = "accounts/wx0000000000000001/events"
NEXT_JOBS = "accounts/wx0000000000000001/next-jobs"


@pytest.mark.parametrize(
    ("path", "order", "field"),
    [
        ("clock", {"shift_s": 1e18}, "shift_s: "),
        ("clock", {"advance_s": None}, "give advance_s, shift_s or day_turns_in_s"),
        ("clock", {"day_turns_in_s": -1e12}, "day_turns_in_s: "),
        ("switches", {"day_offset_s": 86_400}, "day_offset_s: "),
        ("switches", {"media_lifetime_s": 1e18}, "media_lifetime_s: "),
        ("faults", {"kind": "slow", "seconds": 1e18}, "seconds: "),
        ("accounts/wx0000000000000001", {"followers": 10**18}, "followers: "),
        ("accounts/wx0000000000000001", {"daily_limits": {"/x": 10**18}}, "daily_limits./x: "),
        (
            "accounts/wx0000000000000001",
            {"callback": {"url": "http://a", "token": "its_token"}},
            "callback.token: ",
        ),
        (NEXT_JOBS, {"count": 10**18}, "count: "),
        (NEXT_JOBS, {"delay_s": None, "errors": -1}, "errors: "),
        (EVENTS, {"event": None}, "event: "),
        (EVENTS, {"event": "CLICK", "fields": None}, "fields: "),
    ],
)
def test_a_number_that_nobody_can_mean_is_refused_and_the_field_named(
    simulator: Simulator, path: str, order: dict[str, Any], field: str
) -> None:
    with pytest.raises(AssertionError) as refused:
        simulator.admin("POST", path, order)
    assert f'400 {{"error":"{field}' in str(refused.value)
    assert "its_token" not in str(refused.value)


def test_the_clock_stays_in_reach_however_often_it_is_moved(simulator: Simulator) -> None:
    fifty_years_s = 50 * 365 * 86_400
    simulator.shift_clock(fifty_years_s)
    with pytest.raises(AssertionError, match="advance_s: the clock"):
        simulator.shift_clock(1)
    simulator.admin("POST", "clock", {"shift_s": -fifty_years_s})
    assert simulator.state()["shift_s"] == -fifty_years_s


def test_malformed_followers_are_refused(simulator: Simulator) -> None:
    with pytest.raises(AssertionError, match="28 characters"):
        simulator.add_followers(["short"])


def test_faults_can_be_lifted_one_by_one(simulator: Simulator) -> None:
    first, second = simulator.fault("drop"), simulator.fault("html")
    assert simulator.admin("DELETE", "faults", query={"number": first}) == {"removed": 1}
    assert [fault["number"] for fault in simulator.faults()] == [second]


def test_latency_is_waited_once(simulator: Simulator, wire: Wire) -> None:
    """Also by calls that are refused before or after WeChat's own work."""
    assert wire.token
    simulator.set_switches(latency_ms=1500)
    wire.stable()
    wire.send([])
    wire.get(1)
    seconds = [call["end"] - call["start"] for call in simulator.calls(since=1)]
    assert len(seconds) == 3
    assert all(1.5 <= spent < 3 for spent in seconds), seconds
