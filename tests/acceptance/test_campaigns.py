"""Campaigns with real workers and beats: each run is sent once, or held with its reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from broadcast.crashpoints import VARIABLE
from broadcast.rules.campaigns.campaign import Campaign, CampaignPlan, Launch
from broadcast.rules.campaigns.due_times import Schedule
from broadcast.rules.campaigns.launches import LaunchState, Policy
from broadcast.rules.campaigns.template import OF_FILE, Template
from broadcast.rules.states import BroadcastState
from models.engine import now
from models.every_table import LaunchRow
from models.ledger.campaigns import campaign_edits, campaign_rows, due_launches, launch_rows
from tests.acceptance import crash_table
from tests.acceptance.test_draft_add import picture
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

#: Longer than a chunk: stored in portions.
MANY = 10_002


def text(words: str) -> dict[str, Any]:
    """Return a content."""
    return {"msgtype": "text", "text": {"content": words}}


def of_file(system: System, people: Sequence[str], name: str = "list.txt") -> Path:
    """Write a list, and return its file."""
    file = system.folder / name
    file.write_text("\n".join(people) + "\n", "ascii")
    return file


def template(file: Path, content: dict[str, Any] | None = None, **found: Any) -> Template:
    """Return a template to the list of a file."""
    request = {
        "account": "default",
        "audience": dict(OF_FILE),
        "content": text("{date}") if content is None else content,
    }
    return Template(request=request, audience_file=str(file), **found)


def soon(seconds: float = 4) -> Schedule:
    """Return a schedule of one time that comes in some seconds."""
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
    return Schedule(zone="Asia/Shanghai", at=at)


def add(
    system: System,
    name: str,
    said: Template,
    *,
    schedule: Schedule | None = None,
    policy: Policy | None = None,
) -> Campaign:
    """Store a campaign."""
    plan = CampaignPlan(
        account="default",
        schedule=schedule or soon(),
        policy=policy or Policy(),
        template=said,
    )
    return campaign_edits.add(system.engine, name, plan, who="operator")


def again(system: System, campaign: Campaign, said: Template | None = None) -> Campaign:
    """Give a campaign another time that comes soon, and return it."""
    current = campaign_rows.named(system.engine, campaign.name)
    plan = CampaignPlan(
        account="default",
        schedule=soon(),
        policy=current.plan.policy,
        template=current.plan.template if said is None else said,
    )
    return campaign_edits.edit(system.engine, current, plan, who="operator")


def launches(system: System, campaign: Campaign) -> Sequence[Launch]:
    """Return the launches of a campaign, the last first."""
    return launch_rows.history(system.engine, campaign.id, most=100)


def until_launch(system: System, campaign: Campaign, n: int, state: LaunchState) -> Launch:
    """Wait until the campaign has so many launches, of which the last stands so."""

    def last() -> Launch | None:
        found = launches(system, campaign)
        return found[0] if len(found) == n and found[0].state is state else None

    system.until_woken(last, f"launch {n} of {campaign.name}: {state}")
    return launches(system, campaign)[0]


def until_sent(system: System, launch: Launch) -> None:
    """Wait until the broadcast of a launch is sent."""
    assert launch.broadcast_id is not None
    system.until_state(launch.broadcast_id, BroadcastState.COMPLETED)


@pytest.mark.parametrize(
    "point",
    [
        *(row.point for row in crash_table.LAUNCHES),
        *(
            pytest.param(point, marks=pytest.mark.prove)
            for point in ("submit.begun", "submit.stored", "submit.publishing", "submit.published")
        ),
    ],
)
def test_a_worker_that_is_killed_while_it_launches_loses_and_doubles_nothing(
    start_system: StartSystem, point: str
) -> None:
    # Of a broadcast of 10,002 people two calls are made.
    followers = MANY if point in {"submit.begun", "submit.stored"} else 4
    system = start_system(followers=followers)
    people = system.simulator.openids(followers)
    campaign = add(system, "new", template(of_file(system, people)))
    doomed, _ = system.worker(ready=False, **{VARIABLE: point}), system.beat()
    until(lambda: doomed.exit_status is not None, 60, "the end of the worker")
    system.worker()
    age_what_a_killed_worker_reserved(system)

    until_sent(system, until_launch(system, campaign, 1, LaunchState.LAUNCHED))
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)


def age_what_a_killed_worker_reserved(system: System) -> None:
    """Let the time pass after which what a killed worker had reserved is anybody's."""
    with system.engine.begin() as connection:
        long_ago = now(connection) - due_launches.TAKEN_FOR - timedelta(seconds=1)
        connection.execute(
            update(LaunchRow).where(LaunchRow.taken_at.is_not(None)).values(taken_at=long_ago)
        )


@pytest.mark.parametrize(
    "database_url",
    [
        "postgresql",
        pytest.param("sqlite", marks=pytest.mark.prove),
        pytest.param("mariadb", marks=pytest.mark.prove),
    ],
    indirect=True,
)
def test_twelve_campaigns_are_sent_once_by_three_beats_and_two_workers_one_of_which_is_killed(
    database_url: str, start_system: StartSystem
) -> None:
    system = start_system(followers=24, database_url=database_url)
    people = system.simulator.openids(24)
    lists = [people[2 * n : 2 * n + 2] for n in range(12)]
    campaigns = [
        add(system, f"c{n}", template(of_file(system, each, f"{n}.txt")), schedule=soon(3 + n % 4))
        for n, each in enumerate(lists)
    ]
    first, _ = system.worker(), system.worker()
    for _ in range(3):
        system.beat()
    until(lambda: any(launches(system, one) for one in campaigns), 60, "the first launch")
    first.kill()

    for campaign in campaigns:
        until_sent(system, until_launch(system, campaign, 1, LaunchState.LAUNCHED))
    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)
    assert len(system.all_reports()) == len(campaigns)


def test_each_run_reads_its_list_anew_and_renders_its_text_for_its_time(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=8)
    people = system.simulator.openids(8)
    file = of_file(system, people[:4])
    campaign = add(system, "weekly", template(file, text("{weekday_en} {time}")))
    system.worker(), system.beat()
    until_sent(system, until_launch(system, campaign, 1, LaunchState.LAUNCHED))
    of_file(system, people[4:])
    campaign = again(system, campaign)
    second = until_launch(system, campaign, 2, LaunchState.LAUNCHED)
    until_sent(system, second)

    assert system.simulator.ledger_dump() == dict.fromkeys(people, 1)
    report = system.report(second.broadcast_id or "")
    due = second.due_at.astimezone(campaign.plan.schedule.tzinfo)
    assert json.loads(report.content) == text(f"{due:%A %H:%M}")
    assert (report.title, report.created_by) == ("weekly", "campaign weekly")


def test_a_source_that_is_gone_or_doubtful_holds_the_run_until_a_person_releases_it(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=400)
    people = system.simulator.openids(400)
    file = of_file(system, people[:200])
    campaign = add(system, "daily", template(file))
    system.worker(), system.beat()
    until_sent(system, until_launch(system, campaign, 1, LaunchState.LAUNCHED))

    def held_for(n: int) -> str | None:
        again(system, campaign)
        held = until_launch(system, campaign, n, LaunchState.HELD)
        assert held.reason is not None
        assert held.broadcast_id is None
        return held.reason.id

    file.unlink()
    assert held_for(2) == "error.audience.missing_file"
    of_file(system, [*people[:20], "oNE", "oTWO", "oTHREE"])
    assert held_for(3) == "error.launch.malformed"
    of_file(system, people[:20])
    assert held_for(4) == "error.launch.size"
    assert len(system.all_reports()) == 1

    last = launches(system, campaign)[0]
    launch_rows.release(system.engine, campaign, last, who="li")
    until_sent(system, until_launch(system, campaign, 4, LaunchState.LAUNCHED))
    assert system.simulator.ledger_dump() == {
        **dict.fromkeys(people[:20], 2),
        **dict.fromkeys(people[20:200], 1),
    }


@pytest.mark.prove
def test_an_article_is_found_by_its_title_or_made_of_its_file_at_each_run(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=4)
    file = of_file(system, system.simulator.openids(4))
    campaign = add(system, "article", template(file, {}, draft_title="New {date}"))
    system.worker(), system.beat()
    held = until_launch(system, campaign, 1, LaunchState.HELD)
    today = f"New {held.due_at.astimezone(campaign.plan.schedule.tzinfo):%Y-%m-%d}"
    assert held.reason is not None
    assert (held.reason.id, held.reason.facts["title"]) == ("error.launch.drafts_none", today)

    picture(system.folder / "cover.jpg")
    article = system.folder / "article.md"
    article.write_text(f"---\ntitle: {today}\ncover: cover.jpg\n---\nHello.\n", "utf-8")
    added = system.broadcast("draft", "add", article, "--json").stdout.splitlines()[-1]
    launch_rows.release(system.engine, campaign, held, who="li")
    by_title = until_launch(system, campaign, 1, LaunchState.LAUNCHED)
    until_sent(system, by_title)
    again(system, campaign, template(file, {}, article_file=str(article)))
    of_article = until_launch(system, campaign, 2, LaunchState.LAUNCHED)
    until_sent(system, of_article)

    found, made = (
        json.loads(system.report(one.broadcast_id or "").content)["mpnews"]["media_id"]
        for one in (by_title, of_article)
    )
    assert found == json.loads(added)["media_id"] != made
    # Sent drafts have left the box.
    assert (
        json.loads(system.broadcast("draft", "list", "--json").stdout.splitlines()[-1])["drafts"]
        == []
    )
