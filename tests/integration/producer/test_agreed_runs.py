"""A run that a person let go is held where its worker reads another list than was shown."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broadcast.errors import InputError
from broadcast.rules.campaigns.campaign import Campaign, CampaignPlan, Launch
from broadcast.rules.campaigns.due_times import Schedule
from broadcast.rules.campaigns.launches import Agreed, LaunchState, Policy
from broadcast.rules.campaigns.template import OF_FILE, Template
from broadcast.rules.gates.cooling_off import COOLING_OFF, CoolingOff
from broadcast.rules.gates.gate import GateKind
from models.engine import open_engine
from models.ledger.campaigns import campaign_edits, due_launches, launch_rows
from models.ledger.rows import known_accounts
from models.ledger.views import broadcast_reports
from producer.campaigns import asked_runs, launching
from producer.request.door import SubmitService
from tests.integration.models.campaign_world import MINUTE, World, plan
from tests.integration.models.still_clock import StillClock
from tests.integration.producer.conftest import openids
from tests.kit import follows
from tests.kit.effort import Effortmeter


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The list, as the worker has it."""
    return tmp_path / "list.txt"


def begun(
    door: SubmitService, file: Path, agreed: Agreed | None, *, size_brake: int = 30
) -> tuple[Campaign, Launch]:
    """A campaign to a list, whose run was let go so."""
    content = {"msgtype": "text", "text": {"content": "Live"}}
    request = {"account": "shop", "audience": dict(OF_FILE), "content": content}
    plan = CampaignPlan(
        account="shop",
        schedule=Schedule(zone="Asia/Shanghai", cron="0 20 * * 5"),
        policy=Policy(size_brake=size_brake),
        template=Template(request=request, audience_file=str(file)),
    )
    campaign = campaign_edits.add(door.engine, "weekly", plan, who="li")
    run = asked_runs.run_of_now(door, campaign)
    return campaign, asked_runs.begin(
        door, campaign, run, key="k", again=False, agreed=agreed, who="li"
    )


def shown(
    size: int | None, *, list_is_meant: bool = False, cooling_off: CoolingOff = COOLING_OFF
) -> Agreed:
    return Agreed(size=size, list_is_meant=list_is_meant, cooling_off=cooling_off)


def launched(door: SubmitService, launch: Launch) -> str:
    """Launch a run as a worker does; return its broadcast."""
    taken = due_launches.reserve_launch(door.engine, launch.id)
    assert taken is not None
    return launching.launch(taken, door).id


@pytest.mark.parametrize(
    ("people", "agreed", "brake", "is_held"),
    [
        (180, shown(100), 30, True),
        (120, shown(100), 30, False),
        (60, shown(200), 30, True),
        (90, shown(10), 30, False),
        (180, shown(100), 0, False),
        (180, shown(None), 30, False),
        (180, None, 30, False),
    ],
)
def test_it_is_held_where_more_or_fewer_people_are_found_than_the_brake_lets_pass(
    door: SubmitService, file: Path, people: int, agreed: Agreed | None, brake: int, is_held: bool
) -> None:
    file.write_text("\n".join(openids(people)), encoding="ascii")
    _, launch = begun(door, file, agreed, size_brake=brake)

    if is_held:
        with pytest.raises(InputError) as caught:
            launched(door, launch)
        assert caught.value.message_id == "error.launch.not_as_shown"
        assert agreed is not None
        assert (caught.value.facts["size"], caught.value.facts["last"]) == (people, agreed.size)
    else:
        assert launched(door, launch)


def test_whoever_lets_it_go_once_more_agrees_to_what_is_shown_then(
    door: SubmitService, file: Path
) -> None:
    file.write_text("\n".join(openids(180)), encoding="ascii")
    campaign, launch = begun(door, file, shown(100))
    with pytest.raises(InputError) as caught:
        launched(door, launch)
    launch_rows.hold(door.engine, launch, caught.value.message)
    [held] = launch_rows.waiting_for_a_person(door.engine, [campaign.id])

    found = asked_runs.prepared_run(campaign, held, door, wechat=None, again=True)
    again = asked_runs.begin(
        door, campaign, held, key=None, again=False, agreed=shown(found.size), who="wang"
    )

    assert (found.doubts, found.size) == ([], 180)
    assert launched(door, again)
    assert launch_rows.current(door.engine, launch.id).state is LaunchState.LAUNCHED


@pytest.mark.parametrize("is_meant", [True, False])
def test_another_account_s_list_is_held_unless_that_was_agreed_to(
    door: SubmitService, file: Path, *, is_meant: bool
) -> None:
    with door.engine.begin() as connection:
        known_accounts.register_account(connection, door.settings.account("shop"))
    follows.listed(door.engine, "shop", sorted(openids(60, seed=2)))
    file.write_text("\n".join(openids(60)), encoding="ascii")
    _, launch = begun(door, file, shown(60, list_is_meant=is_meant))

    if is_meant:
        assert launched(door, launch)
    else:
        with pytest.raises(InputError) as caught:
            launched(door, launch)
        assert caught.value.message_id == "error.launch.list_owner"


@pytest.mark.parametrize(("people", "length_s"), [(110, 60), (100, None)])
def test_the_undo_window_is_that_of_the_people_who_are_found(
    door: SubmitService, file: Path, people: int, length_s: int | None
) -> None:
    file.write_text("\n".join(openids(people)), encoding="ascii")
    above = CoolingOff(length=timedelta(seconds=60), above=100)
    _, launch = begun(door, file, shown(90, cooling_off=above))

    report = broadcast_reports.report(door.engine, launched(door, launch))

    window = report.gate(GateKind.COOLING_OFF)
    until = window and window.until
    assert (until and round((until - report.created_at).total_seconds())) == length_s


def test_many_runs_take_as_many_statements_as_one_to_be_read_with_their_reports(
    still: tuple[Engine, StillClock],
) -> None:
    world = World(*still)
    campaigns = [world.add(name, plan("* * * * *")) for name in "abcde"]
    world.clock.pass_(MINUTE)
    world.beat()
    runs = [run for campaign in campaigns for run in world.rows(campaign)]
    # Another engine than the one of all tests, in which the meter would stay.
    engine = open_engine(world.engine.url)
    meter = Effortmeter(engine)

    first = meter.of(lambda: asked_runs.with_reports(engine, runs[:1]))
    every = meter.of(lambda: asked_runs.with_reports(engine, runs))

    engine.dispose()
    found = asked_runs.with_reports(world.engine, runs)
    assert [report and report.id for _, report in found] == [run.broadcast_id for run in runs]
    assert len({run.broadcast_id for run in runs}) == len(campaigns)
    assert every.statements == first.statements
