"""Finish events settle the batch that has their msg_id, whichever of the two came first."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from broadcast.rules.calls.operator_verdict import NotSent, Sent
from broadcast.rules.calls.waits import Waits
from broadcast.rules.finish_events import Article, Copyright, Counts, Delivered, FinishEvent
from broadcast.rules.states import BatchState, BroadcastState, Reason
from models.every_table import Finish
from models.ledger.lane import record_outcomes
from models.ledger.outcomes import recorded_ends, resolves
from models.ledger.views import broadcast_reports
from tests.integration.models.stories import doubt, lost_then, snapshot
from tests.integration.models.tampering import found
from tests.kit import ledger
from tests.kit.ledger import Driver, said

FIRST = timedelta(minutes=2, seconds=1)
WAITS = Waits()
B = BatchState
MORNING = datetime(2026, 11, 27, 1, tzinfo=UTC)
NOON = datetime(2026, 11, 27, 4, tzinfo=UTC)


def event(msg_id: int, status: str = "send success", *, sent: int | None = 9) -> FinishEvent:
    """Return the event of a job to ten followers, of whom nine were left."""
    none = status.startswith("err")
    counts = Counts(
        total=0 if none else 10,
        eligible=0 if none else 9,
        sent=0 if none else sent,
        errors=0 if none or sent is None else 9 - sent,
    )
    return FinishEvent(msg_id=msg_id, status=status, counts=counts)


def stands(engine: Engine, broadcast_id: str, n: int = 1) -> tuple[BatchState, Reason | None]:
    """Return the state and the reason of a batch."""
    row = ledger.batch(engine, broadcast_id, n)
    return row.state, row.reason


def rows(engine: Engine) -> list[Any]:
    """Return the events that are stored."""
    with engine.connect() as connection:
        return list(connection.execute(select(Finish.__table__).order_by(Finish.id)).all())


def test_event_finishes_the_batch_and_mass_get_is_asked_no_more(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(0, msg_id=71))
    driver.call(said(0, msg_id=72))

    taken = recorded_ends.record_finish_event(driver.engine, "default", event(71))

    assert (taken.new, taken.broadcast_id, taken.n) == (True, broadcast_id, 1)
    assert stands(driver.engine, broadcast_id) == (B.FINISHED, None)
    assert stands(driver.engine, broadcast_id, 2) == (B.ACCEPTED, None)
    ledger.pass_time(driver.engine, FIRST)
    assert [row.msg_id for row in recorded_ends.due_batches(driver.engine, "default", 9)] == [72]
    assert found(driver.engine) == set()


def test_event_before_our_own_reply_is_kept_and_met(driver: Driver, broadcast_id: str) -> None:
    claim = driver.claim()
    assert (
        recorded_ends.record_finish_event(driver.engine, "default", event(71)).broadcast_id is None
    )
    assert stands(driver.engine, broadcast_id) == (B.CALLING, None)

    driver.record(claim, said(0, msg_id=71))

    assert stands(driver.engine, broadcast_id) == (B.FINISHED, None)
    assert ledger.batch(driver.engine, broadcast_id).poll_at is None
    assert found(driver.engine) == set()


def test_event_before_a_45065_that_names_its_job_is_met(driver: Driver, broadcast_id: str) -> None:
    lost_then(driver)
    recorded_ends.record_finish_event(driver.engine, "default", event(71))
    assert stands(driver.engine, broadcast_id)[0] is B.UNKNOWN

    ledger.pass_time(driver.engine, timedelta(seconds=3))
    driver.call(said(45065, msg_id=71))

    assert stands(driver.engine, broadcast_id) == (B.FINISHED, None)


def test_event_twice_changes_nothing(driver: Driver, broadcast_id: str) -> None:
    driver.call(said(0, msg_id=71))
    recorded_ends.record_finish_event(driver.engine, "default", event(71))
    before = (snapshot(driver.engine), rows(driver.engine))

    again = recorded_ends.record_finish_event(driver.engine, "default", event(71, "err(20001)"))

    assert (again.new, again.n) == (False, 1)
    assert (snapshot(driver.engine), rows(driver.engine)) == before


@pytest.mark.every_database
def test_events_of_one_job_that_come_to_several_processes_at_once_leave_the_weightiest(
    engine: Engine, broadcast_id: str
) -> None:
    words = [
        replace(event(71, "err(20001)", sent=0), created_at=NOON),
        event(71, sent=3),
        event(71, "send fail", sent=8),
        replace(event(71, sent=0), created_at=MORNING),
    ]
    together = threading.Barrier(len(words))

    def take(one: FinishEvent) -> None:
        together.wait()
        recorded_ends.record_finish_event(engine, "sent-nothing-yet", one)

    with ThreadPoolExecutor(len(words)) as threads:
        list(threads.map(take, words))
    [stored] = rows(engine)
    assert (stored.status, stored.sent) == ("send fail", 8)


@pytest.mark.every_database
def test_event_that_comes_to_several_processes_at_once_is_stored_once(
    engine: Engine, broadcast_id: str
) -> None:
    together = threading.Barrier(4)

    def take(n: int) -> bool:
        together.wait()
        account = "default" if n % 2 else "sent-nothing-yet"
        return recorded_ends.record_finish_event(engine, account, event(71)).new

    with ThreadPoolExecutor(4) as threads:
        new = list(threads.map(take, range(4)))
    assert sorted(new) == [False, False, True, True]
    assert sorted(row.account for row in rows(engine)) == ["default", "sent-nothing-yet"]


def test_event_of_another_account_is_nobodys(driver: Driver, broadcast_id: str) -> None:
    ledger.broadcast(driver.engine, owner=ledger.account("other"))
    driver.call(said(0, msg_id=71))

    assert recorded_ends.record_finish_event(driver.engine, "other", event(71)).broadcast_id is None

    assert stands(driver.engine, broadcast_id) == (B.ACCEPTED, None)


def test_event_is_never_matched_by_its_counts(driver: Driver, broadcast_id: str) -> None:
    doubt(driver)

    recorded_ends.record_finish_event(driver.engine, "default", event(71))

    assert stands(driver.engine, broadcast_id)[0] is B.IN_DOUBT
    assert ledger.batch(driver.engine, broadcast_id).msg_id is None


def test_operators_msg_id_meets_its_event(driver: Driver, broadcast_id: str) -> None:
    doubt(driver)
    recorded_ends.record_finish_event(driver.engine, "default", event(71))

    resolves.resolve(driver.engine, broadcast_id, 1, verdict=Sent(71), who="a person")

    assert stands(driver.engine, broadcast_id) == (B.FINISHED, Reason.SAID_SENT)
    resolves.resolve(driver.engine, broadcast_id, 1, verdict=NotSent(), who="a person")
    assert stands(driver.engine, broadcast_id) == (B.REFUSED, Reason.SAID_NOT_SENT)
    assert found(driver.engine) == set()


def test_event_proves_an_already_accepted_that_nothing_else_proved(
    driver: Driver, broadcast_id: str
) -> None:
    """The 45065 came on a first call, so it could have been about any job."""
    driver.call(said(45065, msg_id=71))
    assert stands(driver.engine, broadcast_id) == (B.UNKNOWN, Reason.UNPROVED_ACCEPTANCE)

    recorded_ends.record_finish_event(driver.engine, "default", event(71))

    assert stands(driver.engine, broadcast_id) == (B.FINISHED, None)
    assert found(driver.engine) == set()


def test_event_settles_the_doubt_of_the_one_batch_to_which_wechat_named_its_job(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(45065, msg_id=71))
    ledger.pass_time(driver.engine, timedelta(minutes=11))
    row = ledger.batch(driver.engine, broadcast_id)
    record_outcomes.confirm(driver.engine, row.id, 71, known=False)
    assert stands(driver.engine, broadcast_id)[0] is B.IN_DOUBT

    recorded_ends.record_finish_event(driver.engine, "default", event(71))

    assert stands(driver.engine, broadcast_id) == (B.FINISHED, None)


def test_event_settles_nothing_where_wechat_named_its_job_to_two_batches(
    driver: Driver, broadcast_id: str
) -> None:
    for n in (1, 2):
        driver.call(said(45065, msg_id=71))
        ledger.pass_time(driver.engine, timedelta(minutes=11))
        driver = Driver(driver.engine)
        row = ledger.batch(driver.engine, broadcast_id, n)
        record_outcomes.confirm(driver.engine, row.id, 71, known=False)

    recorded_ends.record_finish_event(driver.engine, "default", event(71))

    assert ledger.states(driver.engine, broadcast_id) == {B.IN_DOUBT: 2}


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("err(20001)", Reason.REVIEW_REFUSED),
        ("err(20431)", Reason.REVIEW_REFUSED),
        # WeChat says nothing of a review.
        ("send fail", Reason.JOB_FAILED),
    ],
)
def test_refusal_of_a_job_is_told_after_the_end_of_the_broadcast(
    driver: Driver, broadcast_id: str, status: str, reason: Reason
) -> None:
    driver.call(said(0, msg_id=71))
    driver.call(said(0, msg_id=72))
    assert broadcast_reports.report(driver.engine, broadcast_id).state is BroadcastState.COMPLETED

    recorded_ends.record_finish_event(driver.engine, "default", event(71, status, sent=0))
    assert stands(driver.engine, broadcast_id) == (B.REFUSED, reason)
    assert broadcast_reports.report(driver.engine, broadcast_id).state is BroadcastState.PARTIAL

    recorded_ends.record_finish_event(driver.engine, "default", event(72, status, sent=0))
    assert broadcast_reports.report(driver.engine, broadcast_id).state is BroadcastState.FAILED
    assert found(driver.engine) == set()


def test_refusal_that_comes_before_our_reply_waits_for_it(
    driver: Driver, broadcast_id: str
) -> None:
    recorded_ends.record_finish_event(driver.engine, "default", event(72, "err(20013)"))
    driver.call(said(0, msg_id=71))
    driver.call(said(0, msg_id=72))

    assert stands(driver.engine, broadcast_id, 2) == (B.REFUSED, Reason.REVIEW_REFUSED)
    assert broadcast_reports.report(driver.engine, broadcast_id).state is BroadcastState.PARTIAL


def test_failure_after_which_some_have_it_leaves_the_batch_accepted(
    driver: Driver, broadcast_id: str
) -> None:
    """Whoever takes them for missed would send to them a second time."""
    driver.call(said(0, msg_id=71))

    recorded_ends.record_finish_event(driver.engine, "default", event(71, "send fail", sent=3))

    assert stands(driver.engine, broadcast_id) == (B.FINISHED, None)


def test_word_that_no_list_names_leaves_the_batch_to_mass_get(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(0, msg_id=71))
    recorded_ends.record_finish_event(driver.engine, "default", event(71, "something new", sent=0))
    assert stands(driver.engine, broadcast_id) == (B.ACCEPTED, None)

    ledger.pass_time(driver.engine, FIRST)
    [row] = recorded_ends.due_batches(driver.engine, "default", 9)
    recorded_ends.record_status(driver.engine, row, recorded_ends.FAILED, waits=WAITS)

    assert stands(driver.engine, broadcast_id) == (B.REFUSED, Reason.JOB_FAILED)
    # WeChat names its review only later.
    later = replace(event(71, "err(20001)", sent=0), created_at=NOON)
    recorded_ends.record_finish_event(driver.engine, "default", later)
    assert stands(driver.engine, broadcast_id) == (B.REFUSED, Reason.REVIEW_REFUSED)


@pytest.mark.parametrize("event_first", [True, False])
@pytest.mark.parametrize(
    ("polled", "status", "sent", "ends"),
    [
        ("SEND_SUCCESS", "err(20001)", 0, B.REFUSED),
        ("DELETE", "send fail", 0, B.REFUSED),
        ("SEND_FAIL", "send success", 9, B.FINISHED),
        ("SEND_FAIL", "send success", 0, B.FINISHED),
    ],
    ids=["sent-refused", "deleted-failed", "failed-sent", "failed-nobody"],
)
def test_event_outweighs_mass_get_whichever_came_first(
    driver: Driver,
    broadcast_id: str,
    *,
    polled: str,
    status: str,
    sent: int,
    ends: B,
    event_first: bool,
) -> None:
    driver.call(said(0, msg_id=71))
    driver.call(said(0, msg_id=72))
    ledger.pass_time(driver.engine, FIRST)
    [row, _] = recorded_ends.due_batches(driver.engine, "default", 9)
    if event_first:
        recorded_ends.record_finish_event(driver.engine, "default", event(71, status, sent=sent))
    failed = recorded_ends.record_status(driver.engine, row, polled, waits=WAITS)
    assert failed == (polled == recorded_ends.FAILED and not event_first)
    if not event_first:
        recorded_ends.record_finish_event(driver.engine, "default", event(71, status, sent=sent))

    assert stands(driver.engine, broadcast_id)[0] is ends
    assert ledger.batch(driver.engine, broadcast_id).poll_at is None
    assert found(driver.engine) == set()


def test_report_adds_up_the_counts_of_the_accepted_batches(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(0, msg_id=71))
    driver.call(said(0, msg_id=72))
    assert broadcast_reports.report(driver.engine, broadcast_id).delivered == Delivered()

    recorded_ends.record_finish_event(driver.engine, "default", event(71, sent=8))
    one = broadcast_reports.report(driver.engine, broadcast_id)
    recorded_ends.record_finish_event(driver.engine, "default", event(72, sent=9))
    both = broadcast_reports.report(driver.engine, broadcast_id)

    assert one.delivered == Delivered(jobs=1, counts=Counts(total=10, eligible=9, sent=8, errors=1))
    assert both.delivered == Delivered(
        jobs=2, counts=Counts(total=20, eligible=18, sent=17, errors=1)
    )
    assert both.batches["finished"] == 2
    assert both.version > one.version
    [first, _] = both.batch_list
    assert first.finish is not None
    assert first.finish.counts == event(71, sent=8).counts


def test_report_adds_up_only_figures_that_every_job_has(driver: Driver, broadcast_id: str) -> None:
    driver.call(said(0, msg_id=71))
    driver.call(said(0, msg_id=72))
    recorded_ends.record_finish_event(driver.engine, "default", event(71, sent=8))
    unread = Counts(eligible=9, sent=7, errors=2)
    recorded_ends.record_finish_event(driver.engine, "default", replace(event(72), counts=unread))

    told = broadcast_reports.report(driver.engine, broadcast_id).delivered

    assert told == Delivered(jobs=2, counts=Counts(eligible=18, sent=15, errors=3))


def test_event_is_read_as_it_was_pushed(driver: Driver, broadcast_id: str) -> None:
    whole = replace(
        event(71),
        articles=(Article(n=1, url="http://mp.weixin.qq.com/s/图"),),
        check_state=3,
        copyright=(Copyright(n=1, original_url="http://x", may_reprint=0),),
        created_at=datetime(2026, 11, 27, 5, tzinfo=UTC),
    )
    driver.call(said(0, msg_id=71))

    recorded_ends.record_finish_event(driver.engine, "default", whole)

    assert broadcast_reports.report(driver.engine, broadcast_id).batch_list[0].finish == whole


@pytest.mark.parametrize("status", ["send fail", "err(20001)"])
def test_counts_of_a_job_that_the_review_refused_are_added(
    driver: Driver, broadcast_id: str, status: str
) -> None:
    driver.call(said(0, msg_id=71))
    driver.call(said(0, msg_id=72))
    recorded_ends.record_finish_event(driver.engine, "default", event(71))
    recorded_ends.record_finish_event(driver.engine, "default", event(72, status, sent=0))

    there = broadcast_reports.report(driver.engine, broadcast_id)

    each = event(71).counts, event(72, status, sent=0).counts
    added = {
        name: sum(getattr(one, name) or 0 for one in each)
        for name in ("total", "eligible", "sent", "errors")
    }
    assert there.delivered == Delivered(jobs=2, counts=Counts(**added))
    assert there.batch_list[1].finish is not None
