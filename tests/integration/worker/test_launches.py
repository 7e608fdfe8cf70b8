"""What one worker process launches and rehearses beside its tasks: none keeps another waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import Engine, select, update

from broadcast.errors import WeChatAwayError
from broadcast.message import Message
from broadcast.rules.campaigns.campaign import Campaign
from models.every_table import CampaignRow, LaunchRow
from models.ledger.campaigns import due_launches, launch_rows, rehearsal_rows
from producer.campaigns import launching, rehearsing
from tests.integration.models.campaign_world import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    World,
    plan,
    submitted,
)
from tests.integration.models.still_clock import StillClock
from tests.integration.worker.test_threads import no_thread_starts
from tests.kit.wait import until
from worker import campaigns, program_door, rehearsal_thread
from worker.rehearsal_thread import Rehearsals

if TYPE_CHECKING:
    from models.ledger.campaigns.launch_rows import ReservedLaunch
    from worker.wiring import WorkerParts

LAUNCHED = {("launched", None): 1}


class Worker:
    """A worker whose launches pass the door at once, but for those that hang or are refused."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.goes_on = threading.Event()
        #: By the campaign's name.
        self.hangs: set[str] = set()
        self.away: set[str] = set()
        self.tried: list[str] = []
        #: Accounts for which WeChat does not answer.
        self.unproved: set[str] = set()
        here = SimpleNamespace(
            engine=world.engine,
            accounts={"default": None},
            wechat=None,
            settings=None,
            database_check=SimpleNamespace(watch=lambda _: self.unproved),
        )
        self.here = cast("WorkerParts", here)
        self.launches, self.rehearsals = campaigns.Launches(self.here), Rehearsals(self.here)
        here.launches, here.rehearsals = self.launches, self.rehearsals
        monkeypatch.setattr(program_door, "through_door", lambda _, by, **__: by(None))
        monkeypatch.setattr(launching, "launch", self._launch)
        monkeypatch.setattr(rehearsal_thread, "_REST_S", 0.0)
        monkeypatch.setattr(rehearsing, "rehearse", self._rehearse)

    def _launch(self, taken: ReservedLaunch, *_: Any, **__: Any) -> str:
        self.tried.append(taken.name)
        if taken.name in self.hangs:
            self.goes_on.wait(60)
        if taken.name in self.away:
            raise WeChatAwayError("error.wechat.away", address="-", reason="-")
        return submitted(self.world.engine, taken)

    def _rehearse(
        self, campaign: Campaign, *_: Any, unheard: type[Exception], **__: Any
    ) -> list[Message]:
        if campaign.name not in self.away:
            return []
        error = WeChatAwayError("error.wechat.away", address="-", reason="-")
        if isinstance(error, unheard):
            raise error
        return [error.message]

    def beat(self) -> None:
        """Look once, and wait for all that does not hang."""
        campaigns.launch(self.here)
        self.rehearsals.join(60)


@pytest.fixture
def world(still: tuple[Engine, StillClock]) -> World:
    """A ledger whose clock stands still at noon in Shanghai."""
    return World(*still)


@pytest.fixture
def worker(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    worker = Worker(world, monkeypatch)
    yield worker
    worker.goes_on.set()
    worker.launches.join(60)
    worker.rehearsals.join(60)


def add(world: World, name: str, *, ahead: timedelta = HOUR) -> Campaign:
    return world.add(name, plan(None, at=world.clock.now + ahead))


def until_launched(world: World, campaign: Campaign) -> None:
    until(lambda: world.states(campaign) == LAUNCHED, 60, f"the launch of {campaign.name}")


def test_a_launch_that_hangs_keeps_no_other_from_its_time_and_is_taken_once(
    world: World, worker: Worker
) -> None:
    slow, soon = add(world, "slow"), add(world, "soon", ahead=HOUR + 20 * SECOND)
    worker.hangs.add("slow")
    world.clock.pass_(HOUR)
    worker.beat()
    until(lambda: worker.tried, 60, "the slow launch")
    world.clock.pass_(21 * SECOND)
    worker.beat()
    until_launched(world, soon)
    worker.goes_on.set()

    until_launched(world, slow)
    assert sorted(worker.tried) == ["slow", "soon"]


def test_a_run_waits_while_wechat_does_not_answer_whether_its_account_may_call(
    world: World, worker: Worker
) -> None:
    campaign = add(world, "c")
    worker.unproved.add("default")
    world.clock.pass_(HOUR)

    worker.beat()
    assert world.states(campaign) == {("begun", None): 1}
    worker.unproved.clear()
    worker.beat()

    until_launched(world, campaign)
    assert worker.tried == ["c"]


def test_what_is_out_of_reach_is_tried_once_a_look_and_keeps_no_other_from_its_launch(
    world: World, worker: Worker
) -> None:
    away, well = add(world, "away"), [add(world, f"c{n}") for n in range(12)]
    worker.away.add("away")
    world.clock.pass_(HOUR)
    worker.beat()
    for one in well:
        until_launched(world, one)
    worker.launches.join(60)
    assert worker.tried.count("away") == 1

    worker.away.clear()
    world.clock.pass_(5 * SECOND)
    worker.beat()
    until_launched(world, away)


def test_a_fault_in_the_look_for_rehearsals_keeps_no_campaign_from_its_launch(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    campaign = add(world, "c")

    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(rehearsal_rows, "missing", broken)
    world.clock.pass_(HOUR)
    worker.beat()

    until_launched(world, campaign)
    assert "campaigns are rehearsed later" in caplog.text


def test_a_plan_that_cannot_be_read_keeps_no_other_from_rehearsal_and_launch(
    world: World, worker: Worker
) -> None:
    newer, good = add(world, "a newer one"), add(world, "good")
    with world.engine.begin() as connection:
        other = update(CampaignRow).where(CampaignRow.id == newer.id)
        connection.execute(other.values(plan="{}"))
    worker.beat()
    [rehearsal] = rehearsal_rows.history(world.engine, good, most=9)
    assert list(rehearsal.findings) == []

    world.clock.pass_(HOUR)
    worker.beat()
    until_launched(world, good)


def test_a_launch_whose_campaign_cannot_be_read_any_more_keeps_no_other_from_its_own(
    world: World, worker: Worker
) -> None:
    newer, good = add(world, "a newer one"), add(world, "good")
    world.clock.pass_(HOUR)
    due_launches.decide_due(world.engine)
    with world.engine.begin() as connection:
        other = update(CampaignRow).where(CampaignRow.id == newer.id)
        connection.execute(other.values(plan="{}"))
    for _ in range(4):
        worker.beat()
        world.clock.pass_(21 * SECOND)

    until_launched(world, good)
    assert launch_rows.history(world.engine, newer.id, most=9)[0].state == "begun"


def test_rehearsals_are_made_once_a_thread_can_be_started(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = add(world, "c", ahead=30 * MINUTE)
    with no_thread_starts(monkeypatch):
        worker.beat()
    assert rehearsal_rows.history(world.engine, campaign, most=9) == []

    worker.beat()
    assert len(rehearsal_rows.history(world.engine, campaign, most=9)) == 1


def test_a_launch_under_way_is_kept_from_other_workers(
    world: World, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campaigns, "_RENEWED_EVERY", timedelta(milliseconds=10))
    slow = add(world, "slow")
    worker.hangs.add("slow")
    world.clock.pass_(HOUR)
    worker.beat()
    until(lambda: worker.tried, 60, "the slow launch")
    for _ in range(3):
        world.clock.pass_(25 * SECOND)
        until(lambda: taken_at(world) == world.clock.now, 60, "a renewal")
    worker.goes_on.set()

    until_launched(world, slow)
    assert worker.tried == ["slow"]


def taken_at(world: World) -> datetime | None:
    with world.engine.connect() as connection:
        return connection.scalar(select(LaunchRow.taken_at))


@pytest.mark.parametrize("ahead", [DAY, HOUR, 20 * MINUTE], ids=str)
def test_a_rehearsal_that_wechat_does_not_answer_is_made_again_for_half_an_hour_at_most(
    world: World, worker: Worker, ahead: timedelta
) -> None:
    away, well = add(world, "away", ahead=ahead), add(world, "well", ahead=ahead)
    worker.away.add("away")
    again_for = min(30 * MINUTE, ahead / 2)
    worker.beat()
    world.clock.pass_(again_for - SECOND)
    worker.beat()
    assert rehearsal_rows.history(world.engine, away, most=9) == []
    assert len(rehearsal_rows.history(world.engine, well, most=9)) == 1

    world.clock.pass_(2 * SECOND)
    worker.beat()
    [stored] = rehearsal_rows.history(world.engine, away, most=9)
    assert [one.id for one in stored.findings] == ["error.wechat.away"]


def test_a_rehearsal_that_was_not_answered_once_has_no_finding(
    world: World, worker: Worker
) -> None:
    campaign = add(world, "c")
    worker.away.add("c")
    worker.beat()
    worker.away.clear()
    worker.beat()

    [stored] = rehearsal_rows.history(world.engine, campaign, most=9)
    assert list(stored.findings) == []
