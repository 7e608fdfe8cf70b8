"""What goes wrong again and again stops by itself, and says why; other accounts go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import BroadcastState
from tests.acceptance.conftest import sets_of
from tests.kit.endpoints import MASS_SEND
from tests.kit.wait import until

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System

BAD, GOOD = "wx0000000000000001", "wx0000000000000002"


def send(system: System, account: str, *, status: int = 0) -> str:
    """Send to this account's ten followers, two a call; return the broadcast's id."""
    [appid] = [one.appid for one in system.simulator.accounts if one.name == account]
    openids = system.simulator.openids(10, appid=appid)
    told: str = system.send(openids, "--account", account, status=status)["id"]
    return told


def status_of(system: System, broadcast_id: str) -> str:
    return system.broadcast("status", broadcast_id, status=None).stdout


def test_three_refusals_of_a_kind_pause_the_broadcast_until_a_person_resumes_it(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=10, accounts=2, BROADCAST_BATCH_SIZE="2")
    system.simulator.fault(
        "errcode", errcode=40003, when="before", path=MASS_SEND, count=3, appid=BAD
    )
    system.worker()
    system.beat()

    bad, good = send(system, "account1"), send(system, "account2")

    told = system.until_state(bad, "paused")
    assert sets_of(told) == {"refused": 6, "waiting": 4}
    assert sets_of(system.until_state(good, "completed")) == {"accepted": 10}
    # The sweep has woken since, and nothing came of it.
    assert len(system.simulator.mass_calls(appid=BAD)) == 3
    shown = status_of(system, bad)
    why = shown[shown.index("Paused by the circuit breaker") :]
    assert "refused with 40003 (an OpenID is malformed or of another account): 3." in why
    assert why.count(f"broadcast resume {bad}") == 1

    system.broadcast("resume", bad)

    assert sets_of(system.until_state(bad, "partial")) == {"accepted": 4, "refused": 6}
    assert system.simulator.ledger(BAD) == system.simulator.ledger(BAD) | {
        "deliveries": 4,
        "doubled": 0,
    }


def test_three_doubts_stop_the_account_until_a_person_has_looked(
    start_system: StartSystem,
) -> None:
    system = start_system(
        followers=10, accounts=2, BROADCAST_BATCH_SIZE="2", BROADCAST_WAIT_SCALE="0.01"
    )
    # WeChat takes the first three batches; the reply is lost, and their repeats are refused. A call
    # that another fault has hit is not counted in a skip.
    system.simulator.fault("drop", when="after", path=MASS_SEND, count=3, appid=BAD)
    for skip in (1, 2, 3):
        system.simulator.fault(
            "errcode", errcode=40003, when="before", path=MASS_SEND, count=1, skip=skip, appid=BAD
        )
    system.worker()
    system.beat()

    bad, good = send(system, "account1"), send(system, "account2")

    told = system.until_state(bad, "held")
    assert sets_of(told) == {"in_doubt": 6, "waiting": 4}
    assert sets_of(system.until_state(good, "completed")) == {"accepted": 10}
    assert len(system.simulator.mass_calls(appid=BAD)) == 6
    shown = status_of(system, bad)
    why = shown[shown.index("Stopped by the circuit breaker") :]
    assert f"Batches in doubt: 3 (broadcasts {bad})" in why
    assert "\n    broadcast resolve ID --batch N --sent\n" in why
    assert "\nThen:\n    broadcast unhalt --account account1\n" in why
    # How long ago it was has changed since.
    assert f"Batches in doubt: 3 (broadcasts {bad})" in system.broadcast("accounts").stdout

    for n, job in enumerate(system.simulator.jobs(appid=BAD), 1):
        system.broadcast("resolve", bad, "--batch", str(n), "--sent", str(job["msg_id"]))
    system.broadcast("unhalt", "--account", "account1")

    assert sets_of(system.until_state(bad, "completed")) == {"accepted": 10}
    assert system.simulator.ledger(BAD)["delivered_max"] == 1


#: What WeChat does to an account, the code with which it says so, and what is to be done.
STOPS: dict[str, tuple[dict[str, Any], int, str]] = {
    "account1": ({"permission_errcode": 48001}, 48001, "verified service account"),
    "account2": ({"agreement": False}, 48003, "accept the agreement"),
    "account3": ({"permission_errcode": 50002}, 50002, "notices in mp.weixin.qq.com"),
    "account4": ({"whitelist": ["192.0.2.1"]}, 40164, "Add the address that WeChat names"),
    "account5": ({"secret": "f" * 32}, 40125, "Copy the AppSecret again"),
}


@pytest.fixture
def stopped(start_system: StartSystem) -> System:
    """Five accounts that WeChat refuses, each for another reason, and a sixth that is well."""
    system = start_system(followers=10, accounts=6, BROADCAST_BATCH_SIZE="2")
    for account in system.simulator.accounts:
        if account.name in STOPS:
            system.simulator.change_account(account.appid, **STOPS[account.name][0])
    system.worker()
    system.beat()
    return system


def test_an_account_that_wechat_refuses_stops_with_its_mend_and_the_others_go_on(
    stopped: System,
) -> None:
    sent = {name: send(stopped, name) for name in (*STOPS, "account6")}

    assert sets_of(stopped.until_state(sent["account6"], "completed")) == {"accepted": 10}
    for name, (_, code, mend) in STOPS.items():
        told = stopped.until_state(sent[name], "held")
        stop = told.lane.gate(GateKind.STOP)
        assert stop is not None
        assert (stop.errcode, sets_of(told)) == (code, {"waiting": 10})
        shown = status_of(stopped, told.id)
        why = shown[shown.index("Stopped") :]
        assert f"{code}" in why.partition(mend)[0]
        assert mend in why
        assert f" Then:\n    broadcast unhalt --account {name}\n" in why
    # One call told it, or none where there is no token.
    assert len(stopped.simulator.mass_calls()) == 5 + 3


def test_an_account_goes_on_after_its_mend_and_an_unhalt(stopped: System) -> None:
    broadcast_id = send(stopped, "account1")
    stopped.until_state(broadcast_id, "held")
    stopped.simulator.change_account("wx0000000000000001", permission_errcode=None)

    stopped.broadcast("unhalt", "--account", "account1")

    until(lambda: stopped.report(broadcast_id).state is BroadcastState.COMPLETED, 60, "the rest")
    assert stopped.simulator.ledger("wx0000000000000001")["delivered_max"] == 1


def test_after_the_quota_was_cleared_an_unhalt_goes_on_at_once(start_system: StartSystem) -> None:
    """Nobody but a person knows of it: the account would wait until the day turns."""
    system = start_system(followers=6, BROADCAST_BATCH_SIZE="2")
    # Another program may use calls up between the plan and the send.
    system.simulator.fault("errcode", errcode=45009, when="before", path=MASS_SEND, count=1, skip=1)
    system.worker()
    sent: str = system.send(system.simulator.openids(6))["id"]

    def waits() -> bool:
        return "of this account are used up" in status_of(system, sent)

    until(waits, 20, "a wait for another day")
    assert len(system.simulator.mass_calls()) == 2
    assert "broadcast unhalt --account" in status_of(system, sent)
    told = system.broadcast("unhalt").stdout

    assert sent in told
    assert "Follow them" in told
    assert sets_of(system.until_state(sent, "completed")) == {"accepted": 6}
    assert len(system.simulator.mass_calls()) == 4
