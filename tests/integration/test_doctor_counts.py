"""Calls of the day, as `broadcast doctor` counts them beside WeChat."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import Engine

from broadcast import day
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.findings import Facts, Fault
from entrypoints.cli.probes import database_probe
from models.ledger.rows import known_accounts
from tests.integration.models.still_clock import NOON, StillClock
from tests.kit import ledger
from tests.kit.ledger import Driver

MIDNIGHT = day.turn(NOON)


@pytest.mark.parametrize(
    ("after_midnight", "called"),
    [
        (timedelta(minutes=-1), {SendPath.MASS_SEND: 3}),
        # At WeChat it may still be yesterday.
        (timedelta(minutes=1), {SendPath.MASS_SEND: 3}),
        (timedelta(minutes=11), {}),
    ],
)
def test_calls_of_yesterday_count_while_it_may_be_yesterday_at_wechat(
    still: tuple[Engine, StillClock], after_midnight: timedelta, called: dict[SendPath, int]
) -> None:
    engine, clock = still
    ledger.install(engine)
    ledger.broadcast(engine, batches=3)
    driver = Driver(engine)
    for n in range(3):
        driver.call(ledger.said(0, msg_id=n + 1))
    clock.now = MIDNIGHT + after_midnight

    assert counted(engine) == called


def test_calls_are_counted_of_the_day_in_which_the_look_began(
    still: tuple[Engine, StillClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, clock = still
    ledger.install(engine)
    ledger.broadcast(engine, batches=1)
    Driver(engine).call(ledger.said(0, msg_id=1))
    clock.now = MIDNIGHT - timedelta(seconds=1)
    look = known_accounts.check_account

    def late(*words: Any) -> bool:
        clock.now = MIDNIGHT + timedelta(seconds=1)
        return look(*words)

    monkeypatch.setattr(known_accounts, "check_account", late)

    assert counted(engine) == {SendPath.MASS_SEND: 1}


def counted(engine: Engine) -> object:
    facts = Facts()
    parts: Any = Mock(engine=engine, engine_to_upgrade=engine)
    parts.settings.database.return_value = engine.url.render_as_string(hide_password=False)
    accounts = {"default": ledger.account()}
    found = database_probe.probe(parts, accounts, facts)
    # The clock of tests needs no power cut.
    assert {one.fault for one in found} <= {Fault.DURABILITY}
    return facts.called.get("default")
