"""Each due time has one launch, whatever dies and whatever the clock does, on each database."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from sqlalchemy import Engine

from broadcast.rules.campaigns.campaign import Campaign
from broadcast.rules.campaigns.due_times import Schedule
from broadcast.rules.campaigns.launches import Missed, Overlap, Policy
from broadcast.rules.gates.restore_guard import Counts
from models.ledger.campaigns import campaign_edits, campaign_rows, due_launches, rehearsal_rows
from models.ledger.campaigns.launch_rows import NotBegunError
from models.ledger.steer import restore_answers
from tests.integration.models.campaign_world import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    World,
    check_once,
    plan,
    submitted,
)
from tests.integration.models.still_clock import NOON, StillClock

LATE = Policy(missed=Missed.LATE, late_by=15 * MINUTE)
SKIP = Policy(missed=Missed.SKIP)
MISSED, TOO_LATE = ("held", "launch.missed"), ("held", "launch.too_late")
SUPERSEDED, SKIPPED = ("skipped", "launch.superseded"), ("skipped", "launch.missed")
LAUNCHED = ("launched", None)


@pytest.fixture
def world(still: tuple[Engine, StillClock]) -> World:
    """A ledger whose clock stands still at noon in Shanghai."""
    return World(*still)


def due_times(campaign: Campaign, until: datetime, since: datetime = NOON) -> list[datetime]:
    """Return the due times of a campaign after its making."""
    times = campaign.plan.schedule.after(since)
    return list(itertools.takewhile(lambda due: due <= until, times))


def test_a_clock_that_is_set_forth_launches_early_and_not_again_at_the_right_time(
    world: World,
) -> None:
    campaign = world.add("c", plan("0 14 * * *"))
    world.clock.pass_(2 * HOUR + 5 * SECOND)
    world.beat()
    assert world.states(campaign) == {LAUNCHED: 1}

    world.clock.now = NOON
    while world.clock.now < NOON + 3 * HOUR:
        world.clock.pass_(10 * MINUTE)
        world.beat()

    check_once(world, campaign, due_times(campaign, NOON + 3 * HOUR))


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(), {MISSED: 24}),
        (LATE, {TOO_LATE: 24}),
        (Policy(missed=Missed.LATE, late_by=45 * MINUTE), {TOO_LATE: 23, LAUNCHED: 1}),
        (Policy(missed=Missed.LATE, late_by=5 * HOUR), {TOO_LATE: 19, SUPERSEDED: 4, LAUNCHED: 1}),
        (SKIP, {SKIPPED: 24}),
    ],
    ids=["ask", "late-held", "late", "late-newest", "skip"],
)
def test_after_a_day_without_beat_each_missed_hour_has_what_its_policy_says(
    world: World, policy: Policy, expected: dict[tuple[str, str | None], int]
) -> None:
    campaign = world.add("c", plan("0 * * * *", policy=policy))

    world.clock.pass_(DAY + 30 * MINUTE)
    world.beat()
    world.beat()

    assert world.states(campaign) == expected
    check_once(world, campaign, due_times(campaign, world.clock.now))
    assert [one.due_at for one in world.rows(campaign) if one.broadcast_id] == (
        [NOON + DAY] if LAUNCHED in expected else []
    )


def test_a_week_without_beat_of_a_campaign_of_each_minute_is_caught_up_in_small_steps(
    world: World,
) -> None:
    campaign = world.add("c", plan("* * * * *", policy=SKIP))

    world.clock.pass_(7 * HOUR + 30 * SECOND)
    world.beat()
    world.beat()

    assert world.states(campaign) == {SKIPPED: 419, LAUNCHED: 1}


@pytest.mark.parametrize(
    ("zone", "night"),
    [
        ("Europe/Berlin", datetime(2026, 3, 28, 20, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 10, 24, 20, tzinfo=UTC)),
        ("Africa/Cairo", datetime(2026, 4, 23, 18, tzinfo=UTC)),
        ("Africa/Cairo", datetime(2026, 10, 29, 18, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 4, 10, tzinfo=UTC)),
        ("America/New_York", datetime(2026, 11, 1, 2, tzinfo=UTC)),
    ],
)
def test_in_a_night_in_which_the_clocks_change_a_daily_time_comes_once(
    world: World, zone: str, night: datetime
) -> None:
    world.clock.now = night
    times = ["30 1 * * *", "30 2 * * *", "0 0 * * *", "15 2 * * *", "0 * * * *"]
    campaigns = [world.add(cron, plan(cron, zone=zone)) for cron in times]

    while world.clock.now < night + 14 * HOUR:
        world.clock.pass_(15 * MINUTE)
        world.beat()
        world.rest()

    counts = [len(world.rows(one)) for one in campaigns]
    # Lord Howe puts its clocks back by half an hour: one full hour less.
    assert counts == [1, 1, 1, 1, 13 if zone == "Australia/Lord_Howe" else 14]
    for one in campaigns:
        assert world.states(one) == {LAUNCHED: len(world.rows(one))}


def test_while_the_last_run_is_not_at_rest_the_next_is_skipped(world: World) -> None:
    campaign = world.add("c", plan("0 * * * *"))

    for n in range(1, 4):
        world.clock.now = NOON + n * HOUR + SECOND
        world.beat()

    assert world.states(campaign) == {LAUNCHED: 1, ("skipped", "launch.overlap"): 2}


def test_a_campaign_that_queues_begins_the_next_run_when_the_last_is_at_rest(world: World) -> None:
    campaign = world.add("c", plan("0 * * * *", policy=Policy(overlap=Overlap.QUEUE)))

    for n in range(1, 4):
        world.clock.now = NOON + n * HOUR + SECOND
        world.beat()
    assert world.states(campaign) == {LAUNCHED: 1, ("queued", None): 2}
    for n in (2, 3):
        world.clock.pass_(10 * MINUTE)
        world.rest()
        world.beat()
        assert world.states(campaign)[LAUNCHED] == n

    check_once(world, campaign, due_times(campaign, NOON + 3 * HOUR))


def test_one_time_is_due_once_and_the_campaign_is_done(world: World) -> None:
    campaign = world.add("c", plan(None, at=NOON + HOUR))

    for _ in range(40):
        world.clock.pass_(10 * MINUTE)
        world.beat()

    check_once(world, campaign, [NOON + HOUR])
    assert campaign_rows.named(world.engine, "c").next_due_at is None


def test_nothing_is_decided_while_the_lanes_are_closed_and_what_was_due_until_the_answer_is_held(
    world: World,
) -> None:
    policies = {"ask": Policy(), "late": LATE, "skip": SKIP}
    campaigns = [world.add(name, plan("0 * * * *", policy=one)) for name, one in policies.items()]

    world.clock.now = NOON + HOUR + SECOND
    world.close_lanes()
    world.beat()
    assert [world.rows(one) for one in campaigns] == [[], [], []]
    world.clock.pass_(SECOND)
    for name, one in policies.items():
        # Edited since they were closed, it goes on.
        edited = plan("0 * * * *", policy=replace(one, size_brake=0))
        campaign_edits.edit(world.engine, campaign_rows.named(world.engine, name), edited, who="li")
    restore_answers.answer(world.engine, since=world.clock.now, counts=Counts(claims={}), who="li")
    world.beat()
    assert [world.states(one) for one in campaigns] == [{("held", "launch.restored"): 1}] * 3

    world.clock.now = NOON + 2 * HOUR + SECOND
    world.beat()
    assert all(world.states(one)[LAUNCHED] == 1 for one in campaigns)


def test_a_launch_that_was_begun_before_the_restore_point_is_held_too(world: World) -> None:
    campaign = world.add("c", plan("0 * * * *", policy=LATE))
    world.clock.now = NOON + HOUR + SECOND
    world.chance.seed(1)
    while world.states(campaign) != {("begun", None): 1}:
        world.beat(dies=0.5)
        assert LAUNCHED not in world.states(campaign), "another seed"

    world.clock.pass_(31 * SECOND)
    world.answered()
    world.beat()

    assert world.states(campaign) == {("held", "launch.restored"): 1}
    assert not world.broadcasts()


def test_a_launch_under_way_while_the_lanes_are_closed_is_not_published(world: World) -> None:
    campaign = world.add("c", plan("0 * * * *"))
    world.clock.now = NOON + HOUR + SECOND
    due_launches.decide_due(world.engine)
    [launch_id] = due_launches.to_launch(world.engine, accounts=["default"])
    reserved = due_launches.reserve_launch(world.engine, launch_id)
    assert reserved is not None
    world.close_lanes()

    with pytest.raises(NotBegunError):
        submitted(world.engine, reserved)

    assert not world.broadcasts()
    world.clock.pass_(MINUTE)
    assert not due_launches.to_launch(world.engine, accounts=["default"])
    assert due_launches.reserve_launch(world.engine, launch_id) is None
    restore_answers.answer(world.engine, since=world.clock.now, counts=Counts(claims={}), who="li")
    assert world.states(campaign) == {("held", "launch.restored"): 1}


def test_a_campaign_whose_times_cannot_be_worked_out_keeps_no_other_from_its_run(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = world.add("broken", plan("* * * * *", zone="Europe/Berlin"))
    good = world.add("good", plan("* * * * *"))

    def zone(key: str) -> ZoneInfo:
        if key == "Europe/Berlin":
            raise ZoneInfoNotFoundError(key)
        return ZoneInfo(key)

    monkeypatch.setattr("broadcast.rules.campaigns.due_times.ZoneInfo", zone)
    world.clock.pass_(MINUTE)
    world.beat()

    assert world.states(good) == {LAUNCHED: 1}
    assert list(world.rows(broken)) == []
    assert "campaign broken: " in caplog.text
    known = campaign_rows.named(world.engine, "broken")
    assert known.problem() is not None
    assert known.next_times() == (known.next_due_at,)
    assert Schedule(zone="Europe/Berlin").written(NOON) == "2026-03-12 04:00+00:00"
    assert rehearsal_rows.missing(world.engine, accounts=["default"])
    campaign_edits.disable(world.engine, "broken", who="operator")
    assert campaign_edits.remove(world.engine, "broken", who="operator").next_due_at is None
