"""400 due times under each condition: one row each, as its policy says, on each database.

A story is what a condition does to the clock and to the beats. What each due time becomes is worked
out apart from the ledger, from the moments at which somebody looked.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine

from broadcast.rules.campaigns.campaign import Campaign
from broadcast.rules.campaigns.launches import Missed, Policy
from tests.integration.models.campaign_world import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    World,
    plan,
)
from tests.integration.models.still_clock import NOON, StillClock
from tests.servers.fixtures import DATABASES

DUE_TIMES = 400
POLICIES = (
    Policy(),
    Policy(missed=Missed.SKIP),
    Policy(missed=Missed.LATE, late_by=15 * MINUTE),
    Policy(missed=Missed.LATE, late_by=5 * HOUR),
)
LAUNCHED, OVERLAP = ("launched", None), ("skipped", "launch.overlap")
MISSED, TOO_LATE = ("held", "launch.missed"), ("held", "launch.too_late")
SUPERSEDED, SKIPPED = ("skipped", "launch.superseded"), ("skipped", "launch.missed")
Stands = tuple[str, str | None]


@dataclass(frozen=True)
class Look:
    """A moment, how many beats look, and with which probability one dies at each step."""

    at: datetime
    dies: float = 0.0
    beats: int = 1


@dataclass(frozen=True)
class Condition:
    """What happens to clock and beats while eight campaigns are due."""

    looks: Callable[[random.Random], Iterator[Look]]
    crons: Sequence[str] = ("* * * * *",) * 8
    begins: datetime = NOON
    zone: str = "Asia/Shanghai"


def three_beats(_: random.Random) -> Iterator[Look]:
    """Yield a moment right after each minute."""
    for n in range(1, 51):
        yield Look(NOON + n * MINUTE + 4 * SECOND, beats=3)


def killed_beats(chance: random.Random) -> Iterator[Look]:
    """Yield moments in minutes of which some kill whoever looks, at any step."""
    at, deadly = NOON, False
    while at < NOON + 51 * MINUTE:
        before, at = at, at + chance.choice((7, 11, 23, 31)) * SECOND
        if at.minute // 3 != before.minute // 3:
            deadly = chance.random() < 0.4
        yield Look(at, 0.3 if deadly else 0.0, beats=3)
    # Whatever was left on its way is settled by the next one that lives.
    yield Look(at + 2 * MINUTE)


def clock_steps(chance: random.Random) -> Iterator[Look]:
    """Yield moments of a clock that is set back and forth by up to two hours."""
    at = farthest = NOON
    while farthest < NOON + 50 * 10 * MINUTE:
        at += 10 * MINUTE - (at - NOON) % (10 * MINUTE)
        if chance.random() < 0.15:
            at += timedelta(minutes=chance.randint(-120, 120))
        yield Look(at + 7 * SECOND)
        farthest = max(farthest, at)


def outage(chance: random.Random) -> Iterator[Look]:
    """Yield moments of hours, among which a day is missing in which nobody looks."""
    away = chance.randint(5, 20)
    for n in range(1, 51):
        if not away <= n < away + 24:
            yield Look(NOON + n * HOUR + 9 * SECOND)


@dataclass(frozen=True)
class Night:
    """A night in which the clocks of a zone change."""

    zone: str
    day: date

    def at(self, days: int, time: str) -> Iterator[datetime]:
        """Yield the moment of a time of a day; of the day of the change both that it may be."""
        tz, (hour, minute) = ZoneInfo(self.zone), map(int, time.split(":"))
        noon = datetime(self.day.year, self.day.month, self.day.day, 12, tzinfo=tz)
        written = noon.replace(hour=hour, minute=minute, tzinfo=None) + days * DAY
        for side in (-1, 1) if days == 0 else (days,):
            offset = (noon + side * DAY).utcoffset()
            assert offset is not None
            yield written.replace(tzinfo=NOON.tzinfo) - offset


NIGHTS = (
    Night("Europe/Berlin", date(2026, 10, 25)),
    Night("Europe/Berlin", date(2026, 3, 29)),
    Night("Africa/Cairo", date(2026, 4, 24)),
    Night("Africa/Cairo", date(2026, 10, 30)),
    Night("Australia/Lord_Howe", date(2026, 4, 5)),
    Night("America/New_York", date(2026, 11, 1)),
)
TIMES = ("1:30", "2:30", "0:00", "2:15", "2:00", "3:00", "23:45", "12:00")
#: Days of a story before the change, and after it.
AROUND = range(-25, 25)


def of_night(night: Night) -> Condition:
    """Return fifty days of daily times, in whose middle the clocks change."""
    begins = min(night.at(AROUND[0] - 1, "12:00"))

    def looks(_: random.Random) -> Iterator[Look]:
        dues = {at for days in AROUND for time in TIMES for at in night.at(days, time)}
        middle = min(night.at(0, "0:00"))
        # A time that does not exist comes at another one of that night.
        dues |= {middle + n * 5 * MINUTE for n in range(-24, 60)}
        for at in sorted(dues):
            if at > begins:
                yield Look(at + SECOND)

    crons = [f"{minute} {hour} * * *" for hour, minute in (one.split(":") for one in TIMES)]
    return Condition(looks, crons=[*map(_plain, crons)], begins=begins, zone=night.zone)


def _plain(cron: str) -> str:
    minute, rest = cron.split(" ", 1)
    return f"{int(minute)} {rest}"


CONDITIONS = {
    "three beats": Condition(three_beats),
    "killed beats": Condition(killed_beats),
    "clock steps": Condition(clock_steps, crons=("*/10 * * * *",) * 8),
    "outage": Condition(outage, crons=("0 * * * *",) * 8),
    **{f"{one.zone} {one.day}": of_night(one) for one in NIGHTS},
}
#: Of each kind one is for every run, on a file; the others are for the long proofs.
SHORT = ("killed beats", "clock steps", "outage")
STORIES = [
    *(("sqlite", name, 0) for name in SHORT),
    *(
        pytest.param(database, name, seed, marks=pytest.mark.prove)
        for database in DATABASES
        for name in CONDITIONS
        for seed in (1, 2)
    ),
]


@pytest.mark.parametrize(("engine", "name", "seed"), STORIES, indirect=["engine"])
def test_each_of_400_due_times_has_the_one_row_that_its_policy_says(
    still: tuple[Engine, StillClock], name: str, seed: int
) -> None:
    world, condition = World(*still, seed=seed), CONDITIONS[name]
    world.clock.now = condition.begins
    campaigns = [
        world.add(f"c{n}", plan(cron, zone=condition.zone, policy=POLICIES[n % len(POLICIES)]))
        for n, cron in enumerate(condition.crons)
    ]

    seen = live(world, condition.looks(random.Random(seed)))

    farthest = max(one.at for one in seen)
    dues = {one.name: _dues(one, condition.begins, farthest) for one in campaigns}
    assert sum(map(len, dues.values())) >= DUE_TIMES
    launched = Counter[str]()
    for campaign in campaigns:
        rows = world.rows(campaign)
        assert [one.due_at for one in rows] == dues[campaign.name]
        expected = foretold(campaign.plan.policy, dues[campaign.name], seen)
        stands = [(one.state.value, one.reason and one.reason.id) for one in rows]
        wrong = [
            (due, found, may_be)
            for due, found, may_be in zip(dues[campaign.name], stands, expected, strict=True)
            if found not in may_be
        ]
        assert wrong == []
        launched.update(one.key for one in rows if one.state.value == "launched")
    # No broadcast without a launched row, and of none two.
    assert world.broadcasts() == launched
    assert set(world.published.values()) == {1}
    if condition.zone != "Asia/Shanghai":
        for campaign in campaigns:
            check_each_day(campaign, dues[campaign.name])


@dataclass(frozen=True)
class Seen:
    """A moment at which beats looked, and whether each lived."""

    at: datetime
    lived: bool


def live(world: World, looks: Iterator[Look]) -> list[Seen]:
    """Let beats look at each moment, all at once; what they sent is at rest at the next."""
    seen = list[Seen]()
    with ThreadPoolExecutor(3) as beats:
        for look in looks:
            world.clock.now = look.at
            done = [beats.submit(world.beat, dies=look.dies) for _ in range(look.beats)]
            lived = [one.result() for one in done]
            seen.append(Seen(look.at, all(lived)))
            world.rest()
    return seen


def _dues(campaign: Campaign, begins: datetime, until: datetime) -> list[datetime]:
    found = list[datetime]()
    for due in campaign.plan.schedule.after(begins):
        if due > until:
            break
        found.append(due)
    return found


def foretold(policy: Policy, dues: list[datetime], seen: list[Seen]) -> list[set[Stands]]:
    """Return how each due time may stand: one way, unless a beat died near it."""
    may_be, decided = list[set[Stands]](), 0
    for n, look in enumerate(seen):
        new = [due for due in dues[decided:] if due <= look.at]
        decided += len(new)
        for due in new:
            states = {_of(policy, due, look.at, newest=due == new[-1])}
            around = [one for one in seen if abs(one.at - due) < 2 * MINUTE]
            if not all(one.lived for one in (*around, *seen[max(n - 2, 0) : n + 1])):
                states = {LAUNCHED, OVERLAP, *_missed(policy)}
            may_be.append(states)
    return may_be


def _missed(policy: Policy) -> set[Stands]:
    found: dict[Missed, set[Stands]] = {
        Missed.ASK: {MISSED},
        Missed.SKIP: {SKIPPED},
        Missed.LATE: {TOO_LATE, SUPERSEDED},
    }
    return found[policy.missed]


def _of(policy: Policy, due: datetime, at: datetime, *, newest: bool) -> Stands:
    """Return how a due time stands that was first looked at then."""
    if at - due <= MINUTE:
        return LAUNCHED
    if policy.missed is not Missed.LATE:
        return MISSED if policy.missed is Missed.ASK else SKIPPED
    if at - due > policy.late_by:
        return TOO_LATE
    return LAUNCHED if newest else SUPERSEDED


def check_each_day(campaign: Campaign, dues: list[datetime]) -> None:
    """Hold that a daily time came once on each day of its zone."""
    days = [due.astimezone(campaign.plan.schedule.tzinfo).date() for due in dues]
    assert days == [days[0] + n * DAY for n in range(len(days))]
