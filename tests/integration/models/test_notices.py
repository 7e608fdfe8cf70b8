"""Notices in the ledger: of what they are, once each, for whom, taken by one worker at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine, select

from broadcast.message import Message
from broadcast.rules.calls.operator_verdict import NotSent, Sent
from broadcast.rules.calls.waits import Waits
from broadcast.rules.notices import Notice
from broadcast.rules.states import NoticeState
from models.ledger.boxes import notices, unreported
from models.ledger.lane import leases
from models.ledger.outcomes import recorded_ends, resolves
from models.ledger.steer import operator, retries
from models.ledger.views import metrics
from models.notice_tables import NoticeRow
from tests.kit import ledger
from tests.kit.ledger import Driver, said

WECOM, SLACK = "wecom:a:1", "slack:b:2"
WAITS = Waits(0.00001)
PUT_OFF = timedelta(seconds=20)


def register(engine: Engine, *names: str, alone: bool = False) -> None:
    unreported.register(engine, names, alone=alone)


def stored(engine: Engine, *, name: str = WECOM) -> list[str]:
    """Report what is unreported; return the notices to one receiver, oldest first."""
    unreported.report(engine)
    query = select(NoticeRow.key).where(
        NoticeRow.receiver == name, NoticeRow.state != NoticeState.PASSED
    )
    with engine.connect() as connection:
        keys = connection.scalars(query.order_by(NoticeRow.id)).all()
    return [key.partition(" ")[0] for key in keys]


def doubtful(engine: Engine) -> str:
    """Store a broadcast of one batch that is in doubt."""
    broadcast_id = ledger.broadcast(engine, batches=1)
    driver = Driver(engine)
    driver.record(driver.claim(), said(45065))
    leases.release(engine, driver.lease)
    return broadcast_id


def resolve(engine: Engine, broadcast_id: str, verdict: NotSent | Sent) -> None:
    resolves.resolve(engine, broadcast_id, 1, verdict=verdict, who="tests")


def test_nothing_is_stored_where_nobody_is_to_hear_of_it(engine: Engine) -> None:
    doubtful(engine)

    assert stored(engine) == []
    with engine.begin() as connection:
        notices.add(connection, kind="test", account=None, subject="s", key="k")
    assert notices.newest(engine, list(NoticeState), 9) == []


def test_a_receiver_hears_what_happens_from_then_on_and_not_the_past(engine: Engine) -> None:
    before = doubtful(engine)
    operator.cancel(engine, ledger.broadcast(engine), who="tests")
    register(engine, WECOM)
    assert stored(engine) == []

    doubtful(engine)
    assert stored(engine) == ["doubt"]
    register(engine, WECOM, SLACK)
    assert stored(engine, name=SLACK) == []
    resolve(engine, before, NotSent())
    assert stored(engine) == ["doubt", "end"]
    assert stored(engine, name=SLACK) == ["end"]


@pytest.mark.every_database
def test_each_gate_and_each_doubt_is_reported_once_however_many_sweep(engine: Engine) -> None:
    register(engine, WECOM)
    broadcast_id = doubtful(engine)
    ledger.stop(engine, ledger.account())
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(unreported.report, [engine] * 6))

    assert sorted(stored(engine)) == ["doubt", "gate"]
    # What is opened and closes again is news, and so is a doubt after a retry.
    operator.unhalt(engine, None, who="tests")
    ledger.stop(engine, ledger.account())
    assert sorted(stored(engine)) == ["doubt", "gate", "gate"]
    operator.unhalt(engine, None, who="tests")
    resolve(engine, broadcast_id, NotSent())
    retries.retry(engine, broadcast_id, who="tests")
    driver = Driver(engine)
    driver.record(driver.claim(), said(45065))
    assert sorted(stored(engine)) == ["doubt", "doubt", "gate", "gate"]


def test_what_a_person_did_is_no_news(engine: Engine) -> None:
    register(engine, WECOM)
    broadcast_id = ledger.broadcast(engine)
    operator.pause(engine, broadcast_id, who="tests")
    operator.halt(engine, "default", who="tests")

    assert stored(engine) == []


def test_what_kept_a_broadcast_that_ended_is_no_news(engine: Engine) -> None:
    register(engine, WECOM)
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    # Its content was refused: the circuit breaker keeps the rest back.
    driver.call(said(45002))
    operator.cancel(engine, broadcast_id, who="tests")

    assert stored(engine) == ["end"]


def test_each_end_and_each_that_differs_is_reported(engine: Engine) -> None:
    register(engine, WECOM)
    broadcast_id = ledger.ended(engine)
    assert stored(engine) == ["end"]
    # WeChat's later word moves a batch to another set.
    for row in ledger.batches(engine, broadcast_id)[:1]:
        recorded_ends.record_status(engine, row, "SEND_FAIL", waits=Waits())
    assert stored(engine) == ["end", "end"]
    assert stored(engine) == ["end", "end"]


def test_what_was_posted_stays_so_though_its_next_post_fails(engine: Engine) -> None:
    again = timedelta(minutes=30)
    register(engine, WECOM)
    doubtful(engine)
    unreported.report(engine)
    assert waiting(engine) == 1

    def post(state: NoticeState, problem: Message | None = None) -> Notice:
        some = notices.reserve(engine, [WECOM], put_off=PUT_OFF)
        notices.record(engine, some, state, waits=Waits(), problem=problem, again=again)
        ledger.pass_time(engine, again)
        [one] = notices.newest(engine, list(NoticeState), 9)
        return one

    assert post(NoticeState.SENT).was_posted
    assert post(NoticeState.WAITING, Message("notice.problem.unconfirmed", answer="x")).was_posted
    assert waiting(engine) == 0


def waiting(engine: Engine) -> float:
    return metrics.samples(engine)["box_items"]["notices", "waiting"]


def test_an_end_in_doubt_is_no_end_and_what_comes_of_it_is(engine: Engine) -> None:
    register(engine, WECOM)
    broadcast_id = doubtful(engine)
    assert stored(engine) == ["doubt"]
    resolve(engine, broadcast_id, NotSent())
    assert stored(engine) == ["doubt", "end"]


def test_what_a_transaction_adds_is_there_with_it_and_once(engine: Engine) -> None:
    register(engine, WECOM, SLACK)
    for _ in range(2):
        with engine.begin() as connection:
            notices.add(connection, kind="test", account="default", subject="早安", key="早安 1")
    with engine.connect() as connection:
        notices.add(connection, kind="test", account="default", subject="早安", key="早安 2")

    found = notices.newest(engine, list(NoticeState), 9)
    assert sorted(one.receiver for one in found) == [SLACK, WECOM]


def taken(engine: Engine, *names: str) -> list[Notice]:
    return list(notices.reserve(engine, names, put_off=PUT_OFF))


@pytest.mark.every_database
def test_of_several_workers_one_takes_what_is_due_and_another_when_it_died(engine: Engine) -> None:
    register(engine, WECOM)
    doubtful(engine)
    unreported.report(engine)
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda _: taken(engine, WECOM), range(6)))

    assert sorted(map(len, found)) == [0, 0, 0, 0, 0, 1]
    ledger.pass_time(engine, PUT_OFF)
    [again] = taken(engine, WECOM)
    # Whether it was said nobody knows.
    assert again.tries == 0


@pytest.mark.every_database
def test_a_bot_is_posted_to_at_its_pace(engine: Engine) -> None:
    register(engine, WECOM)
    for key in "ab":
        with engine.begin() as connection:
            notices.add(connection, kind="test", account=None, subject="s", key=key)
        if key == "a":
            notices.record(engine, taken(engine, WECOM), NoticeState.SENT, waits=Waits())

    assert taken(engine, WECOM) == []
    ledger.pass_time(engine, timedelta(seconds=4))
    assert len(taken(engine, WECOM)) == 1


@pytest.mark.every_database
def test_what_was_sent_meanwhile_is_not_reopened_by_a_late_failure(engine: Engine) -> None:
    register(engine, WECOM)
    doubtful(engine)
    unreported.report(engine)
    mine = taken(engine, WECOM)
    notices.record(engine, mine, NoticeState.SENT, waits=WAITS)
    problem = Message("notice.problem.unconfirmed", answer="?")
    notices.record(engine, mine, NoticeState.WAITING, problem=problem, waits=WAITS)

    [one] = notices.newest(engine, list(NoticeState), 9)
    assert (one.state, one.problem, one.due_at) == (NoticeState.SENT, None, None)


def test_a_receiver_that_was_taken_out_hears_no_more_and_in_again_from_then_on(
    engine: Engine,
) -> None:
    register(engine, WECOM, SLACK)
    doubtful(engine)
    unreported.report(engine)
    # A worker starts with other settings.
    register(engine, SLACK, alone=True)
    doubtful(engine)

    assert stored(engine) == ["doubt"]
    assert stored(engine, name=SLACK) == ["doubt", "doubt"]
    [lost] = notices.newest(engine, [NoticeState.GIVEN_UP], 9)
    assert (lost.receiver, lost.due_at) == (WECOM, None)
    register(engine, WECOM, SLACK, alone=True)
    assert stored(engine) == ["doubt"]


@pytest.mark.every_database
def test_nothing_waits_for_receivers_of_whom_the_last_was_taken_out(engine: Engine) -> None:
    register(engine, WECOM)
    doubtful(engine)
    unreported.report(engine)
    half_hour = timedelta(minutes=30)
    notices.record(engine, taken(engine, WECOM), NoticeState.SENT, waits=WAITS, again=half_hour)
    doubtful(engine)
    unreported.report(engine)
    register(engine, alone=True)

    assert notices.registered(engine) == []
    lost, repeated = notices.newest(engine, list(NoticeState), 9)
    assert (lost.state, repeated.state) == (NoticeState.GIVEN_UP, NoticeState.SENT)
    assert (lost.due_at, repeated.due_at) == (None, None)
    # Nobody would post it.
    assert notices.retry_given_up(engine) == 0
    assert notices.newest(engine, [NoticeState.GIVEN_UP, NoticeState.WAITING], 9) == []
