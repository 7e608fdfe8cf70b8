"""Due times with real workers and beats: these die, clocks are set, and each has its one row."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from broadcast.rules.campaigns.campaign import Campaign, Launch
from broadcast.rules.campaigns.due_times import Schedule
from broadcast.rules.campaigns.launches import MISSED_AFTER, LaunchState, Missed, Policy
from broadcast.rules.states import SHOWN_AT_REST
from models.ledger.campaigns import launch_rows
from tests.acceptance.test_campaigns import add, of_file, soon, template, text, until_sent
from tests.kit.clock import Clock
from tests.kit.wait import until
from tests.servers.fixtures import DATABASES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

MINUTE = timedelta(minutes=1)
#: Each is due each minute.
CAMPAIGNS, LEAST = 6, 60
WRITTEN = "%Y-%m-%d %H:%M"
POLICIES = [Policy(missed=missed, late_by=300 * MINUTE) for missed in Missed]
UNDER_WAY = {LaunchState.BEGUN, LaunchState.QUEUED}


def kill_a_beat(system: System, chance: random.Random) -> None:
    """End one of the beats by SIGKILL, and start another one."""
    victim = chance.choice([one for one in system.processes if "beat" in one.command])
    victim.kill()
    system.again(victim)


def launches(system: System, campaign: Campaign) -> Sequence[Launch]:
    """Return all launches of a campaign."""
    return launch_rows.history(system.engine, campaign.id, most=10_000)


@dataclass
class Story:
    """Campaigns of each minute, the clock by which they are due, and what is foretold of them."""

    system: System
    clock: Clock
    chance: random.Random
    #: Up to which minute they were due.
    came: datetime
    campaigns: list[Campaign] = field(default_factory=list)
    #: How each due time may stand, by campaign.
    foretold: dict[str, dict[datetime, set[LaunchState]]] = field(default_factory=dict)

    def put(self, at: datetime) -> None:
        """Set the clock; what has become due then is seen before the next step."""
        self.clock.put(self.system, at + timedelta(seconds=2), wechat=max(at, self.came))
        new = [self.came + n * MINUTE for n in range(1, int((at - self.came) / MINUTE) + 1)]
        begun = time.monotonic()
        self.came = max(at, self.came)
        due = {one.name: len(self.foretold[one.name]) + len(new) for one in self.campaigns}
        self.system.until_stored(lambda: self._is_settled(due), 120, f"rest at {at}")
        is_quick = time.monotonic() - begun < MISSED_AFTER.total_seconds() - 5
        for one in self.campaigns:
            missed = _missed(one.plan.policy)
            for n, when in enumerate(new, 1 - len(new)):
                states = {missed} if n else {LaunchState.LAUNCHED}
                self.foretold[one.name][when] = states if is_quick else states | {missed}

    def _is_settled(self, due: dict[str, int]) -> bool:
        rows = {one.name: launches(self.system, one) for one in self.campaigns}
        return (
            all(len(rows[name]) >= count for name, count in due.items())
            and not any(one.state in UNDER_WAY for of in rows.values() for one in of)
            and all(one.state in SHOWN_AT_REST for one in self.system.all_reports())
        )


def _missed(policy: Policy) -> LaunchState:
    """Return how a due time stands that a newer one followed before anybody looked."""
    return LaunchState.HELD if policy.missed is Missed.ASK else LaunchState.SKIPPED


def steps(chance: random.Random, came: datetime) -> Iterator[datetime]:
    """Yield moments: most a minute on, some after an outage, some two hours back."""
    for n in range(12):
        if n % 4 == 1:
            yield came - timedelta(minutes=chance.randint(1, 120))
        minutes = chance.randint(2, 120) if n % 4 == 3 else 1
        came += minutes * MINUTE
        yield came


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2))
def test_each_due_time_has_one_row_though_beats_are_killed_and_the_clock_is_set(
    start_system: StartSystem, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, chance = Clock(tmp_path), random.Random(seed)
    begins = datetime.now(UTC).replace(second=0, microsecond=0)
    settings = {"BROADCAST_WAIT_SCALE": "0.01", **clock.settings}
    system = start_system(followers=2 * CAMPAIGNS, **settings)  # type: ignore[arg-type]
    monkeypatch.setattr(system, "audit", lambda: audited(system))
    system.simulator.set_switches(monthly_cap=0)
    clock.follow(system)
    clock.put(system, begins + timedelta(seconds=2))
    story = Story(system, clock, chance, begins)
    people = system.simulator.openids(2 * CAMPAIGNS)
    for n in range(CAMPAIGNS):
        file = of_file(system, people[2 * n : 2 * n + 2], f"{n}.txt")
        said = template(file, text(f"c{n} {{date}} {{time}}"))
        every_minute = Schedule(zone="Asia/Shanghai", cron="* * * * *")
        policy = POLICIES[n % len(POLICIES)]
        story.campaigns.append(add(system, f"c{n}", said, schedule=every_minute, policy=policy))
        story.foretold[f"c{n}"] = {}
    for _ in range(2):
        system.worker()
        system.beat()

    for at in steps(chance, begins):
        kill_a_beat(system, chance)
        story.put(at)

    check(story)


def check(story: Story) -> None:
    """Hold that each due time has the one row that was foretold, and each call a launched row."""
    labels = Counter[str]()
    for one in story.campaigns:
        rows = launches(story.system, one)
        assert len(rows) == len({row.due_at for row in rows})
        foretold = story.foretold[one.name]
        stands = {row.due_at: row.state for row in rows}
        assert {*stands} == {*foretold}
        assert [due for due, state in stands.items() if state not in foretold[due]] == []
        tz = one.plan.schedule.tzinfo
        labels.update(
            f"{one.name} {row.due_at.astimezone(tz):{WRITTEN}}"
            for row in rows
            if row.state is LaunchState.LAUNCHED
        )
    assert sum(map(len, story.foretold.values())) >= LEAST
    assert sent(story.system) == labels
    assert {*labels.values()} == {1}


def sent(system: System) -> Counter[str]:
    """Return what each mass send at WeChat said; each call was one of them."""
    jobs: Sequence[dict[str, object]] = system.simulator.jobs()
    calls = {call["clientmsgid"] for call in system.simulator.mass_calls()}
    assert calls == {job["clientmsgid"] for job in jobs}
    whole = (system.simulator.job(int(str(job["msg_id"]))) for job in jobs)
    return Counter(job["content"]["text"]["content"] for job in whole)


def audited(system: System) -> None:
    """Hold that an audit finds nothing but that the clock was set back."""
    done = system.broadcast("audit", "--all", "--json", status=None)
    found = json.loads(done.stdout.splitlines()[-1])["findings"]
    assert {one["check"] for one in found} <= {"clock"}, done.stderr


@pytest.mark.prove
@pytest.mark.parametrize("database_url", DATABASES, indirect=True)
def test_sixty_campaigns_are_sent_once_each_though_beats_are_killed_all_the_while(
    database_url: str, start_system: StartSystem
) -> None:
    chance = random.Random(database_url.partition(":")[0])
    system = start_system(followers=2 * LEAST, database_url=database_url)
    people = system.simulator.openids(2 * LEAST)
    campaigns = [
        add(
            system,
            f"c{n}",
            template(of_file(system, people[2 * n : 2 * n + 2], f"{n}.txt")),
            schedule=soon(10 + n % 20),
            policy=Policy(missed=Missed.LATE),
        )
        for n in range(LEAST)
    ]
    for _ in range(2):
        system.worker()
        system.beat()

    def launched() -> int:
        rows = [row for one in campaigns for row in launches(system, one)]
        return sum(row.state is LaunchState.LAUNCHED for row in rows)

    known = 0
    while known < LEAST:
        kill_a_beat(system, chance)
        more = min(known + chance.randint(1, 8), LEAST)
        until(lambda more=more: launched() >= more, 60, f"{more} launches")  # type: ignore[misc]
        known = launched()

    for one in campaigns:
        [run] = launches(system, one)
        until_sent(system, run)
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)
    assert len(system.simulator.jobs()) == LEAST
