from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.simulator.expectations import refused

if TYPE_CHECKING:
    from tests.kit.simulator import Simulator
    from tests.simulator.wire import Wire


def test_the_same_token_comes_back_with_the_remaining_seconds(
    simulator: Simulator, wire: Wire
) -> None:
    """Section 1.2, normal mode."""
    first = wire.stable()
    assert set(first) == {"access_token", "expires_in"}
    assert first["expires_in"] == 7200
    simulator.shift_clock(6000)
    second = wire.stable(force_refresh=False)
    assert second["access_token"] == first["access_token"]
    assert second["expires_in"] == pytest.approx(1200, abs=2)


def test_in_the_last_five_minutes_a_new_token_comes_and_both_work(
    simulator: Simulator, wire: Wire
) -> None:
    """Section 1.2, normal mode, and section 1.3."""
    old = wire.stable()["access_token"]
    simulator.shift_clock(7200 - 299)
    new = wire.stable()
    assert new["access_token"] != old
    assert new["expires_in"] == 7200
    assert (wire.works(old), wire.works(new["access_token"])) == (40059, 40059)
    simulator.shift_clock(300)
    assert (wire.works(old), wire.works(new["access_token"])) == (42001, 40059)


def test_a_forced_refresh_kills_the_old_token_at_once(wire: Wire) -> None:
    """Section 1.2, force_refresh."""
    old = wire.stable()["access_token"]
    new = wire.stable(force_refresh=True)["access_token"]
    assert (wire.works(old), wire.works(new)) == (40001, 40059)


def test_a_second_forced_refresh_within_30_seconds_changes_nothing(
    simulator: Simulator, wire: Wire
) -> None:
    """Section 1.2 and section 14 point 8."""
    first = wire.stable(force_refresh=True)["access_token"]
    assert wire.stable(force_refresh=True)["access_token"] == first
    simulator.set_switches(force_refresh_too_soon="error")
    words = "api minute-quota reach limit, must slower, retry next minute"
    refused(wire.stable(force_refresh=True), 45011, words, section="14 point 8")
    simulator.shift_clock(31)
    assert wire.stable(force_refresh=True)["access_token"] != first


def test_twenty_forced_refreshes_a_day(simulator: Simulator, wire: Wire) -> None:
    """Section 1.2: 20 a day, at least 30 s apart."""
    simulator.admin("POST", "clock", {"day_turns_in_s": -1})
    for _ in range(20):
        assert "access_token" in wire.stable(force_refresh=True)
        simulator.shift_clock(31)
    refused(
        wire.stable(force_refresh=True), 45009, "reach max api daily quota limit", section="1.2"
    )


def test_stable_and_classic_tokens_know_nothing_of_each_other(
    simulator: Simulator, wire: Wire
) -> None:
    """Section 1.2, isolation."""
    stable, classic = wire.stable()["access_token"], wire.classic()["access_token"]
    wire.classic()
    wire.stable(force_refresh=True)
    assert (wire.works(stable), wire.works(classic)) == (40001, 40059)
    simulator.shift_clock(301)
    assert wire.works(classic) == 40001


def test_stable_tokens_have_limits_of_their_own(simulator: Simulator, wire: Wire) -> None:
    """Section 1.2: 10,000 a minute and 500,000 a day."""
    switches = simulator.switches()
    assert (switches["stable_per_minute"], switches["stable_daily_limit"]) == (10_000, 500_000)
    simulator.set_switches(stable_per_minute=1)
    wire.stable()
    words = "api minute-quota reach limit, must slower, retry next minute"
    refused(wire.stable(), 45011, words, section="1.2")
    simulator.set_switches(stable_per_minute=100, stable_daily_limit=1)
    refused(wire.stable(), 45009, "reach max api daily quota limit", section="1.2")


def test_an_invalidated_token_is_replaced_by_the_next_normal_call(
    simulator: Simulator, wire: Wire
) -> None:
    old = wire.token
    assert simulator.invalidate_token() == 1
    new = wire.stable()["access_token"]
    assert (wire.works(old), wire.works(new)) == (40001, 40059)


def test_a_sticky_invalidation_needs_a_forced_refresh(simulator: Simulator, wire: Wire) -> None:
    """Section 1.4 rule 3: the server returns the same token that failed."""
    old = wire.token
    simulator.invalidate_token(space="stable", sticky=True)
    assert wire.stable()["access_token"] == old
    assert wire.works(old) == 40001
    assert wire.works(wire.stable(force_refresh=True)["access_token"]) == 40059


def test_success_may_carry_an_errcode(simulator: Simulator, wire: Wire) -> None:
    """Section 0.1: some new examples show errcode 0."""
    simulator.set_switches(success_errcode=True)
    reply = wire.stable()
    assert (reply["errcode"], reply["errmsg"]) == (0, "ok")
    assert reply["access_token"]
