"""Another program fetches the token of the same account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests
from sqlalchemy import select

from broadcast.crashpoints import VARIABLE, Point
from broadcast.names import EventKind
from broadcast.rules.accounts import from_file as accounts_of
from broadcast.rules.gates.gate import GateKind
from models.every_table import Event
from producer.waking import CeleryWaker
from tests.kit import direct
from tests.kit.endpoints import MASS_SEND

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System


def wake(broker_url: str, broadcast_id: str) -> None:
    waker = CeleryWaker(broker_url)
    waker.wake_planner(broadcast_id)
    waker.close()


def stranger_fetches(system: System) -> None:
    """Let another program fetch a classic token, which kills ours."""
    body = {
        "grant_type": "client_credential",
        "appid": system.simulator.account.appid,
        "secret": system.simulator.account.secret,
    }
    url = f"{system.simulator.url}/cgi-bin/token"
    assert requests.get(url, params=body, timeout=240).json()["access_token"]
    system.simulator.invalidate_token()


def drifts(system: System) -> list[tuple[str | None, str]]:
    with system.engine.connect() as connection:
        rows = connection.execute(
            select(Event.account, Event.who).where(Event.kind == EventKind.TOKEN_DRIFT)
        )
        return [(row.account, row.who) for row in rows]


def test_each_token_that_a_stranger_replaced_stands_once_in_the_history(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=400, BROADCAST_BATCH_SIZE="2")
    accounts = system.folder / "accounts.toml"
    accounts.write_text(accounts.read_text() + 'token_mode = "classic"\n')
    worker = system.worker()
    people = system.simulator.openids(40)
    assert system.send(people[:20], "--wait")["state"] == "completed"

    stranger_fetches(system)
    # The command line would ask for the quota first, and meet the refused token instead.
    account = accounts_of(accounts)["default"]
    second = direct.submit(system.engine, account, people[20:], key="two", batch_size=2)
    wake(system.valkey.url, second)
    system.until_state(second, "completed")

    assert worker.output.count("Token replaced outside this system") == 1
    assert drifts(system) == [("default", "worker")]


def test_a_person_whose_command_meets_a_replaced_token_is_told_and_so_is_the_history(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=40)
    accounts = system.folder / "accounts.toml"
    accounts.write_text(accounts.read_text() + 'token_mode = "classic"\n')
    system.broadcast("token", "refresh")
    stranger_fetches(system)
    file = system.folder / "people.txt"
    file.write_text("\n".join(system.simulator.openids(20)) + "\n")
    said = system.broadcast("send", "--openids", file, "--text", "您好", "--dry-run").stderr
    assert said.count("Token replaced outside this system") == 1
    assert "set WECHAT_TOKEN_MODE=stable" in said
    [(account, who)] = drifts(system)
    assert account == "default"
    assert who.startswith("cli:")


def test_worker_that_dies_before_it_replaces_a_refused_token_stops_no_account(
    start_system: StartSystem,
) -> None:
    """The next one calls with the same token: refused again, it is no verdict on the account."""
    system = start_system(followers=20, BROADCAST_BATCH_SIZE="2")
    system.simulator.fault("errcode", errcode=40001, when="before", path=MASS_SEND, count=2)
    account = accounts_of(system.folder / "accounts.toml")["default"]
    people = system.simulator.openids(4)
    told = direct.submit(system.engine, account, people, key="one", batch_size=2)
    armed = {VARIABLE: Point.RECORD_COMMITTED.value}
    doomed = system.worker(ready=True, **armed)
    wake(system.valkey.url, told)
    doomed.wait(timeout_s=30)
    system.worker()
    system.beat()
    report = system.until_state(told, "completed")

    assert report.lane.gate(GateKind.STOP) is None
    assert [call["errcode"] for call in system.simulator.mass_calls()] == [40001, 40001, 0, 0]
