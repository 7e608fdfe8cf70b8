"""WeChat's own sends, to a tag and to everybody: one call, whose list is WeChat's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from broadcast.rules import accounts
from broadcast.rules.plan.audience import Everyone
from tests.kit import direct
from tests.kit.endpoints import MASS_SEND, MASS_SENDALL

if TYPE_CHECKING:
    from broadcast.rules.plan.audience import Audience
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

TAGGED = 7


def stored(system: System, audience: Audience, *, key: str = "one") -> str:
    """Submit a broadcast that the worker finds by beat."""
    known = system.simulator.account
    owner = accounts.make(
        known.name, appid=known.appid, appsecret=known.secret, api_base=system.simulator.url
    )
    return direct.submit_to(system.engine, owner, audience, key=key)


@pytest.fixture
def system(start_system: StartSystem) -> System:
    """Thirty followers, of whom seven have tag 2."""
    system = start_system(followers=30)
    tagged = system.simulator.openids(TAGGED, start=10)
    appid = system.simulator.account.appid
    system.simulator.admin("POST", f"accounts/{appid}/tags/2", lines=tagged)
    system.worker()
    system.beat()
    return system


@pytest.mark.parametrize(
    ("words", "reached"),
    [(("--tag", "2"), TAGGED), (("--to-all", "--yes-to-all"), 30)],
    ids=["tag", "everyone"],
)
def test_a_send_by_wechat_s_own_list_is_one_call_and_its_figures_stay_unknown(
    system: System, words: tuple[str, ...], reached: int
) -> None:
    done = system.broadcast("send", *words, "--text", "您好", "--wait", "--json")
    sent = json.loads(done.stdout.splitlines()[-1])["id"]

    [call] = system.simulator.mass_calls()
    assert call["path"] == MASS_SENDALL
    assert system.simulator.ledger()["delivered_distinct"] == reached
    told = json.loads(system.broadcast("status", sent, "--json").stdout.splitlines()[-1])
    assert told["audience"]["planned"] is None
    assert set(told["recipients"].values()) == {None}
    assert (told["batches"]["total"], told["batches"]["accepted"]) == (1, 1)
    [line] = told["batch_list"]
    assert (line["size"], line["state"] in {"accepted", "finished"}) == (None, True)
    for command in (("status", sent), ("list",), ("watch", sent), ("audit", sent)):
        system.broadcast(*command)


def test_a_lost_reply_of_a_send_to_everybody_is_asked_again_with_its_key(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=30, BROADCAST_WAIT_SCALE="0.01")
    system.simulator.fault("drop", when="after", path=MASS_SENDALL, count=1)
    system.worker()
    system.beat()

    system.until_state(stored(system, Everyone()), "completed")

    one, two = system.simulator.mass_calls()
    assert one["clientmsgid"] == two["clientmsgid"]
    assert system.simulator.ledger()["delivered_max"] == 1


def test_a_plan_is_held_against_the_calls_of_its_own_interface(system: System) -> None:
    system.simulator.change_account(daily_limits={MASS_SEND: 0})

    sent = stored(system, Everyone())

    system.until_state(sent, "completed")
    assert not system.report(sent).gates
