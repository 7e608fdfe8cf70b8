"""Campaigns are edited, stopped and released while their due times come."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from broadcast.errors import ConflictError, InputError, RepeatedSendError, UnknownIdError
from broadcast.rules.campaigns.campaign import Campaign
from broadcast.rules.campaigns.launches import (
    CampaignState,
    LaunchState,
    Missed,
    Policy,
)
from models.ledger.campaigns import campaign_edits, campaign_rows, due_launches, launch_rows
from models.ledger.campaigns.launch_rows import NotBegunError, ReservedLaunch
from tests.integration.models.campaign_world import (
    DAY,
    HOUR,
    MINUTE,
    SECOND,
    TEMPLATE,
    World,
    plan,
    run_of,
    submitted,
)
from tests.integration.models.still_clock import NOON, StillClock

HOURLY = plan("0 * * * *")
LAUNCHED, MISSED = ("launched", None), ("held", "launch.missed")


@pytest.fixture
def world(still: tuple[Engine, StillClock]) -> World:
    """A ledger whose clock stands still at noon in Shanghai."""
    return World(*still)


@pytest.fixture
def campaign(world: World) -> Campaign:
    """A campaign of each hour."""
    return world.add("hourly", HOURLY)


def reserved(world: World) -> ReservedLaunch:
    """Return the launch that is begun, reserved by a worker."""
    due_launches.decide_due(world.engine)
    [launch_id] = due_launches.to_launch(world.engine, accounts=["default"])
    found = due_launches.reserve_launch(world.engine, launch_id)
    assert found is not None
    return found


def test_a_due_time_that_nobody_decided_is_launched_as_the_campaign_is_by_then(
    world: World, campaign: Campaign
) -> None:
    world.clock.pass_(HOUR + SECOND)
    content = {"msgtype": "text", "text": {"content": "at {time}"}}
    template = replace(TEMPLATE, request={**TEMPLATE.request, "content": content})
    said = replace(HOURLY, template=template)
    campaign_edits.edit(world.engine, campaign, said, who="li")
    world.beat()

    [launch] = world.rows(campaign)
    assert (launch.state, launch.version) == (LaunchState.LAUNCHED, 2)
    assert launch.template.request["content"]["text"]["content"] == "at 13:00"


def test_behind_a_clock_that_was_set_back_no_time_is_given_that_was_decided(
    world: World, campaign: Campaign
) -> None:
    world.clock.pass_(2 * HOUR + SECOND)
    world.beat()
    world.clock.now -= 30 * MINUTE
    soon = plan(None, at=world.clock.now + 10 * MINUTE)
    current = campaign_rows.named(world.engine, campaign.name)

    with pytest.raises(InputError) as refused:
        campaign_edits.edit(world.engine, current, soon, who="li")

    assert refused.value.message_id == "error.campaign.at_past"
    assert campaign_rows.named(world.engine, campaign.name) == current


def test_a_due_time_that_an_edit_takes_away_is_held_and_the_new_ones_begin_after_it(
    world: World, campaign: Campaign
) -> None:
    world.clock.pass_(HOUR + 30 * MINUTE)
    # 13:15 is past when the campaign is given that time: it is none of its due times.
    campaign_edits.edit(world.engine, campaign, plan("15 * * * *"), who="li")
    world.beat()
    assert world.states(campaign) == {("held", "launch.edited"): 1}

    world.clock.pass_(46 * MINUTE)
    world.beat()
    assert [one.due_at for one in world.rows(campaign)] == [NOON + HOUR, NOON + HOUR * 2.25]


def test_a_run_whose_account_no_worker_has_is_held_when_it_is_missed(
    world: World, campaign: Campaign
) -> None:
    world.clock.pass_(HOUR)
    due_launches.decide_due(world.engine)
    for _ in range(3):
        world.clock.pass_(30 * SECOND)
        world.decide_again("other")

    assert world.states(campaign) == {MISSED: 1}


def test_a_run_that_may_still_be_launched_is_left_to_the_worker_that_has_its_account(
    world: World,
) -> None:
    late = world.add("late", plan("0 * * * *", policy=Policy(missed=Missed.LATE)))
    world.clock.pass_(HOUR)
    due_launches.decide_due(world.engine)
    world.clock.pass_(3 * MINUTE)
    world.decide_again("other")
    assert not due_launches.to_launch(world.engine, accounts=["other"])
    world.beat()

    assert world.states(late) == {LAUNCHED: 1}


def test_a_run_that_waits_in_line_for_the_threads_of_a_worker_is_not_missed_for_a_while(
    world: World, campaign: Campaign
) -> None:
    world.clock.pass_(HOUR + SECOND)
    due_launches.decide_due(world.engine)
    for _ in range(6):
        world.clock.pass_(30 * SECOND)
        world.decide_again()
    [launch_id] = due_launches.to_launch(world.engine, accounts=["default"])
    reserved = due_launches.reserve_launch(world.engine, launch_id)

    assert reserved is not None


def test_a_run_that_waits_in_line_for_too_long_is_missed(world: World, campaign: Campaign) -> None:
    world.clock.pass_(HOUR + SECOND)
    due_launches.decide_due(world.engine)
    for _ in range(34):
        world.clock.pass_(30 * SECOND)
        world.decide_again()

    assert world.states(campaign) == {MISSED: 1}


def test_a_run_is_not_missed_because_its_worker_was_killed_a_minute_after_its_time(
    world: World, campaign: Campaign
) -> None:
    world.clock.pass_(HOUR)
    due_launches.decide_due(world.engine)
    world.clock.pass_(50 * SECOND)
    killed = reserved(world)
    world.clock.pass_(31 * SECOND)
    world.beat()

    assert world.states(campaign) == {LAUNCHED: 1}
    # Had it only slept, it would find its launch with the next worker.
    due_launches.give_back(world.engine, killed)
    assert world.states(campaign) == {LAUNCHED: 1}


def test_a_run_that_was_tried_in_vain_is_tried_again_and_missed_as_of_its_time(
    world: World, campaign: Campaign
) -> None:
    world.clock.pass_(HOUR)
    for _ in range(8):
        due_launches.give_back(world.engine, reserved(world))
        assert not due_launches.to_launch(world.engine, accounts=["default"])
        world.clock.pass_(7 * SECOND)
    world.clock.pass_(7 * SECOND)
    world.beat()

    assert world.states(campaign) == {MISSED: 1}


def test_who_lost_a_launch_to_another_worker_does_not_give_it_back(
    world: World, campaign: Campaign
) -> None:
    world.clock.pass_(HOUR)
    lost = reserved(world)
    world.clock.pass_(31 * SECOND)
    reserved(world)
    due_launches.give_back(world.engine, lost)
    world.clock.pass_(10 * SECOND)

    assert not due_launches.to_launch(world.engine, accounts=["default"])


def test_an_edit_of_what_somebody_else_edited_meanwhile_is_refused(
    world: World, campaign: Campaign
) -> None:
    campaign_edits.edit(world.engine, campaign, plan("15 * * * *"), who="li")

    with pytest.raises(ConflictError) as refused:
        campaign_edits.edit(world.engine, campaign, plan("30 * * * *"), who="wang")
    assert refused.value.message_id == "error.campaign.edited"
    assert refused.value.facts["who"] == "li"


def test_an_edit_after_which_it_is_never_due_changes_nothing(
    world: World, campaign: Campaign
) -> None:
    with pytest.raises(InputError):
        campaign_edits.edit(world.engine, campaign, plan(None, at=NOON - HOUR), who="li")

    assert campaign_rows.named(world.engine, "hourly") == campaign


@pytest.mark.parametrize("verb", [campaign_edits.disable, campaign_edits.remove])
def test_after_a_stop_a_run_that_is_on_its_way_is_not_stored(
    world: World, campaign: Campaign, verb: type
) -> None:
    world.clock.pass_(HOUR + SECOND)
    launch = reserved(world)
    verb(world.engine, "hourly", who="li")

    with pytest.raises(NotBegunError):
        submitted(world.engine, launch)
    world.beat()

    assert not world.broadcasts()
    [(state, why)] = world.states(campaign)
    assert (state, why) in {("skipped", "launch.disabled"), ("skipped", "launch.removed")}


def test_a_due_time_that_nobody_decided_before_a_disable_is_skipped(
    world: World, campaign: Campaign
) -> None:
    world.clock.pass_(3 * HOUR)
    campaign_edits.disable(world.engine, "hourly", who="li")

    assert world.states(campaign) == {("skipped", "launch.disabled"): 3}


def test_a_campaign_that_is_enabled_again_begins_from_then_on(
    world: World, campaign: Campaign
) -> None:
    campaign_edits.disable(world.engine, "hourly", who="li")
    world.clock.pass_(7 * DAY + MINUTE)
    world.beat()
    enabled = campaign_edits.enable(world.engine, "hourly", who="li")
    world.beat()

    assert (enabled.state, enabled.next_due_at) == (CampaignState.ENABLED, NOON + 7 * DAY + HOUR)
    assert world.rows(campaign) == []
    world.clock.pass_(HOUR)
    world.beat()
    assert world.states(campaign) == {LAUNCHED: 1}


def test_the_name_of_a_removed_campaign_is_free_and_its_runs_stay(
    world: World, campaign: Campaign
) -> None:
    world.clock.pass_(HOUR + SECOND)
    world.beat()
    campaign_edits.remove(world.engine, "hourly", who="li")
    another = world.add("hourly", HOURLY)

    assert another.id != campaign.id
    assert world.states(campaign) == {LAUNCHED: 1}
    assert [one.id for one in campaign_rows.every(world.engine)] == [another.id]


@pytest.mark.every_database
def test_of_two_campaigns_that_are_given_one_name_at_once_one_is_stored(world: World) -> None:
    def add(_: int) -> str | None:
        try:
            return world.add("weekly", HOURLY).id
        except ConflictError:
            return None

    with ThreadPoolExecutor(4) as threads:
        made = [one for one in threads.map(add, range(4)) if one is not None]

    assert [one.id for one in campaign_rows.every(world.engine)] == made
    assert len(made) == 1


def test_an_unknown_name_is_refused_with_those_that_are_near(
    world: World, campaign: Campaign
) -> None:
    assert campaign_rows.named(world.engine, "hourly") == campaign
    with pytest.raises(UnknownIdError) as near:
        campaign_rows.named(world.engine, "hourli")
    with pytest.raises(UnknownIdError) as far:
        campaign_rows.named(world.engine, "上新")

    assert (near.value.message_id, near.value.facts["near"]) == (
        "error.campaign.unknown_near",
        "hourly",
    )
    assert far.value.message_id == "error.campaign.unknown"


def test_a_held_run_that_is_released_is_launched_once(world: World, campaign: Campaign) -> None:
    world.clock.pass_(HOUR + 5 * MINUTE)
    world.beat()
    assert world.states(campaign) == {MISSED: 1}

    [held] = world.rows(campaign)
    launch_rows.release(world.engine, campaign, held, who="li")
    with pytest.raises(ConflictError):
        launch_rows.release(world.engine, campaign, held, who="wang")
    world.beat()

    [launch] = world.rows(campaign)
    assert (launch.state, launch.released_by) == (LaunchState.LAUNCHED, "li")
    with pytest.raises(ConflictError) as launched:
        launch_rows.release(world.engine, campaign, held, who="wang")
    assert launched.value.facts["id"] == launch.broadcast_id
    assert sum(world.broadcasts().values()) == 1


def test_a_released_run_that_no_worker_takes_up_is_held_again(
    world: World, campaign: Campaign
) -> None:
    world.clock.pass_(HOUR + 5 * MINUTE)
    world.beat()
    launch_rows.release(world.engine, campaign, *world.rows(campaign), who="li")
    world.clock.pass_(5 * MINUTE)
    world.beat()

    assert world.states(campaign) == {MISSED: 1}
    assert not world.broadcasts()


def test_a_run_that_a_restore_held_is_released_where_that_is_meant(
    world: World, campaign: Campaign
) -> None:
    world.clock.pass_(HOUR)
    world.answered()
    world.beat()
    [held] = world.rows(campaign)
    world.clock.pass_(SECOND)

    with pytest.raises(InputError) as refused:
        launch_rows.release(world.engine, campaign, held, who="li")

    assert refused.value.message_id == "error.launch.maybe_sent"
    assert world.states(campaign) == {("held", "launch.restored"): 1}
    launch_rows.release(world.engine, campaign, held, who="li", maybe_sent=True)
    world.beat()
    assert world.states(campaign) == {LAUNCHED: 1}


@pytest.mark.every_database
def test_a_run_that_is_asked_for_twice_with_one_key_is_one_run(
    world: World, campaign: Campaign
) -> None:
    def ask(_: int) -> tuple[int, bool]:
        launch, is_new = launch_rows.run_now(
            world.engine, campaign, run_of(campaign), key="k", who="li"
        )
        return launch.id, is_new

    with ThreadPoolExecutor(4) as threads:
        asked = list(threads.map(ask, range(4)))
    world.beat()

    assert len({launch_id for launch_id, _ in asked}) == 1
    assert sum(is_new for _, is_new in asked) == 1
    assert world.states(campaign) == {LAUNCHED: 1}


@pytest.mark.every_database
def test_of_runs_asked_for_at_once_with_keys_of_their_own_one_begins(
    world: World, campaign: Campaign
) -> None:
    def ask(key: int) -> bool:
        run = run_of(campaign)
        with contextlib.suppress(RepeatedSendError):
            return launch_rows.run_now(world.engine, campaign, run, key=str(key), who="li")[1]
        return False

    with ThreadPoolExecutor(4) as threads:
        begun = list(threads.map(ask, range(4)))
    world.clock.pass_(SECOND)
    meant = run_of(campaign)
    meant = replace(meant, template=replace(meant.template, again=True))

    assert sum(begun) == 1
    assert launch_rows.run_now(world.engine, campaign, meant, key="meant", who="li")[1]
    assert world.states(campaign) == {("begun", None): 2}


def test_a_launch_that_was_held_meanwhile_is_not_stored(world: World, campaign: Campaign) -> None:
    world.clock.pass_(HOUR + SECOND)
    launch = reserved(world)
    # Its worker was stopped for two minutes, and another one looked.
    world.clock.pass_(2 * MINUTE)
    world.beat()
    assert world.states(campaign) == {MISSED: 1}

    with pytest.raises(NotBegunError):
        submitted(world.engine, launch)
    assert not world.broadcasts()


def test_a_launch_that_takes_long_is_kept_by_its_worker_and_by_no_other(
    world: World, campaign: Campaign
) -> None:
    world.clock.pass_(HOUR)
    taken = reserved(world)
    for _ in range(5):
        world.clock.pass_(25 * SECOND)
        assert due_launches.renew(world.engine, taken)
        assert not due_launches.to_launch(world.engine, accounts=["default"])

    world.clock.pass_(31 * SECOND)
    world.beat()
    assert world.states(campaign) == {LAUNCHED: 1}
    assert not due_launches.renew(world.engine, taken)


def test_a_run_is_found_in_the_minute_of_its_time_and_others_are_not_read(world: World) -> None:
    minutely = world.add("minutely", plan("* * * * *"))
    for _ in range(5):
        world.clock.pass_(MINUTE)
        world.beat()

    rows = world.rows(minutely)
    assert len(rows) == 5
    for one in rows:
        found = launch_rows.in_minute(world.engine, minutely.id, one.due_at - SECOND)
        assert found == [one]


def test_a_held_run_of_a_campaign_that_is_removed_waits_for_nobody(
    world: World, campaign: Campaign
) -> None:
    world.clock.pass_(HOUR + 5 * MINUTE)
    world.beat()
    campaign_edits.disable(world.engine, "hourly", who="li")
    assert world.states(campaign) == {MISSED: 1}
    campaign_edits.remove(world.engine, "hourly", who="li")

    assert world.states(campaign) == {("skipped", "launch.removed"): 1}
    assert not launch_rows.waiting_for_a_person(world.engine, [campaign.id])
