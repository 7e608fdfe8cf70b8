"""The ledger's figures for monitors: of what is there, by state, and never by broadcast."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import Engine, insert

from broadcast import day
from broadcast.message import Message
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.dead_letters import Letter, LetterSource
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.plan.proof import Quota
from broadcast.rules.states import BatchState
from broadcast.views.metrics import METRICS
from models.engine import now
from models.every_table import QueueRow
from models.ledger.boxes import dead_letters
from models.ledger.rows.transaction import read
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports, metrics
from tests.integration.models import stories
from tests.kit import ledger
from tests.kit.ledger import Driver

HALF = {BatchState.ACCEPTED: 1, BatchState.PLANNED: 1}
UNTOUCHED = {BatchState.PLANNED: 2}

pytestmark = pytest.mark.every_database


def test_an_empty_ledger_has_figures_too(engine: Engine) -> None:
    found = metrics.samples(engine)

    assert found["box_items"]["webhooks", "waiting"] == 0
    assert found["queue_age_seconds"] == {("broadcast.enqueue",): 0}


def test_figures_are_those_of_the_reports(engine: Engine) -> None:
    ids = [ledger.broadcast(engine) for _ in range(5)]
    driver = Driver(engine)
    for n in range(7):
        driver.call(ledger.said(0, msg_id=100 + n))
    [cancelled] = [one for one in ids if ledger.states(engine, one) == HALF]
    paused = next(one for one in ids if ledger.states(engine, one) == UNTOUCHED)
    stories.doubt(driver)
    operator.pause(engine, paused, who="tests")
    operator.cancel(engine, cancelled, who="tests")
    stories.close(engine, GateKind.STOP)

    found = metrics.samples(engine)

    page = broadcast_reports.reports(engine, most=50)
    shown = Counter(report.state for report in page)
    counted = {state: n for (_, state), n in found["broadcasts"].items() if n}
    assert counted == {state.value: n for state, n in shown.items()}
    people = Counter[str]()
    for report in page:
        people.update({name: n for name, n in report.recipients.items() if n})
    assert {name: n for (_, name), n in found["people"].items() if n} == dict(people)
    assert found["account_closed"] == {("default", "stop"): 1}
    assert found["batches"]["default", "in_doubt"] == 1
    assert found["oldest_in_doubt_batch_age_seconds"]["default",] > 0
    assert found["calls_today"]["default", "mass_send", "accepted", "0"] == 7
    assert set(found) <= set(METRICS)
    for name, samples in found.items():
        assert {len(labels) for labels in samples} <= {len(METRICS[name][0])}


def test_calls_of_yesterday_are_not_of_today(engine: Engine, driver: Driver) -> None:
    driver.call(ledger.said(0, msg_id=1))
    ledger.pass_time(engine, timedelta(days=1))
    Driver(engine).call(ledger.said(61450))

    assert metrics.samples(engine)["calls_today"] == {
        ("default", "mass_send", "unknown", "61450"): 1
    }


def test_codes_that_no_list_names_are_one_label(engine: Engine, driver: Driver) -> None:
    driver.call(ledger.said(987654))

    labels = [*metrics.samples(engine)["calls_today"]]
    assert labels == [("default", "mass_send", "unlisted", "other")]


def test_what_waits_has_an_age(engine: Engine) -> None:
    with read(engine) as connection:
        moment = now(connection)
    with engine.begin() as connection:
        for broker, minutes in (("old", 90), ("new", 2)):
            empty_at = moment - timedelta(minutes=minutes)
            connection.execute(insert(QueueRow).values(broker=broker, empty_at=empty_at))
    reason = Message("error.dead.expired")
    dead_letters.store_letter(engine, Letter(source=LetterSource.CELERY, body="{}", reason=reason))

    found = metrics.samples(engine)

    assert 120 <= found["queue_age_seconds"]["broadcast.enqueue",] < 180
    assert found["box_items"]["dead_letters", "dead"] == 1


def test_a_time_that_nobody_launches_grows_late(engine: Engine) -> None:
    with read(engine) as connection:
        soon = now(connection) + timedelta(seconds=30)
    ledger.published(engine, ledger.body(at=soon))
    ahead = metrics.samples(engine)
    ledger.pass_time(engine, timedelta(seconds=40))
    due = metrics.samples(engine)
    ledger.pass_time(engine, timedelta(minutes=2))
    late = metrics.samples(engine)

    due_now = ("launches", "scheduled")
    assert [one["box_items"][due_now] for one in (ahead, due, late)] == [0, 1, 1]
    ages = [one["box_oldest_age_seconds"][due_now] for one in (ahead, due, late)]
    assert ages[0] == 0
    assert 10 <= ages[1] < 100 <= ages[2]


def test_batches_for_today_are_those_that_no_gate_and_no_later_day_keeps_back(
    engine: Engine,
) -> None:
    with read(engine) as connection:
        tonight = now(connection) + timedelta(seconds=1)
    ledger.broadcast(engine, batches=4)
    paused, held = ledger.broadcast(engine, batches=5), ledger.broadcast(engine, batches=10)
    ledger.published(engine, ledger.body(at=tonight), batches=7)
    quota = Quota(daily_limit=29, used=0, remain=29)
    spread = ledger.published(
        engine, ledger.body(size=16, text="days"), size=16, batches=8, quota=quota, spread=True
    )
    ledger.planned(engine, spread, quota=quota)
    operator.pause(engine, paused, who="tests")
    stories.close(engine, GateKind.BREAKER, broadcast_id=held)

    free_today = 29 - (4 + 5 + 10 + 7)
    assert metrics.samples(engine)["batches_for_today"] == {("default",): 4 + free_today}


def test_batches_that_have_no_call_left_today_are_for_today(engine: Engine) -> None:
    ledger.broadcast(engine, batches=4)
    with read(engine) as connection:
        until = day.turn(now(connection))
    stories.close(engine, GateKind.QUOTA, until=until, path=SendPath.MASS_SEND)

    assert metrics.samples(engine)["batches_for_today"] == {("default",): 4}
