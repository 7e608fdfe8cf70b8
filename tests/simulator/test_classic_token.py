from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator.conftest import ACCOUNTS
from tests.simulator.expectations import refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kit.simulator import SimulatedAccount, Simulator
    from tests.simulator.wire import Wire


def test_a_token_comes_without_errcode_and_lives_two_hours(wire: Wire) -> None:
    """Section 1.1, and section 0.1 "success without errcode"."""
    reply = wire.classic()
    assert set(reply) == {"access_token", "expires_in"}
    assert reply["expires_in"] == 7200
    assert len(reply["access_token"]) == 136
    assert wire.works(reply["access_token"]) == 40059


def test_the_old_token_works_five_more_minutes(simulator: Simulator, wire: Wire) -> None:
    """Section 1.3, first row."""
    old, new = wire.classic()["access_token"], wire.classic()["access_token"]
    assert old != new
    simulator.shift_clock(295)
    assert wire.works(old) == 40059
    simulator.shift_clock(10)
    reply = wire.json("POST", "message/mass/get", params={"access_token": old}, json={})
    words = "invalid credential, access_token is invalid or not latest"
    refused(reply, 40001, words, section="1.3")
    assert wire.works(new) == 40059


def test_a_token_expires(simulator: Simulator, wire: Wire) -> None:
    token = wire.classic()["access_token"]
    simulator.shift_clock(7201)
    reply = wire.json("POST", "message/mass/get", params={"access_token": token}, json={})
    refused(reply, 42001, "access_token expired", section="1.3")


def test_a_missing_or_made_up_token_is_refused(simulator: Simulator, wire: Wire) -> None:
    reply = wire.json("POST", "message/mass/send", json={})
    refused(reply, 41001, "access_token missing", section="1.3")
    assert wire.works("garbage") == 40014, "section 1.3: 40001 or 40014, a switch"
    assert wire.works("") == 40014
    simulator.set_switches(garbage_token_errcode=40001)
    assert wire.works("garbage") == 40001
    assert wire.works("74_" + "x" * 133) == 40001, "section 1.3: of the right form, but unknown"


@pytest.mark.parametrize(
    ("changes", "errcode", "words"),
    [
        ({"grant_type": "password"}, 40002, "invalid grant_type"),
        ({"appid": None}, 41002, "appid missing"),
        ({"secret": None}, 41004, "appsecret missing"),
        ({"appid": "wxffffffffffffffff"}, 40013, "invalid appid"),
        ({"secret": "wrong"}, 40125, "invalid appsecret"),
    ],
)
def test_wrong_credentials_are_named(
    wire: Wire, changes: dict[str, Any], errcode: int, words: str
) -> None:
    refused(wire.classic(**changes), errcode, words, section="9.2")
    refused(wire.stable(**changes), errcode, words, section="9.2")


def test_a_wrong_secret_may_be_40001(simulator: Simulator, wire: Wire) -> None:
    """Section 9.2, 40001: "on token call also secret wrong per docs"."""
    simulator.set_switches(wrong_secret_errcode=40001)
    assert wire.classic(secret="wrong")["errcode"] == 40001


def test_an_ip_outside_the_white_list_is_named_in_the_text(
    simulator: Simulator, wire: Wire
) -> None:
    token = wire.token
    simulator.change_account(whitelist=["47.94.148.108"])
    words = "invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist"
    refused(wire.classic(), 40164, words, section="9.2")
    refused(wire.stable(), 40164, words, section="9.2")
    assert wire.works(token) == 40059, "section 1.1: the check is on getting the token"
    simulator.change_account(whitelist=["127.0.0.1"])
    assert "access_token" in wire.classic()


def test_a_frozen_secret_stops_new_tokens_but_not_issued_ones(
    simulator: Simulator, wire: Wire
) -> None:
    token = wire.token
    simulator.change_account(frozen=True)
    words = "AppSecret已被冻结，请登录MP解冻后再次调用"
    refused(wire.classic(), 40243, words, section="1.1")
    refused(wire.stable(), 40243, words, section="1.1")
    assert wire.works(token) == 40059


@pytest.mark.parametrize(("kind", "limit"), [("service", 2000), ("test", 200)])
def test_tokens_have_a_daily_limit(
    simulator: Simulator,
    wire_of: Callable[[SimulatedAccount], Wire],
    kind: str,
    limit: int,
) -> None:
    """Sections 1.1 and 5.2; the counter is seen through quota/get."""
    wire = wire_of(ACCOUNTS[kind])
    assert wire.quota("/cgi-bin/token")["quota"]["daily_limit"] == limit
    simulator.set_switches(token_daily_limit=2)
    assert [wire.classic().get("errcode") for _ in range(3)] == [None, None, 45009]
    refused(wire.classic(), 45009, "reach max api daily quota limit", section="1.1")
    simulator.admin("POST", "clock", {"day_turns_in_s": -1})
    assert "access_token" in wire.classic()


def test_tokens_may_have_a_limit_a_minute(simulator: Simulator, wire: Wire) -> None:
    simulator.set_switches(token_per_minute=1)
    wire.classic()
    words = "api minute-quota reach limit, must slower, retry next minute"
    refused(wire.classic(), 45011, words, section="1.1")
    simulator.shift_clock(60)
    assert "access_token" in wire.classic()


def test_token_is_get_and_stable_token_is_post(wire: Wire) -> None:
    refused(wire.json("POST", "token"), 43001, "require GET method", section="9.2")
    refused(wire.json("GET", "stable_token"), 43002, "require POST method", section="9.2")


def test_a_token_may_be_as_long_as_documented(simulator: Simulator, wire: Wire) -> None:
    """Section 1.1: reserve at least 512 characters."""
    simulator.set_switches(token_length=512)
    token = wire.classic()["access_token"]
    assert len(token) == 512
    assert wire.works(token) == 40059


def test_the_long_form_of_40001(simulator: Simulator, wire: Wire) -> None:
    """Section 1.3, "New errmsg since 2025"."""
    simulator.set_switches(long_40001_text=True)
    token = wire.token
    simulator.invalidate_token()
    reply = wire.json("POST", "message/mass/get", params={"access_token": token}, json={})
    assert "could get access_token by getStableAccessToken, more details at" in reply["errmsg"]


def test_a_new_secret_kills_every_token(simulator: Simulator, wire: Wire) -> None:
    """Section 1.3, "AppSecret reset"."""
    classic, stable = wire.classic()["access_token"], wire.token
    simulator.change_account(secret="new")
    assert (wire.works(classic), wire.works(stable)) == (40001, 40001)
    assert wire.classic()["errcode"] == 40125
    assert "access_token" in wire.classic(secret="new")


@pytest.mark.parametrize(
    ("dies", "classic", "stable"),
    [("classic", 40001, 40059), ("stable", 40059, 40001), ("none", 40059, 40059)],
)
def test_a_new_secret_may_spare_tokens(
    simulator: Simulator, wire: Wire, dies: str, classic: int, stable: int
) -> None:
    """Section 1.3, the other ways: nobody confirmed that both die."""
    simulator.set_switches(appsecret_reset_kills=dies)
    of_classic, of_stable = wire.classic()["access_token"], wire.token
    simulator.change_account(secret="new")
    assert wire.classic()["errcode"] == 40125, "the old secret is dead all the same"
    assert (wire.works(of_classic), wire.works(of_stable)) == (classic, stable), "section 1.3"
    if dies == "none":
        assert wire.stable(secret="new")["access_token"] == of_stable
