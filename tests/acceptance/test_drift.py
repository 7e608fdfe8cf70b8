"""Another program fetches the token of the same account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests
from sqlalchemy import select

from broadcast.accounts import from_file as accounts_of
from models import Event
from producer.publish import CeleryBell
from tests.kit import direct

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem


def ring(broker_url: str, broadcast_id: str) -> None:
    bell = CeleryBell(broker_url)
    bell.ring_plan(broadcast_id)
    bell.close()


def test_each_token_that_a_stranger_replaced_stands_once_in_the_history(
    start_system: StartSystem,
) -> None:
    system = start_system(followers=400, BROADCAST_BATCH_SIZE="2")
    accounts = system.folder / "accounts.toml"
    accounts.write_text(accounts.read_text() + 'token_mode = "classic"\n')
    worker = system.worker()
    people = system.simulator.openids(40)
    assert system.send(people[:20], "--wait")["state"] == "completed"

    stranger = {
        "grant_type": "client_credential", "appid": system.simulator.account.appid,
        "secret": system.simulator.account.secret,
    }  # fmt: skip
    url = f"{system.simulator.url}/cgi-bin/token"
    assert requests.get(url, params=stranger, timeout=10).json()["access_token"]
    system.simulator.invalidate_token()
    # The command line would ask for the quota first, and meet the refused token instead.
    account = accounts_of(accounts)["default"]
    second = direct.submit(system.engine, account, people[20:], key="two", batch_size=2)
    ring(system.valkey.url, second)
    system.until_state(second, "completed")

    assert worker.output.count("Token replaced outside this system") == 1
    with system.engine.connect() as connection:
        drifts = connection.execute(
            select(Event.account, Event.who).where(Event.kind == "token.drift")
        ).all()
    assert drifts == [("default", "worker")]
