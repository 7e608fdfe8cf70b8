from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator.conftest import ACCOUNTS
from tests.simulator.expectations import refused, submitted

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.simulator import SimulatedAccount, Simulator
    from tests.simulator.wire import Wire

SENDALL = "/cgi-bin/message/mass/sendall"


def test_quota_get_shows_the_calls_of_today(simulator: Simulator, wire: Wire) -> None:
    """Section 5.3."""
    submitted(wire.send(simulator.openids(2)))
    assert wire.quota() == {
        "errcode": 0,
        "errmsg": "ok",
        "quota": {"daily_limit": 100, "used": 1, "remain": 99},
        "rate_limit": {"call_count": 60, "refresh_second": 60},
    }
    simulator.set_switches(quota_get_rate_limit="absent", quota_get_lag=1)
    assert wire.quota() == {
        "errcode": 0,
        "errmsg": "ok",
        "quota": {"daily_limit": 100, "used": 0, "remain": 100},
    }


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ("object", {"call_count": 60, "refresh_second": 60}),
        ("list", [{"call_count": 60, "refresh_second": 60}]),
        ("absent", None),
    ],
)
def test_nobody_knows_the_shape_of_the_rate_limit(
    simulator: Simulator, wire: Wire, shape: str, told: object
) -> None:
    """Section 5.3: the quota itself stays as it is."""
    simulator.set_switches(quota_get_rate_limit=shape)
    reply = wire.quota()
    assert reply["quota"] == {"daily_limit": 100, "used": 0, "remain": 100}
    assert reply.get("rate_limit") == told, "section 5.3"


@pytest.mark.parametrize(
    ("path", "errcode", "words"),
    [
        ("cgi-bin/message/mass/send", 76003, "cgi_path is invalid"),
        (None, 76003, "cgi_path is invalid"),
        ("/cgi-bin/nothing", 76021, "cgi_path not found, please check"),
    ],
)
def test_quota_get_wants_a_known_path(wire: Wire, path: Any, errcode: int, words: str) -> None:
    refused(wire.quota(path), errcode, words, section="5.3")


def test_quota_get_of_an_interface_of_another_account_kind(
    wire_of: Callable[[SimulatedAccount], Wire],
) -> None:
    words = "cgi_path is not available for this account"
    refused(wire_of(ACCOUNTS["subscription"]).quota(), 76022, words, section="5.3")


def test_a_hundred_calls_a_day_until_midnight_in_shanghai(simulator: Simulator, wire: Wire) -> None:
    """Sections 2.5 and 5.2, section 14 point 14."""
    simulator.admin("POST", "clock", {"day_turns_in_s": 3600})
    simulator.change_account(used=99)
    submitted(wire.send(simulator.openids(2)))
    reply = wire.send(simulator.openids(2), "b")
    refused(reply, 45009, "reach max api daily quota limit", section="2.5")
    assert wire.quota()["quota"] == {"daily_limit": 100, "used": 100, "remain": 0}
    simulator.shift_clock(3590)
    assert wire.send(simulator.openids(2), "b")["errcode"] == 45009
    simulator.shift_clock(20)
    assert wire.quota()["quota"]["used"] == 0
    submitted(wire.send(simulator.openids(2), "b"))


def test_another_day_boundary(simulator: Simulator, wire: Wire) -> None:
    """Section 14 point 14, the other way: the day turns at midnight UTC, eight hours later."""
    simulator.set_switches(day_offset_s=0)
    now = simulator.admin("POST", "clock", {"day_turns_in_s": 10})["now"]
    assert (now + 10) % 86_400 == pytest.approx(0, abs=1)


def test_sixty_calls_a_minute(simulator: Simulator, wire: Wire) -> None:
    """Section 2.5."""
    simulator.shift_clock(60 - simulator.state()["now"] % 60)
    for number in range(60):
        submitted(wire.send(simulator.openids(2), clientmsgid=str(number)))
    words = "api minute-quota reach limit, must slower, retry next minute"
    refused(wire.send(simulator.openids(2)), 45011, words, section="2.5")
    simulator.shift_clock(60)
    submitted(wire.send(simulator.openids(2)))


def test_the_minute_may_slide(simulator: Simulator, wire: Wire) -> None:
    """Section 14 point 2, and the window that nobody documents."""
    simulator.set_switches(minute_window="sliding", minute_errcode=45009)
    simulator.change_account(calls_per_minute=2)
    simulator.shift_clock(100 - simulator.state()["now"] % 60)
    submitted(wire.send(simulator.openids(2), "a"))
    simulator.shift_clock(30)
    submitted(wire.send(simulator.openids(2), "b"))
    assert wire.send(simulator.openids(2), "c")["errcode"] == 45009
    simulator.shift_clock(31)
    submitted(wire.send(simulator.openids(2), "c"))
    assert wire.send(simulator.openids(2), "d")["errcode"] == 45009


@pytest.mark.parametrize(("counts", "used"), [(True, 2), (False, 1)])
def test_a_refused_call_takes_a_call_of_the_day_or_not(
    simulator: Simulator, wire: Wire, counts: bool, used: int
) -> None:
    """Section 13."""
    simulator.set_switches(rejected_calls_count=counts)
    submitted(wire.send(simulator.openids(2)))
    assert wire.send(simulator.openids(2))["errcode"] == 45065
    assert wire.quota()["quota"]["used"] == used


@pytest.mark.parametrize(("shared", "used"), [(True, 1), (False, 0)])
def test_send_and_sendall_share_the_day_or_not(
    simulator: Simulator, wire: Wire, shared: bool, used: int
) -> None:
    """Section 5.2, "mass send" as one line."""
    simulator.set_switches(mass_quota_shared=shared)
    submitted(wire.send(simulator.openids(2)))
    assert wire.quota(SENDALL)["quota"]["used"] == used


def test_quotas_of_accounts_are_their_own(simulator: Simulator) -> None:
    other = ACCOUNTS["test"].appid
    simulator.change_account(daily_limit=7, calls_per_minute=0)
    limits = {one["appid"]: one["daily_limit"] for one in simulator.state()["accounts"]}
    assert (limits[simulator.account.appid], limits[other]) == (7, 100)
