"""When what repeats itself is too much."""

from __future__ import annotations

import pytest

from broadcast.rules.calls.waits import CircuitBreaker
from broadcast.settings.program_settings import Settings

OFF = CircuitBreaker(refusals=0, doubts=0)


@pytest.mark.parametrize(("count", "wanted"), [(0, False), (2, False), (3, True), (4, True)])
def test_a_guard_acts_at_its_limit_and_above(count: int, wanted: bool) -> None:
    guards = CircuitBreaker(refusals=3, doubts=3)

    assert guards.pauses(refused=count, waiting=True) is wanted
    assert guards.stops(doubts=count) is wanted


@pytest.mark.parametrize("count", [0, 1, 1_000_000])
def test_a_limit_of_zero_switches_a_guard_off(count: int) -> None:
    assert not OFF.pauses(refused=count, waiting=True)
    assert not OFF.stops(doubts=count)


def test_a_broadcast_of_which_nothing_waits_is_not_paused() -> None:
    assert not CircuitBreaker(refusals=1).pauses(refused=1, waiting=False)


def test_the_ledger_without_settings_guards_as_the_settings_do_by_default() -> None:
    fields = Settings.model_fields

    assert CircuitBreaker() == CircuitBreaker(
        refusals=fields["pause_after_refusals"].default,
        doubts=fields["pause_after_doubts"].default,
    )
