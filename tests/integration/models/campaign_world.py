"""Campaigns in the ledger under a clock that a test moves: beats, workers, kills and their rows."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine, insert, select, update

from broadcast.rules.campaigns.campaign import Campaign, CampaignPlan, Launch
from broadcast.rules.campaigns.due_times import Schedule
from broadcast.rules.campaigns.launches import Policy
from broadcast.rules.campaigns.template import Template, stored
from broadcast.rules.plan import submission
from broadcast.rules.plan.submission import LaunchOf
from broadcast.rules.states import Phase, Reason
from models.every_table import BroadcastRow
from models.installation import RestoreRow
from models.ledger.campaigns import campaign_edits, due_launches, launch_rows
from models.ledger.campaigns.launch_rows import ReservedLaunch
from models.ledger.gates import restores
from models.ledger.rows import lane_rows
from models.ledger.submit import submits
from tests.integration.models.still_clock import StillClock
from tests.kit import ledger

SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
TEMPLATE = Template(
    request={
        "account": "default",
        "audience": {"followers": True},
        "content": {"msgtype": "text", "text": {"content": "{date}"}},
    }
)


def plan(
    cron: str | None,
    *,
    zone: str = "Asia/Shanghai",
    policy: Policy | None = None,
    at: datetime | None = None,
) -> CampaignPlan:
    """Return what a person says of a campaign of the account ``default``."""
    return CampaignPlan(
        account="default",
        template=TEMPLATE,
        policy=policy or Policy(),
        schedule=Schedule(zone=zone, cron=cron, at=at),
    )


def run_of(campaign: Campaign) -> Launch:
    """Return a run that nobody has begun yet."""
    return Launch.to_come(campaign, campaign.created_at, key="-")


def submitted(engine: Engine, reserved: ReservedLaunch) -> str:
    """Publish the broadcast of a launch, as the door of programs does; return its id."""
    body = ledger.body(size=4, key=reserved.launch.key, text=stored(reserved.launch.template))
    terms = submission.Terms(
        who="campaign", again=True, launch=LaunchOf(id=reserved.launch.id, size=4)
    )
    return submits.store(
        engine,
        body,
        ledger.chunks(ledger.openids(4)),
        terms=terms,
        quota=ledger.PLENTY,
        figures=ledger.figures(size=4, batches=1),
    ).id


class World:
    """A ledger with campaigns, and beats that look at it."""

    def __init__(self, engine: Engine, clock: StillClock, seed: int = 0) -> None:
        self.engine, self.clock = engine, clock
        self.chance = random.Random(seed)
        #: How often each launch was published, whatever became of the database since.
        self.published: Counter[str] = Counter()
        ledger.install(engine)

    def add(self, name: str, said: CampaignPlan) -> Campaign:
        """Add a campaign."""
        return campaign_edits.add(self.engine, name, said, who="operator")

    def beat(self, *, dies: float = 0.0) -> bool:
        """Look once, as a worker does that beat woke; *dies* with this probability at each step.

        Return whether it lived.
        """
        if self.chance.random() < dies:
            return False
        due_launches.decide_due(self.engine)
        self.decide_again()
        for launch_id in due_launches.to_launch(self.engine, accounts=["default"]):
            if self.chance.random() < dies:
                return False
            reserved = due_launches.reserve_launch(self.engine, launch_id)
            if reserved is None:
                continue
            if self.chance.random() < dies:
                return False
            submitted(self.engine, reserved)
            self.published[reserved.launch.key] += 1
        return True

    def close_lanes(self) -> None:
        """Find that the database is a restored one."""
        with self.engine.begin() as connection:
            lane_rows.ensure_lane(connection, ledger.account())
        restores.close_lanes(self.engine, Reason.COUNTER_BEHIND)

    def answered(self) -> None:
        """Store that a person answered at this moment: it is a backup."""
        row = {"at": self.clock.now, "who": "li", "since": self.clock.now, "forgotten": "{}"}
        with self.engine.begin() as connection:
            connection.execute(insert(RestoreRow).values(row))

    def decide_again(self, account: str = "default") -> None:
        """Decide again what nobody has, as a worker with this account does at each look."""
        for launch_id in due_launches.to_decide(self.engine):
            due_launches.decide_again(self.engine, launch_id, accounts=[account])

    def rest(self) -> None:
        """End every broadcast."""
        with self.engine.begin() as connection:
            under_way = BroadcastRow.phase != Phase.ENDED
            connection.execute(update(BroadcastRow).where(under_way).values(phase=Phase.ENDED))

    def rows(self, campaign: Campaign) -> Sequence[Launch]:
        """Return the launches of a campaign, the first due first."""
        return launch_rows.history(self.engine, campaign.id, most=10_000)[::-1]

    def states(self, campaign: Campaign) -> Counter[tuple[str, str | None]]:
        """Return how many launches stand how, and why."""
        return Counter(
            (one.state.value, None if one.reason is None else one.reason.id)
            for one in self.rows(campaign)
        )

    def broadcasts(self) -> Counter[str]:
        """Return how many broadcasts have each key."""
        with self.engine.connect() as connection:
            return Counter(connection.scalars(select(BroadcastRow.key)))


def check_once(world: World, campaign: Campaign, expected: Sequence[datetime]) -> None:
    """Hold that each due time has one row, and each broadcast one launched row."""
    rows = world.rows(campaign)
    assert [one.due_at for one in rows] == list(expected)
    launched = [one for one in rows if one.broadcast_id is not None]
    assert all(one.state.value == "launched" for one in launched)
    assert world.broadcasts() == Counter(one.key for one in launched)
