"""``campaigns run`` on a terminal is asked for as ``send`` is: the same facts, the same window."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from broadcast.message import Message
from broadcast.rules.campaigns.launches import Why
from broadcast.rules.gates.gate import Cause
from entrypoints.cli import exits
from entrypoints.cli.campaign_lines import due_words
from models.engine import now
from models.ledger.campaigns import campaign_rows, launch_rows
from models.ledger.views import broadcast_reports
from tests.integration.models.campaign_world import run_of
from tests.kit.terminal import Shown, typed
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

PEOPLE = 20
LIST = ("--openids", "list.txt")
WORDS = ("--text", "Live on {weekday_en}", "--cron", "0 20 * * 5")


@pytest.fixture
def system(start_system: StartSystem) -> System:
    """A system with a list of twenty; a yes to more than nineteen is kept back for a minute."""
    made = start_system(followers=PEOPLE, BROADCAST_COOLING_OFF="60s above 19")
    people = made.simulator.openids(PEOPLE)
    (made.folder / "list.txt").write_text("\n".join(people) + "\n", "ascii")
    return made


def answered(system: System, command: str, *answers: str, lang: str = "en") -> Shown:
    """Type a command, and answer what it asks."""
    environment = {**os.environ, **system.env, "BROADCAST_LANG": lang}
    return typed(command, folder=system.folder, environment=environment, answers=answers)


def in_one_line(shown: Shown) -> str:
    return " ".join(shown.text.split())


def newest(system: System) -> dict[str, Any]:
    done = system.broadcast("status", "@last", "--json")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_run_says_what_send_says_and_can_be_called_off_for_a_while(system: System) -> None:
    system.broadcast("campaigns", "add", "weekly", *LIST, *WORDS)
    system.worker(), system.beat()
    system.broadcast("campaigns", "run", "weekly", timeout_s=90)
    first = newest(system)
    system.until_state(first["id"], "completed")
    assert first["blockers"] == []

    declined = answered(system, "broadcast campaigns run weekly --again", "n")
    shown = in_one_line(declined)
    assert "Send to 20 followers (list.txt) of account default, now" in shown
    assert "20 of them already got a broadcast today" in shown
    assert "It is one more run of campaign “weekly”: the run of Fri" in shown
    assert "still takes place. Within 60 s `broadcast cancel` stops it" in shown
    assert "Nothing was changed." in shown
    chinese = in_one_line(
        answered(system, "broadcast campaigns run weekly --again", "n", lang="zh")
    )
    assert "将立即" in chinese
    assert "仍会再发一次" in chinese.replace(" ", "")
    assert newest(system)["id"] == first["id"]

    agreed = answered(system, "broadcast campaigns run weekly --again", "y")
    told = newest(system)
    assert told["id"] != first["id"]
    assert told["blockers"][0]["cause"] == Cause.COOLING_OFF
    assert f"broadcast cancel {told['id']}" in agreed.text
    assert told["created_by"].endswith(" (campaign weekly)")
    assert told["created_by"].startswith("cli:")
    system.broadcast("cancel", told["id"], "--yes")
    assert len(system.simulator.mass_calls()) == 1


def test_the_same_run_within_a_day_is_refused_before_it_is_asked_for_as_a_send_is(
    system: System,
) -> None:
    system.broadcast("send", *LIST, "--text", "Doors open at nine")
    system.broadcast(
        "campaigns", "add", "weekly", *LIST, "--text", "Doors open at nine", *WORDS[2:]
    )

    send = answered(system, "broadcast send --openids list.txt --text 'Doors open at nine'", "y")
    run = answered(system, "broadcast campaigns run weekly", "y")

    assert (run.status, run.text) == (send.status, send.text)
    assert run.status == exits.BAD_INPUT
    assert "To send it again, add --again. Nothing was stored." in in_one_line(run)


def test_a_second_run_is_refused_while_the_first_waits_for_a_worker(system: System) -> None:
    system.broadcast("campaigns", "add", "weekly", *LIST, *WORDS)
    first = system.broadcast("campaigns", "run", "weekly", "--yes", timeout_s=90)
    assert "no worker has launched it yet" in " ".join(first.stdout.split())

    second = system.broadcast("campaigns", "run", "weekly", "--yes", status=2)
    typed_run = answered(system, "broadcast campaigns run weekly", "y")

    for text in (" ".join(second.stderr.split()), in_one_line(typed_run)):
        assert "still waits for a worker, since" in text
        assert "add --again" in text
    system.worker(), system.beat()
    [launched] = until(
        lambda: broadcast_reports.reports(system.engine), 60, "the run to be launched"
    )
    system.until_state(launched.id, "completed")
    assert set(system.simulator.ledger_dump().values()) == {1}


def test_a_run_that_a_restore_held_says_that_it_may_have_been_sent(system: System) -> None:
    system.broadcast("campaigns", "add", "weekly", *LIST, *WORDS)
    campaign = campaign_rows.named(system.engine, "weekly")
    launch, _ = launch_rows.run_now(system.engine, campaign, run_of(campaign), key="k", who="li")
    launch_rows.hold(system.engine, launch, Message("launch.missed"))
    with system.engine.begin() as connection:
        launch_rows.doubt_held(connection, before=now(connection), why=Why.RESTORED)
    due = due_words(launch.due_at, campaign.plan.schedule.zone)

    shown = in_one_line(answered(system, f"broadcast campaigns run weekly --due '{due}'", "n"))

    assert "may have been sent before the database was restored" in shown
    assert "(sent messages) in mp.weixin.qq.com first." in shown
    refused = system.broadcast("campaigns", "run", "weekly", "--due", due, status=2)
    assert "--yes" in refused.stderr
    assert launch_rows.current(system.engine, launch.id).state == "held"


@pytest.mark.prove
def test_everybody_is_named_for_a_campaign_as_for_a_send(system: System) -> None:
    words = "--to-all --text hello --cron '0 20 * * 5'"
    not_added = answered(system, f"broadcast campaigns add all {words} --yes", "y")
    assert "Nothing was changed." in not_added.text
    added = answered(system, f"broadcast campaigns add all {words} --yes", "default")
    assert "Campaign “all” is stored." in added.text
    kept = answered(system, "broadcast campaigns edit all --text bye --yes")
    assert "Campaign “all” is changed." in kept.text

    refused = system.broadcast("campaigns", "run", "all", "--yes", status=2)
    wrong = answered(system, "broadcast campaigns run all --yes", "y")
    agreed = answered(system, "broadcast campaigns run all --yes", "default")

    assert "--yes-to-all" in refused.stderr
    assert f"EVERY follower (WeChat counts {PEOPLE}) of account default" in in_one_line(wrong)
    assert "Nothing was changed." in wrong.text
    assert "is stored, and no worker has launched it yet" in in_one_line(agreed)
    system.broadcast("campaigns", "run", "all", "--yes-to-all", timeout_s=90)
