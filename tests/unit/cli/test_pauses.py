"""How long a follower pauses between two looks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from broadcast.rules.reports import Report
from entrypoints.cli import following
from entrypoints.cli.following import IDLE_PAUSE_S, LONGEST_PAUSE_S, SHORTEST_PAUSE_S, Pauses


@dataclass
class Clock:
    """A monotonic clock that a test winds."""

    now_s: float = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@dataclass
class Told:
    """The part of a report that the pauses look at."""

    settled: int
    total: int = 100
    batches: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.batches = {"total": self.total, "waiting": self.total - self.settled}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    wound = Clock()
    monkeypatch.setattr(following, "monotonic", wound.monotonic)
    return wound


def pause(pauses: Pauses, clock: Clock, settled: int) -> float:
    return pauses.after(cast("Report", Told(settled)), now_s=clock.now_s)


def test_a_follower_looks_more_often_the_nearer_the_end_is(clock: Clock) -> None:
    pauses = Pauses()
    seen = []
    for settled in (10, 50, 90, 99):
        clock.now_s = 1000 + settled / 100
        seen.append(pause(pauses, clock, settled))
    assert seen[0] == LONGEST_PAUSE_S
    assert seen == sorted(seen, reverse=True)
    assert seen[-1] == SHORTEST_PAUSE_S


def test_a_follower_of_something_that_rests_asks_the_database_once_a_second(clock: Clock) -> None:
    pauses = Pauses()
    assert pause(pauses, clock, 10) <= LONGEST_PAUSE_S
    clock.now_s += 60
    assert pause(pauses, clock, 10) == IDLE_PAUSE_S
    # It moves again, by the pace so far not for long.
    assert pause(pauses, clock, 11) <= LONGEST_PAUSE_S


def test_a_follower_whose_database_is_away_does_not_hammer_it(clock: Clock) -> None:
    assert Pauses().after(None, now_s=clock.now_s) == LONGEST_PAUSE_S
