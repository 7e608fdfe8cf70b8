"""A name stands for one appid, and an appid for one name."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, func, select

from broadcast.errors import SettingsError
from broadcast.names import EventKind
from broadcast.rules.accounts import Account
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import BroadcastState, Reason
from models.accounts import AccountRow
from models.every_table import Event
from models.ledger.gates import gate_changes
from models.ledger.rows import known_accounts
from models.ledger.steer import operator
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports
from tests.kit import ledger


def renamed(account: Account) -> Account:
    """Return the account with the appid of another one."""
    return account.model_copy(update={"appid": "wx9999999999999999"})


def test_account_is_known_once_it_was_used(engine: Engine) -> None:
    assert not known_accounts.check_account(engine, ledger.account())

    ledger.broadcast(engine)

    assert known_accounts.check_account(engine, ledger.account())
    assert not known_accounts.check_account(engine, ledger.account("another"))


def test_changed_appid_is_refused_and_both_are_named(engine: Engine) -> None:
    ledger.broadcast(engine)

    with pytest.raises(SettingsError) as caught:
        known_accounts.check_account(engine, renamed(ledger.account()))

    assert caught.value.exit_status == 2
    assert "wx9999999999999999" in str(caught.value)
    assert ledger.account().appid in str(caught.value)


def test_upload_that_meets_another_appid_at_its_beginning_stores_nothing(engine: Engine) -> None:
    """Two processes with different settings began at once, and the other was first."""
    ledger.upload(engine, ledger.body(key="one"))

    with pytest.raises(SettingsError):
        submits.begin(engine, ledger.body(key="two", owner=renamed(ledger.account())), who="tests")

    with engine.connect() as connection:
        assert connection.scalars(select(AccountRow.appid)).all() == [ledger.account().appid]
    assert submits.find(engine, ledger.body(key="two")) is None


def named(name: str) -> Account:
    """Return the account of :func:`ledger.account` under another name."""
    return ledger.account().model_copy(update={"name": name})


def test_appid_under_another_name_is_refused_and_both_are_named(engine: Engine) -> None:
    ledger.broadcast(engine)

    for refuse in (
        lambda: known_accounts.check_account(engine, named("main")),
        lambda: submits.find(engine, ledger.body(owner=named("main"))),
        lambda: submits.begin(engine, ledger.body(owner=named("main")), who="tests"),
    ):
        with pytest.raises(SettingsError) as caught:
            refuse()
        assert caught.value.exit_status == 2
        assert {"main", "default"} <= set(re.findall(r"[a-z]+", str(caught.value)))

    with engine.connect() as connection:
        assert connection.scalars(select(AccountRow.name)).all() == ["default"]
    assert not gate_changes.stop_account(engine, "main")
    ledger.broadcast(engine)


def test_of_two_names_that_a_ledger_has_already_the_older_one_goes_on(engine: Engine) -> None:
    operator.halt(engine, None, who="tests", known=[named("old")])
    operator.halt(engine, None, who="tests", known=[named("new")])

    assert known_accounts.check_account(engine, named("old"))
    with pytest.raises(SettingsError):
        known_accounts.check_account(engine, named("new"))


def test_second_name_waits_for_the_first_that_is_not_committed_yet(engine: Engine) -> None:
    with ThreadPoolExecutor(1) as threads:
        with engine.begin() as connection:
            known_accounts.register_account(connection, named("one"))
            other = threads.submit(
                submits.begin, engine, ledger.body(owner=named("two")), who="tests"
            )
            with pytest.raises(TimeoutError):
                other.result(timeout=0.5)
        with pytest.raises(SettingsError):
            other.result(timeout=240)


def test_of_many_names_that_begin_at_once_one_is_taken(engine: Engine) -> None:
    together = threading.Barrier(4)

    def race(n: int) -> bool:
        together.wait()
        try:
            submits.begin(engine, ledger.body(owner=named(f"name{n}")), who="tests")
        except SettingsError:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(race, range(4))) == 1
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(AccountRow)) == 1


def test_lane_of_a_changed_appid_stands_still_until_a_human_lifts_it(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)

    assert gate_changes.stop_account(engine, "default")
    assert not gate_changes.stop_account(engine, "default")

    told = broadcast_reports.report(engine, broadcast_id)
    assert told.state is BroadcastState.HELD
    [gate] = told.lane.gates
    assert (gate.kind, gate.reason) == (GateKind.STOP, Reason.APPID_CHANGED)
    with engine.connect() as connection:
        stops = select(func.count()).select_from(Event).where(Event.kind == EventKind.GATE_CLOSED)
        assert connection.scalar(stops) == 1
    operator.unhalt(engine, "default", who="tests")
    assert gate_changes.stop_account(engine, "default")
