"""What an account sent this month and what its campaigns plan is counted together."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Engine, update

from broadcast.rules.accounts import AccountKind
from broadcast.rules.campaigns.template import Template
from broadcast.rules.states import BatchState
from models.every_table import Batch, BroadcastRow
from models.ledger.campaigns import campaign_edits, campaign_rows, counted_sends
from models.ledger.views import broadcast_reports
from tests.integration.models.campaign_world import HOUR, TEMPLATE, World, plan
from tests.integration.models.still_clock import NOON, StillClock
from tests.kit import ledger

HOURLY = plan("0 * * * *")


@pytest.fixture
def world(still: tuple[Engine, StillClock]) -> World:
    """A ledger whose clock stands still at noon in Shanghai."""
    return World(*still)


def sent(world: World) -> None:
    """Let every broadcast be sent."""
    with world.engine.begin() as connection:
        connection.execute(update(BroadcastRow).values(started_at=BroadcastRow.created_at))
    world.rest()


def test_runs_that_were_sent_count_with_those_to_come_of_all_campaigns_that_are_enabled(
    world: World,
) -> None:
    campaign = world.add("hourly", HOURLY)
    for n in (1, 2):
        world.clock.now = NOON + n * HOUR
        world.beat()
        sent(world)
    world.add("other", plan(None, at=NOON + 2 * HOUR + HOUR / 2))

    [fifth] = counted_sends.excesses(world.engine, ledger.account())[:1]
    assert (fifth.id, fifth.facts["name"], fifth.facts["at"], fifth.facts["n"]) == (
        "launches.over_month",
        "hourly",
        NOON + 4 * HOUR,
        5,
    )
    day = f"{NOON:%m-%d}"
    assert fifth.facts["others"] == [
        f"{day} hourly",
        f"{day} hourly",
        f"{day} other",
        f"{day} hourly",
    ]

    campaign_edits.disable(world.engine, campaign.name, who="li")
    assert counted_sends.excesses(world.engine, ledger.account()) == []


def test_what_was_refused_as_a_whole_counts_no_more_as_nobody_got_it(world: World) -> None:
    world.add("hourly", HOURLY)
    world.clock.now = NOON + HOUR
    world.beat()
    [run] = broadcast_reports.reports(world.engine)
    ledger.planned(world.engine, run.id)
    sent(world)
    assert first_beyond(world) == NOON + 5 * HOUR

    with world.engine.begin() as connection:
        connection.execute(update(Batch).values(state=BatchState.REFUSED))

    assert first_beyond(world) == NOON + 6 * HOUR


def test_a_run_that_may_have_been_sent_before_a_restore_counts(world: World) -> None:
    world.add("hourly", HOURLY)
    world.clock.now = NOON + 2 * HOUR

    world.answered()
    world.beat()

    assert first_beyond(world) == NOON + 5 * HOUR


def first_beyond(world: World) -> object:
    """Return when the first message beyond WeChat's limits is due."""
    return counted_sends.excesses(world.engine, ledger.account())[0].facts["at"]


def test_a_campaign_that_is_to_be_stored_or_changed_counts_as_it_will_be(world: World) -> None:
    world.add("hourly", HOURLY)
    assert len(counted_sends.excesses(world.engine, ledger.account())) >= 1
    once = {"hourly": plan(None, at=NOON + HOUR)}
    assert counted_sends.excesses(world.engine, ledger.account(), changed=once) == []
    added = {"new": HOURLY, **once}
    [found, *_] = counted_sends.excesses(world.engine, ledger.account(), changed=added)
    assert found.facts["name"] == "new"
    assert [one.name for one in campaign_rows.every(world.engine)] == ["hourly"]


def test_a_send_to_everybody_is_told_of_the_other_one_of_its_day(world: World) -> None:
    to_all = Template(request=dict(TEMPLATE.request) | {"audience": {"to_all": True}})
    world.add("eve", replace(plan(None, at=NOON + 2 * HOUR), template=to_all))
    subscription = ledger.account().model_copy(update={"account_kind": AccountKind.SUBSCRIPTION})

    def said(hours: float, name: str = "") -> list[str]:
        at = NOON + hours * HOUR
        return [
            one.id for one in counted_sends.beside_to_all(world.engine, subscription, at, name=name)
        ]

    assert said(0) == ["launches.to_all_after"]
    assert said(3) == ["launches.to_all_before"]
    assert said(2, "eve") == said(24) == []
