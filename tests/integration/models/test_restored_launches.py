"""Campaigns of a database that is restored again and again: no run comes twice, none is lost."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select

from broadcast.rules.campaigns.campaign import Campaign
from broadcast.rules.campaigns.launches import Missed, Overlap, Policy
from broadcast.rules.gates.restore_guard import Counts
from broadcast.rules.states import Reason
from models.every_table import Base
from models.ledger.campaigns import campaign_edits
from models.ledger.gates import restores
from models.ledger.steer import restore_answers
from tests.integration.models.campaign_world import MINUTE, SECOND, World, plan
from tests.integration.models.still_clock import NOON, StillClock
from tests.kit import ledger
from tests.servers.fixtures import DATABASES

POLICIES = [
    Policy(missed=missed, overlap=overlap)
    for missed in (Missed.ASK, Missed.LATE, Missed.SKIP)
    for overlap in Overlap
]
RESTORED = ("held", "launch.restored")
LAUNCHED = ("launched", None)
MINUTES, RESTORES = 70, 4
RUNS = [
    ("sqlite", 1),
    *(
        pytest.param(database, seed, marks=pytest.mark.prove)
        for database in DATABASES
        for seed in range(2, 8)
    ),
]


@dataclass
class Model:
    """What a database says of each due time, as far as it came, and until when it was answered."""

    says: dict[datetime, tuple[str, str | None]] = field(default_factory=dict)
    answered_at: datetime | None = None

    def look(self, now: datetime) -> None:
        """Decide the due times that have come, one a minute."""
        due = NOON + MINUTE
        while due <= now:
            unsure = self.answered_at is not None and due <= self.answered_at
            self.says.setdefault(due, RESTORED if unsure else LAUNCHED)
            due += MINUTE


@dataclass(frozen=True)
class Backup:
    """A database at a moment, and the model of it."""

    at: datetime
    rows: Mapping[str, Sequence[Mapping[str, Any]]]
    model: Model


@pytest.fixture
def world(still: tuple[Engine, StillClock]) -> World:
    """A ledger whose clock stands still at noon in Shanghai."""
    return World(*still)


def backed_up(world: World, model: Model) -> Backup:
    """Return the backup of this moment."""
    with world.engine.connect() as connection:
        rows = {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in Base.metadata.sorted_tables
        }
    return Backup(at=world.clock.now, rows=rows, model=copy.deepcopy(model))


def restore(world: World, backup: Backup) -> None:
    """Put a backup in the place of the database, whose lanes a worker closes."""
    ledger.empty(world.engine)
    with world.engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            if backup.rows[table.name]:
                connection.execute(insert(table), backup.rows[table.name])
    restores.close_lanes(world.engine, Reason.COUNTER_BEHIND)


def answer(world: World, backup: Backup) -> None:
    """Say of when the backup is, and enable the campaigns again."""
    told = restore_answers.answer(world.engine, since=backup.at, counts=Counts(claims={}), who="li")
    for name in told.disabled:
        campaign_edits.enable(world.engine, name, who="li")


@pytest.mark.parametrize(("engine", "seed"), RUNS, indirect=["engine"])
def test_of_420_due_times_those_from_a_restore_point_to_its_answer_are_held_and_all_others_go_once(
    world: World, seed: int
) -> None:
    chance = random.Random(seed)
    campaigns = [
        world.add(f"c{n}", plan("* * * * *", policy=policy)) for n, policy in enumerate(POLICIES)
    ]
    restored_at = set(chance.sample(range(10, MINUTES - 5), RESTORES))
    model, backups = Model(), list[Backup]()
    chosen: Backup | None = None
    for minute in range(1, MINUTES + 1):
        world.clock.now = NOON + minute * MINUTE + 4 * SECOND
        if minute in restored_at:
            chosen = chance.choice(backups)
            restore(world, chosen)
            model = copy.deepcopy(chosen.model)
        elif chosen is not None and chance.random() < 0.4:
            answer(world, chosen)
            model.answered_at, chosen = world.clock.now, None
        world.beat()
        if chosen is None:
            model.look(world.clock.now)
        world.rest()
        if minute % 4 == 0:
            backups.append(backed_up(world, model))

    if chosen is not None:
        answer(world, chosen)
        model.answered_at = world.clock.now
    world.beat()
    model.look(world.clock.now)
    for campaign in campaigns:
        assert states(world, campaign) == model.says
    assert set(world.published.values()) == {1}
    assert {RESTORED, LAUNCHED} == {*model.says.values()}


def states(world: World, campaign: Campaign) -> dict[datetime, tuple[str, str | None]]:
    """Return how the one row of each due time stands, and why."""
    rows = world.rows(campaign)
    found = {
        one.due_at: (one.state.value, None if one.reason is None else one.reason.id) for one in rows
    }
    assert len(found) == len(rows)
    return found


def test_the_answer_counts_the_runs_that_it_holds(still: tuple[Engine, StillClock]) -> None:
    world = World(*still)
    world.add("minutely", plan("* * * * *"))
    world.close_lanes()
    world.clock.pass_(2 * MINUTE + SECOND)

    done = restore_answers.answer(
        world.engine, since=NOON, counts=Counts(claims={}, notes=None), who="li"
    )

    assert (done.disabled, done.runs) == (["minutely"], 2)
