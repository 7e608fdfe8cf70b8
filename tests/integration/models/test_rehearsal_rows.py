"""Rehearsals in the ledger: each is stored and told once, whoever made it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine, select

from broadcast import stored_message
from broadcast.message import Message
from broadcast.rules.campaigns.campaign import Campaign
from broadcast.rules.campaigns.rehearsals import Stage
from broadcast.rules.gates.restore_guard import Counts
from models.every_table import NoticeRow
from models.ledger.boxes import unreported
from models.ledger.campaigns import campaign_edits, rehearsal_rows
from models.ledger.steer import restore_answers
from tests.integration.models.campaign_world import DAY, HOUR, World, plan
from tests.integration.models.still_clock import NOON, StillClock

GONE = Message("error.audience.missing_file", source="list.txt")


@pytest.fixture
def world(still: tuple[Engine, StillClock]) -> World:
    """A ledger whose clock stands still at noon in Shanghai, with one receiver of notices."""
    world = World(*still)
    unreported.register(world.engine, ["bot"], alone=True)
    return world


@pytest.fixture
def campaign(world: World) -> Campaign:
    """A campaign that is due in an hour."""
    return world.add("once", plan(None, at=NOON + HOUR))


def told(world: World) -> list[str]:
    with world.engine.connect() as connection:
        return list(map(stored_message.stored, connection.scalars(select(NoticeRow.message))))


def test_what_several_workers_found_at_once_is_stored_and_told_once(
    world: World, campaign: Campaign
) -> None:
    [run] = rehearsal_rows.missing(world.engine, accounts=["default"])
    assert (run.due_at, run.stage) == (NOON + HOUR, Stage.HOUR)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: rehearsal_rows.record(world.engine, run, [GONE]), range(8)))

    [stored] = rehearsal_rows.history(world.engine, campaign, most=10)
    assert (stored.version, list(stored.findings)) == (1, [GONE])
    [notice] = told(world)
    assert "missing_file" in notice
    assert "rehearsal.look" in notice
    assert rehearsal_rows.missing(world.engine, accounts=["default"]) == []


@pytest.mark.every_database
def test_one_that_found_nothing_is_stored_and_told_to_nobody_and_an_edit_asks_for_another(
    world: World, campaign: Campaign
) -> None:
    [run] = rehearsal_rows.missing(world.engine, accounts=["default"])
    rehearsal_rows.record(world.engine, run, [])
    assert [
        list(one.findings) for one in rehearsal_rows.history(world.engine, campaign, most=9)
    ] == [[]]
    assert told(world) == []

    edited = campaign_edits.edit(world.engine, campaign, campaign.plan, who="li")
    [again] = rehearsal_rows.missing(world.engine, accounts=["default"])
    assert again.campaign == edited
    rehearsal_rows.record(world.engine, again, [GONE])
    assert len(rehearsal_rows.history(world.engine, campaign, most=9)) == 2
    assert len(told(world)) == 1


def test_that_the_administrator_will_be_asked_is_told_once_an_hour_before(
    world: World, campaign: Campaign
) -> None:
    asked = Message("notice.administrator_asked", account="default", until=NOON + HOUR)
    world.add("tomorrow", plan(None, at=NOON + DAY))
    hour, day = rehearsal_rows.missing(world.engine, accounts=["default"])

    for run in (hour, day):
        rehearsal_rows.record(world.engine, run, [asked])

    [notice] = told(world)
    assert '"notice.rehearsal_asked"' in notice
    assert "rehearsal.look" not in notice
    rehearsal_rows.record(world.engine, replace(day, due_at=NOON + DAY + HOUR), [asked, GONE])
    assert '"notice.rehearsal"' in told(world)[-1]


def test_what_is_only_to_be_known_is_told_under_a_headline_that_says_so(
    world: World, campaign: Campaign
) -> None:
    [run] = rehearsal_rows.missing(world.engine, accounts=["default"])

    stale = Message("rehearsal.stale", account="default", at=NOON, after=NOON)
    rehearsal_rows.record(world.engine, run, [stale])

    [notice] = told(world)
    assert '"notice.rehearsal_noted"' in notice


def test_nothing_is_to_be_rehearsed_of_a_campaign_that_is_off_far_off_or_another_worker_s(
    world: World, campaign: Campaign
) -> None:
    assert rehearsal_rows.missing(world.engine, accounts=["other"]) == []
    campaign_edits.disable(world.engine, campaign.name, who="li")
    world.add("far", plan(None, at=NOON + DAY + HOUR))
    assert rehearsal_rows.missing(world.engine, accounts=["default"]) == []

    campaign_edits.enable(world.engine, campaign.name, who="li")
    [run] = rehearsal_rows.missing(world.engine, accounts=["default"])
    assert run.campaign.name == campaign.name


def test_nothing_is_rehearsed_before_it_is_said_what_became_of_a_restored_database(
    world: World, campaign: Campaign
) -> None:
    [under_way] = rehearsal_rows.missing(world.engine, accounts=["default"])

    world.close_lanes()
    rehearsal_rows.record(world.engine, under_way, [GONE])

    assert not any("rehearsal" in notice for notice in told(world))
    assert rehearsal_rows.missing(world.engine, accounts=["default"]) == []

    restore_answers.answer(world.engine, since=world.clock.now, counts=Counts(claims={}), who="li")
    campaign_edits.enable(world.engine, campaign.name, who="li")
    [again] = rehearsal_rows.missing(world.engine, accounts=["default"])
    assert again.due_at == under_way.due_at
