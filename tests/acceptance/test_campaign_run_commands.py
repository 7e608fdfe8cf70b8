"""Runs of a campaign by its commands: now, held, tried, and with files that are read at each."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from broadcast.message import Message
from broadcast.rules.campaigns.launches import LaunchState
from entrypoints.cli.campaign_lines import due_words
from models.campaign_tables import CampaignRow
from models.ledger.campaigns import campaign_rows, due_launches, launch_rows
from tests.acceptance.test_campaign_commands import FRIDAYS, add, system, told
from tests.acceptance.test_campaigns import until_launch
from tests.integration.models.campaign_world import run_of
from tests.kit import dates

if TYPE_CHECKING:
    from tests.kit.system import System

__all__ = ["system"]


def test_what_a_held_run_sends_can_be_changed_when_its_time_is_past(system: System) -> None:
    add(system, "opening", "--at", dates.typed(dates.ahead(80)))
    campaign = campaign_rows.named(system.engine, "opening")
    launch, _ = launch_rows.run_now(system.engine, campaign, run_of(campaign), key="k", who="li")
    launch_rows.hold(system.engine, launch, Message("launch.missed"))
    past = datetime.now(UTC) - timedelta(minutes=1)
    schedule = replace(campaign.plan.schedule, at=past)
    plan = replace(campaign.plan, schedule=schedule).stored
    with system.engine.begin() as connection:
        connection.execute(update(CampaignRow).values(plan=plan, next_due_at=None))

    told(system, "edit", "opening", "--text", "Late, sorry")
    system.worker(), system.beat()
    due = due_words(launch.due_at, schedule.zone)
    released = told(system, "run", "opening", "--due", due, "--edited")

    assert (released["state"], released["version"]) == ("launched", 2)


def test_a_run_of_now_is_sent_once_for_its_key_and_the_same_again_must_be_meant(
    system: System,
) -> None:
    add(system)
    system.worker(), system.beat()
    first = told(system, "run", "weekly", "--key", "k")
    again = told(system, "run", "weekly", "--key", "k")
    refused = system.broadcast("campaigns", "run", "weekly", status=2)
    meant = told(system, "run", "weekly", "--again")

    assert (first["state"], again["broadcast"]) == ("launched", first["broadcast"])
    assert "--again" in refused.stderr
    assert meant["broadcast"] != first["broadcast"]
    for one in (first, meant):
        system.until_state(one["broadcast"], "completed")
    assert set(system.simulator.ledger_dump().values()) == {2}
    shown = told(system, "show", "weekly")["runs"]
    assert [one["recipients"]["accepted"] for one in shown] == [4, 4]
    assert "4 accepted" in system.broadcast("campaigns", "show", "weekly").stdout


def test_a_held_run_is_listed_with_the_command_that_sends_it(system: System) -> None:
    add(system)
    system.worker(), system.beat()
    many = system.simulator.openids(400)
    Path(system.folder / "list.txt").write_text("\n".join(many) + "\n", "ascii")
    first = told(system, "run", "weekly")
    system.until_state(first["broadcast"], "completed")
    Path(system.folder / "list.txt").write_text("\n".join(many[:150]) + "\n", "ascii")

    refused = system.broadcast("campaigns", "run", "weekly", status=2)
    assert "differ by more than 30 %" in refused.stderr
    due_soon(system)
    campaign = campaign_rows.named(system.engine, "weekly")
    until_launch(system, campaign, 2, LaunchState.HELD)

    listed = system.broadcast("campaigns", "list").stdout
    assert "The audience has 150 people, the last run's had 400" in listed
    # On a line of its own, and all of it below its campaign.
    assert listed.startswith("weekly: enabled, account default, no time ahead\n    Run ")
    command = listed.partition("\n        broadcast ")[2].partition("\n")[0]
    assert command.startswith("campaigns run weekly --due '")
    due = command.partition("'")[2].removesuffix("'")
    released = told(system, "run", "weekly", "--due", due)
    system.until_state(released["broadcast"], "completed")
    assert released["released_by"].startswith("cli:")
    twice = system.broadcast("campaigns", "run", "weekly", "--due", due, "--yes", status=None)
    assert (twice.returncode, len(twice.stderr.splitlines())) == (2, 1)
    assert f"was launched: it is broadcast {released['broadcast']}" in twice.stderr
    assert told(system, "list")["campaigns"][0]["held"] == []


def test_excluded_files_are_read_at_each_run_and_one_that_is_gone_holds_it(system: System) -> None:
    people = system.simulator.openids(6)
    left_out = system.folder / "staff.txt"
    left_out.write_text(people[0] + "\n", "ascii")
    (system.folder / "list.txt").write_text("\n".join(people) + "\n", "ascii")
    made = add(system, "weekly", *FRIDAYS, "--exclude", "file:staff.txt")
    assert made["exclude_files"] == [str(left_out)]
    assert f"--exclude file:{left_out}" in system.broadcast("campaigns", "show", "weekly").stdout
    system.worker(), system.beat()

    first = told(system, "run", "weekly")
    system.until_state(first["broadcast"], "completed")
    assert system.simulator.ledger_dump() == dict.fromkeys(people[1:], 1)
    left_out.write_text("\n".join(people[:3]) + "\n", "ascii")
    second = told(system, "run", "weekly", "--again")
    system.until_state(second["broadcast"], "completed")
    assert system.simulator.ledger_dump() == {
        one: 1 if n < 2 else 2 for n, one in enumerate(people[1:])
    }

    left_out.unlink()
    [finding] = told(system, "run", "weekly", "--rehearse", status=1)["findings"]
    assert "staff.txt" in finding["text"]
    due_soon(system)
    until_launch(system, campaign_rows.named(system.engine, "weekly"), 3, LaunchState.HELD)
    assert "staff.txt" in system.broadcast("campaigns", "list").stdout
    assert len(system.all_reports()) == 2


def due_soon(system: System) -> None:
    """Let the campaign be due in some seconds."""
    at = datetime.now(UTC) + timedelta(seconds=6)
    told(system, "edit", "weekly", "--at", at.isoformat(timespec="seconds"))


def test_a_dry_run_shows_the_next_run_and_stores_nothing(system: System) -> None:
    add(system)

    done = system.broadcast("campaigns", "run", "weekly", "--dry-run")

    assert "Live on Friday" in done.stderr
    assert re.search(r"^Time +Fri \S+ 20:00 Beijing time", done.stderr, re.MULTILINE)
    assert done.stderr.splitlines()[-1] == "Dry run: the plan fits. Nothing was stored."
    assert told(system, "show", "weekly")["runs"] == []
    assert system.all_reports() == []


@pytest.mark.prove
def test_a_run_that_nobody_launches_is_stored_and_said_so(system: System) -> None:
    made = add(system)
    done = system.broadcast("campaigns", "run", "weekly", timeout_s=90)

    assert "no worker has launched it yet" in done.stdout
    [run] = told(system, "show", "weekly")["runs"]
    assert (run["state"], made["name"]) == ("begun", "weekly")
    assert due_launches.to_launch(system.engine, accounts=["default"])
