"""A send to everybody of a protected account, with WeChat, callback, worker and a chat."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from broadcast.day import SHANGHAI
from broadcast.rules.campaigns.launches import LaunchState
from broadcast.rules.campaigns.template import Template
from models.ledger.campaigns import launch_rows
from models.ledger.gates import restores
from tests.acceptance.test_campaigns import add, launches, text, until_launch, until_sent
from tests.acceptance.test_notices import INSIDE, about, commands_of, run, start, until_about
from tests.kit import bots
from tests.kit.bots import Bot
from tests.kit.endpoints import MASS_GET, MASS_SENDALL
from tests.kit.pushes import TOKEN
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

FOLLOWERS = 30
#: Half an hour is a minute and a half, or seven seconds.
SLOW, FAST = "0.05", "0.004"
ACCOUNT = f'callback_token = "{TOKEN}"\nsend_protection = true\n'


@pytest.fixture
def wecom() -> Iterator[Bot]:
    with bots.bot() as bot:
        yield bot


def protected(
    start_system: StartSystem, wecom: Bot, *, callback: bool = True, scale: str = SLOW
) -> System:
    """Start worker and beat of an account whose administrator WeChat asks."""
    settings = {**INSIDE, "BROADCAST_NOTIFY": wecom.url, "BROADCAST_WAIT_SCALE": scale}
    system = start_system(followers=FOLLOWERS, account_lines=ACCOUNT, **settings)
    system.simulator.change_account(send_protection=True)
    system.simulator.set_switches(push_repeat_after_s=0)
    if callback:
        system.simulator.set_callback(f"{system.callback()}/wechat/default/callback", TOKEN)
    start(system)
    return system


def to_all(system: System) -> str:
    """Send to everybody; return the id once WeChat took the call."""
    words = ("send", "--to-all", "--yes-to-all", "--text", "您好", "--wait", "--json")
    done = system.broadcast(*words, status=None)
    return str(json.loads(done.stdout.splitlines()[-1])["id"])


def answer(system: System, word: str) -> None:
    """Let the administrator say it to the newest job."""
    msg_id = system.simulator.admin("GET", "jobs")["jobs"][-1]["msg_id"]
    system.simulator.admin("POST", f"jobs/{msg_id}/administrator", {"answer": word})


def until_batch(system: System, sent: str, state: str) -> None:
    def stands() -> bool:
        return [one.state.value for one in system.report(sent).batch_list] == [state]

    system.until_woken(stands, f"the batch of {sent}: {state}")


def delivered(system: System) -> int:
    return int(system.simulator.ledger()["deliveries"])


def test_what_the_administrator_confirms_goes_out_and_was_shown_as_waiting(
    start_system: StartSystem, wecom: Bot
) -> None:
    system = protected(start_system, wecom)
    sent = to_all(system)

    assert re.search(r"administrator asked until (today|tomorrow)", system.broadcast("list").stdout)
    for command in (("status", sent), ("watch", sent)):
        shown = " ".join(system.broadcast(*command).stdout.split())
        assert "Waiting for the account's administrator until" in shown
    told = json.loads(system.broadcast("status", sent, "--json").stdout.splitlines()[-1])
    [blocker] = told["blockers"]
    assert (blocker["cause"], blocker["until"] > blocker["since"]) == ("administrator", True)
    assert delivered(system) == 0
    until(lambda: "is waiting for the administrator until" in "".join(wecom.texts), 60, "a notice")
    [waiting] = about(wecom, sent)
    assert commands_of(waiting) == [["status", sent]]
    run(system, ["status", sent])

    answer(system, "yes")

    until_batch(system, sent, "finished")
    assert delivered(system) == FOLLOWERS
    assert "administrator" not in system.broadcast("status", sent).stdout
    assert "has ended" in until_about(system, wecom, sent, 2)[1]
    system.broadcast("audit", sent)


@pytest.mark.parametrize(
    ("word", "said"), [("no", "administrator refused it"), ("none", "did not answer within 30 min")]
)
def test_what_the_administrator_does_not_confirm_is_refused_and_reaches_nobody(
    start_system: StartSystem, wecom: Bot, word: str, said: str
) -> None:
    system = protected(start_system, wecom)
    sent = to_all(system)

    answer(system, word)

    until_batch(system, sent, "refused")
    shown = " ".join(system.broadcast("status", sent, status=None).stdout.split())
    assert "the account's administrator did not confirm it" in shown
    assert said in shown
    assert delivered(system) == 0
    system.broadcast("audit", sent)


@pytest.mark.parametrize("hides", [False, pytest.param(True, marks=pytest.mark.prove)])
def test_an_event_that_is_lost_is_asked_for_at_the_end_of_the_time(
    start_system: StartSystem, wecom: Bot, hides: bool
) -> None:
    """The administrator stays silent; WeChat ends the job at its own time, or says nothing."""
    system = protected(start_system, wecom, callback=False, scale=FAST if hides else SLOW)
    system.simulator.set_switches(administrator_hides_job=hides)
    sent = to_all(system)
    if not hides:
        answer(system, "none")
        until_batch(system, sent, "refused")
        return

    until_batch(system, sent, "in_doubt")
    [waiting, doubt] = until_about(system, wecom, sent, 2)
    assert "is waiting for the administrator" in waiting
    assert "waits for a person" in doubt
    resolves = [one for one in commands_of(doubt) if one[0] == "resolve"]
    assert [one[-1] for one in resolves] == ["--sent", "--not-sent"]
    run(system, resolves[1])
    until_batch(system, sent, "refused")
    assert delivered(system) == 0
    assert len(system.simulator.calls(path=MASS_SENDALL)) == 1
    assert system.simulator.calls(path=MASS_GET)
    system.broadcast("audit", sent)


def test_whom_a_launch_will_wait_for_is_told_with_the_campaign_by_its_rehearsal_and_to_programs(
    start_system: StartSystem, wecom: Bot
) -> None:
    system = protected(start_system, wecom)
    at = datetime.now(SHANGHAI).replace(second=0, microsecond=0) + timedelta(minutes=50)
    until_then = at + timedelta(minutes=30)
    waits = re.compile(rf"waits for them until .*{until_then:%H:%M}")
    audience = ("--to-all", "--yes-to-all", "--text", "您好")

    def said(*words: str) -> str:
        return " ".join(system.broadcast("campaigns", *words).stdout.split())

    assert waits.search(said("add", "weekly", *audience, "--at", at.isoformat()))
    assert waits.search(said("show", "weekly"))
    assert waits.search(said("edit", "weekly", "--title", "{date}"))
    restores.note_seen(system.engine)
    rehearsed = said("run", "weekly", "--rehearse")
    assert "Nothing is in the way of the run of weekly" in rehearsed
    assert f"until {until_then:%Y-%m-%d %H:%M} (Beijing time)" in rehearsed
    until(lambda: "needs the administrator" in "".join(wecom.texts), 60, "a notice")
    [told] = [one for one in wecom.texts if "needs the administrator" in one]
    assert commands_of(told)[-1] == ["campaigns", "show", "weekly"]

    program = system.api("--port", "0")
    everybody = {
        "content": text("hello"),
        "at": at.isoformat(),
        "audience": {"to_all": True, "confirm_to_all": "default"},
    }
    by_tag = {**everybody, "audience": {"tag_id": 2}}
    for path, body in (("campaigns", {"name": "other"}), ("plans", {}), ("broadcasts", {})):
        headers = {} if path == "campaigns" else {"Idempotency-Key": path}
        made = program.ask("POST", f"/v1/{path}", {**everybody, **body}, headers=headers)
        assert "notice.administrator_asked" in made.text
    made = program.ask("POST", "/v1/campaigns", {**by_tag, "name": "of a tag"})
    assert "administrator" not in made.text


def test_a_run_that_the_administrator_refused_is_held_and_sent_once_when_it_is_let_go(
    start_system: StartSystem, wecom: Bot
) -> None:
    system = protected(start_system, wecom)
    request = {
        "account": "default",
        "content": text("{date}"),
        "audience": {"to_all": True, "confirm_to_all": "default"},
    }
    campaign = add(system, "weekly", Template(request=request, audience_file=None))
    first = until_launch(system, campaign, 1, LaunchState.LAUNCHED)
    until(lambda: system.simulator.admin("GET", "jobs")["jobs"], 60, "the call")
    answer(system, "no")
    held = until_launch(system, campaign, 1, LaunchState.HELD)
    assert held.reason is not None
    assert held.reason.id == "launch.unconfirmed"

    launch_rows.release(system.engine, campaign, held, who="a person")

    again = until_launch(system, campaign, 1, LaunchState.LAUNCHED)
    assert again.broadcast_id != first.broadcast_id
    until_sent(system, again)
    answer(system, "yes")
    until(lambda: delivered(system) == FOLLOWERS, 60, "it is sent")
    until_batch(system, again.broadcast_id or "", "finished")
    assert f"{FOLLOWERS} delivered" in system.broadcast("campaigns", "show", "weekly").stdout
    [one] = json.loads(system.broadcast("campaigns", "show", "weekly", "--json").stdout)["runs"]
    assert one["delivered"]["sent"] == FOLLOWERS
    assert len(system.simulator.calls(path=MASS_SENDALL)) == 2
    assert len(launches(system, campaign)) == 1
    assert datetime.now(UTC) > again.due_at
    system.broadcast("audit", "--all")


@pytest.mark.prove
def test_a_run_whose_event_is_lost_is_shown_as_status_shows_it_and_has_one_notice_with_one_way_on(
    start_system: StartSystem, wecom: Bot
) -> None:
    system = protected(start_system, wecom, callback=False)
    request = {
        "account": "default",
        "content": text("hello"),
        "audience": {"to_all": True, "confirm_to_all": "default"},
    }
    campaign = add(system, "weekly", Template(request=request, audience_file=None))
    sent = until_launch(system, campaign, 1, LaunchState.LAUNCHED).broadcast_id or ""
    until_batch(system, sent, "accepted")
    shown = system.broadcast("campaigns", "show", "weekly").stdout
    assert f"broadcast {sent}, administrator asked until" in " ".join(shown.split())
    answer(system, "none")
    until_launch(system, campaign, 1, LaunchState.HELD)

    # What is told of another end is told after that of this one.
    other = to_all(system)
    answer(system, "none")
    assert "has ended" in until_about(system, wecom, other, 2)[1]
    parts = "\n\n".join(wecom.texts).split("\n\n")
    [held] = [one for one in parts if "weekly" in one]
    assert commands_of(held)[0][:3] == ["campaigns", "run", "weekly"]
    assert "or WeChat reports that it failed" in held
    [waiting] = about(wecom, sent)
    assert commands_of(waiting) == [["status", sent]]
    run(system, ["campaigns", "show", "weekly"])
