"""What happens reaches the chat once, with commands that work, whoever dies meanwhile."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import update

from broadcast.rules.campaigns.campaign import CampaignPlan
from broadcast.rules.campaigns.due_times import Schedule
from broadcast.rules.campaigns.launches import Policy
from broadcast.rules.states import NoticeState
from models.engine import now
from models.every_table import CampaignRow, Installation
from models.ledger.boxes import notices
from tests.acceptance import test_campaigns as campaigns
from tests.kit import bots, foreign, ledger
from tests.kit.bots import Bot
from tests.kit.endpoints import MASS_SEND
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System
    from tests.servers.valkey import Valkey

INSIDE: dict[str, Any] = {
    "BROADCAST_WEBHOOK_NETWORKS": "127.0.0.0/8",
    "BROADCAST_WAIT_SCALE": "0.01",
}


@pytest.fixture
def wecom() -> Iterator[Bot]:
    with bots.bot() as bot:
        yield bot


def start(system: System, *, workers: int = 1) -> None:
    """Start workers and as many beats."""
    for _ in range(workers):
        system.worker()
        system.beat()


def commands_of(text: str) -> list[list[str]]:
    """Return the commands that a person would copy out of a chat."""
    lines = [line for line in text.splitlines() if line.startswith("    broadcast ")]
    return [shlex.split(line)[1:] for line in lines]


def run(system: System, command: list[str]) -> None:
    """Run a command out of a chat, as a shell does; each of them does what it says."""
    words = command[: command.index(">")] if ">" in command else command
    system.broadcast(*words, timeout_s=120)


def about(bot: Bot, broadcast_id: str) -> list[str]:
    """Return the posts' parts that name a broadcast, in order."""
    parts = "\n\n".join(bot.texts).split("\n\n")
    return [part for part in parts if broadcast_id in part]


def until_about(system: System, bot: Bot, broadcast_id: str, count: int) -> list[str]:
    what = f"{count} notices of {broadcast_id}"
    system.until_woken(lambda: len(about(bot, broadcast_id)) >= count, what)
    return about(bot, broadcast_id)


@pytest.mark.parametrize("choice", [pytest.param("resume", marks=pytest.mark.prove), "cancel"])
def test_a_missed_time_is_reported_with_both_ways_on_and_then_its_end(
    start_system: StartSystem, wecom: Bot, choice: str
) -> None:
    system = start_system(followers=20, BROADCAST_NOTIFY=wecom.url, **INSIDE)
    start(system)
    system.kill_all()
    sent = system.send(system.simulator.openids(20))["id"]
    ledger.pass_time(system.engine, timedelta(hours=3))
    start(system)

    [held] = until_about(system, wecom, sent, 1)
    assert "its first call would have come more than 15 min (--late-by)" in held
    offered = commands_of(held)
    assert offered == [["resume", sent], ["cancel", sent]]
    [chosen] = [one for one in offered if one[0] == choice]
    run(system, chosen)

    ended = until_about(system, wecom, sent, 2)[1]
    state = "completed" if choice == "resume" else "cancelled"
    assert f"\n{sent} · {state} · " in ended
    for command in commands_of(ended):
        run(system, command)


@pytest.mark.parametrize("verdict", ["--sent", pytest.param("--not-sent", marks=pytest.mark.prove)])
def test_a_doubt_a_stopped_account_and_the_end_arrive_once_with_commands_that_settle_them(
    start_system: StartSystem, wecom: Bot, verdict: str
) -> None:
    """With two workers and two beats."""
    system = start_system(
        followers=8,
        BROADCAST_NOTIFY=wecom.url,
        BROADCAST_BATCH_SIZE="2",
        BROADCAST_PAUSE_AFTER_DOUBTS="1",
        **INSIDE,
    )
    system.simulator.fault("drop", when="after", path=MASS_SEND, count=1)
    system.simulator.fault("errcode", errcode=40003, when="before", path=MASS_SEND, count=1, skip=1)
    start(system, workers=2)
    sent = system.send(system.simulator.openids(8))["id"]

    system.until_woken(lambda: len(about(wecom, sent)) >= 2, "doubt and stop")
    [stop] = [one for one in about(wecom, sent) if "is stopped" in one]
    [doubt] = [one for one in about(wecom, sent) if "waits for a person" in one]
    resolves = [one for one in commands_of(doubt) if one[0] == "resolve"]
    verdicts = ("--sent", "--not-sent")
    assert resolves == [["resolve", sent, "--batch", "1", one] for one in verdicts]
    [settle] = [one for one in resolves if one[-1] == verdict]
    run(system, settle)
    assert commands_of(stop) == [["status", sent], ["unhalt", "--account", "default"]]
    for command in commands_of(stop):
        run(system, command)

    ends = [one for one in until_about(system, wecom, sent, 3) if "has ended" in one]
    assert len(ends) == 1
    accepted = 8 if verdict == "--sent" else 6
    assert f" · {accepted} of 8 followers accepted by WeChat" in ends[0]
    # WeChat's report of the jobs is waited for in another test.
    for command in [one for one in commands_of(ends[0]) if one[0] != "watch"]:
        run(system, command)
    everything = "\n\n".join(wecom.texts)
    assert everything.count("is stopped") == everything.count("waits for a person") == 1
    assert not [one for one in system.simulator.openids(8) if one in everything]
    assert bots.KEY not in "".join(process.output for process in system.processes)


def test_refusals_that_pause_a_broadcast_are_reported_with_the_way_on(
    start_system: StartSystem, wecom: Bot
) -> None:
    system = start_system(
        followers=10, BROADCAST_NOTIFY=wecom.url, BROADCAST_BATCH_SIZE="2", **INSIDE
    )
    system.simulator.fault("errcode", errcode=40003, when="before", path=MASS_SEND, count=3)
    worker = system.worker(log_level="DEBUG")
    system.beat()
    sent = system.send(system.simulator.openids(10))["id"]

    [paused] = until_about(system, wecom, sent, 1)
    assert "Paused by the circuit breaker" in paused
    assert ["resume", sent] in commands_of(paused)
    system.broadcast("resume", sent)
    ended = until_about(system, wecom, sent, 2)[1]
    assert " · 4 of 10 followers accepted by WeChat · 6 refused" in ended
    assert "/cgi-bin/webhook/send" in worker.output
    assert bots.KEY not in worker.output


def test_a_worker_killed_in_its_post_loses_no_notice(
    database_url: str, start_system: StartSystem, wecom: Bot, valkey: Valkey
) -> None:
    system = start_system(
        followers=20,
        database_url=database_url,
        BROADCAST_NOTIFY=wecom.url,
        BROADCAST_WEBHOOK_TIMEOUT="1",
        **INSIDE,
    )
    worker = system.worker()
    system.beat()
    # The bot has it; nobody here has heard so.
    wecom.before = lambda _: worker.kill()
    sent = system.send(system.simulator.openids(20))["id"]
    wecom.until_texts(1)
    worker.wait(timeout_s=60)
    [stored] = notices.newest(system.engine, list(NoticeState), 9)
    # What came of it counts, and nobody here knows that.
    assert (stored.state, stored.tries) == (NoticeState.WAITING, 0)

    wecom.before = lambda _: None
    foreign.age_what_a_killed_worker_held(valkey)
    ledger.pass_time(system.engine, timedelta(seconds=15))
    system.worker()

    def is_sent() -> bool:
        found = notices.newest(system.engine, list(NoticeState), 9)
        return [one.state for one in found] == [NoticeState.SENT]

    until(is_sent, 60, "the notice is sent")
    # Twice is better than never.
    assert len(about(wecom, sent)) == 2


def test_a_worker_refuses_an_address_that_leads_inside_and_shows_nothing_of_it(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=1)
    url = f"https://10.1.2.3/robot/send?access_token={bots.KEY}"
    worker = system.worker(ready=False, BROADCAST_NOTIFY=url)

    assert worker.wait(timeout_s=60) == 2
    assert "BROADCAST_NOTIFY: address 1 leads to a private address" in worker.output
    assert bots.KEY not in worker.output


def test_a_run_of_a_campaign_that_was_missed_is_reported_with_the_command_that_sends_it(
    start_system: StartSystem, wecom: Bot
) -> None:
    system = start_system(followers=20, BROADCAST_NOTIFY=wecom.url, **INSIDE)
    start(system)
    system.kill_all()
    people = system.simulator.openids(20)
    said = campaigns.template(campaigns.of_file(system, people))
    campaigns.add(system, "周五 上新", said, schedule=campaigns.soon(60))
    # Beat comes two minutes late.
    with system.engine.begin() as connection:
        early = {"decided_until": now(connection) - timedelta(minutes=3)}
        at = now(connection).replace(microsecond=0) - timedelta(minutes=2)
        plan = CampaignPlan(
            account="default",
            schedule=Schedule(zone="Asia/Shanghai", at=at),
            policy=Policy(),
            template=said,
        ).stored
        connection.execute(update(CampaignRow).values(plan=plan, next_due_at=at, **early))
    start(system)

    [held] = until_about(system, wecom, "周五 上新", 1)
    assert "Nothing was launched within a minute" in held
    send, look = commands_of(held)
    run(system, look)
    assert system.simulator.mass_calls() == []
    run(system, [*send, "--yes"])
    until(lambda: system.simulator.ledger_dump() == dict.fromkeys(people, 1), 60, "the run")


def test_a_copied_database_is_reported_with_the_command_that_says_what_to_do(
    start_system: StartSystem, wecom: Bot
) -> None:
    system = start_system(followers=20, BROADCAST_NOTIFY=wecom.url, **INSIDE)
    start(system)
    system.until_state(system.send(system.simulator.openids(20))["id"], "completed")
    with system.engine.begin() as connection:
        connection.execute(update(Installation).values(place="elsewhere"))

    def told() -> list[str]:
        return [text for text in wecom.texts if "broadcast restored" in text]

    until(told, 60, "the notice of the copy")
    assert "the database is another one" in told()[0]
    system.broadcast("restored", status=1)
    system.broadcast("restored", "--moved", "--yes")
