"""What is held, or skipped though nobody asked for it, has its notice at once."""

from __future__ import annotations

from collections import Counter

import pytest
from sqlalchemy import Engine, select, update

from broadcast.message import Message
from broadcast.rules.campaigns.launches import Missed, Overlap, Policy
from models.every_table import CampaignRow, NoticeRow
from models.ledger.boxes import unreported
from models.ledger.campaigns import campaign_edits, launch_rows
from tests.integration.models.campaign_world import HOUR, MINUTE, SECOND, World, plan, run_of
from tests.integration.models.still_clock import StillClock


@pytest.fixture
def world(still: tuple[Engine, StillClock]) -> World:
    """A ledger whose clock stands still at noon in Shanghai, with one receiver of notices."""
    world = World(*still)
    unreported.register(world.engine, ["bot"], alone=True)
    return world


def told(world: World) -> list[Message]:
    """Return what is told to the receiver, the oldest first."""
    with world.engine.connect() as connection:
        return list(connection.scalars(select(NoticeRow.message).order_by(NoticeRow.id)))


def test_after_a_night_without_a_worker_each_campaign_is_told_of_whatever_others_missed(
    world: World,
) -> None:
    world.add("daily", plan("0 13 * * *"))
    world.add("minutely", plan("* * * * *"))
    world.clock.pass_(10 * HOUR + 30 * SECOND)
    world.beat()

    times = Counter(one.facts["subject"] for one in told(world))
    assert times["daily"] == 1
    # Of hundreds the newest are told.
    assert 20 <= times["minutely"] <= 100
    assert {one.id for one in told(world)} == {"notice.launch_held"}
    world.beat()
    assert len(told(world)) == sum(times.values())


@pytest.mark.parametrize(
    ("policy", "ids"),
    [
        (Policy(overlap=Overlap.SKIP), ["notice.launch_skipped"]),
        (Policy(overlap=Overlap.QUEUE), []),
    ],
)
def test_what_is_skipped_unasked_is_told_and_what_a_person_stops_is_not(
    world: World, policy: Policy, ids: list[str]
) -> None:
    world.add("c", plan("0 * * * *", policy=policy))
    for _ in range(2):
        world.clock.pass_(HOUR)
        world.beat()
    campaign_edits.disable(world.engine, "c", who="li")

    assert [one.id for one in told(world)] == ids


def test_a_run_that_is_missed_after_it_was_begun_is_told_with_what_lets_it_go(
    world: World,
) -> None:
    campaign = world.add("c", plan("0 * * * *", policy=Policy(missed=Missed.SKIP)))
    world.clock.pass_(HOUR)
    launch_rows.run_now(world.engine, campaign, run_of(campaign), key="k", who="li")
    world.clock.pass_(2 * MINUTE)
    world.decide_again()

    [notice] = told(world)
    assert (notice.id, notice.facts["reason"]) == ("notice.launch_held", Message("launch.missed"))
    assert notice.facts["command"] == "broadcast campaigns run c --due '2026-03-12 13:00'"


def test_a_plan_that_cannot_be_read_keeps_no_run_from_being_held(world: World) -> None:
    campaign = world.add("c", plan("0 * * * *"))
    launch, _ = launch_rows.run_now(world.engine, campaign, run_of(campaign), key="k", who="li")
    with world.engine.begin() as connection:
        connection.execute(update(CampaignRow).values(plan="{}"))
    world.clock.pass_(SECOND)

    assert launch_rows.hold(world.engine, launch, Message("error.dead.failed", kind="x"))
    assert told(world) == []
