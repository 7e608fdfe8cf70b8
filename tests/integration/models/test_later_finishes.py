"""Finish events of one job that say different things, in every order; and what the audit finds."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from broadcast.rules.finish_events import FinishEvent
from broadcast.rules.states import Reason
from models.ledger.audit.case import Found
from models.ledger.lists import recipients
from models.ledger.outcomes import recorded_ends
from models.ledger.steer import retries
from models.ledger.views import broadcast_reports
from tests.integration.models.tampering import change_batch, found
from tests.integration.models.test_finishes import MORNING, NOON, B, event, rows, stands
from tests.kit.ledger import Driver, said


@pytest.mark.parametrize("in_order", [True, False])
def test_later_word_of_wechat_takes_the_place_of_the_earlier_in_whichever_order_they_come(
    driver: Driver, broadcast_id: str, *, in_order: bool
) -> None:
    """The review first refused the job and then let it go."""
    refused = replace(event(71, "err(20001)"), created_at=MORNING)
    sent = replace(event(71), created_at=NOON)
    driver.call(said(0, msg_id=71))

    for one in (refused, sent) if in_order else (sent, refused):
        recorded_ends.record_finish_event(driver.engine, "default", one)

    assert stands(driver.engine, broadcast_id) == (B.FINISHED, None)
    [stored] = rows(driver.engine)
    assert (stored.status, stored.sent) == ("send success", 9)


def test_later_refusal_takes_nobody_away_who_got_it(driver: Driver, broadcast_id: str) -> None:
    """Whoever takes them for missed would send to them a second time."""
    driver.call(said(0, msg_id=71))
    recorded_ends.record_finish_event(
        driver.engine, "default", replace(event(71), created_at=MORNING)
    )

    again = recorded_ends.record_finish_event(
        driver.engine, "default", replace(event(71, "err(20001)"), created_at=NOON)
    )

    assert again.new is False
    assert stands(driver.engine, broadcast_id) == (B.FINISHED, None)


#: What WeChat may say of one job, by who got it and when it says so.
WORDS = [
    replace(event(71), created_at=MORNING),
    FinishEvent(msg_id=71, status="err(20001)", created_at=NOON),
    replace(event(71, "something new", sent=0), created_at=NOON),
]


@pytest.mark.parametrize("order", [*permutations(range(len(WORDS)))], ids=str)
def test_job_stands_the_same_in_whichever_order_its_words_come(
    driver: Driver, broadcast_id: str, order: tuple[int, ...]
) -> None:
    """Nine got it: nobody may be offered another send to them."""
    driver.call(said(0, msg_id=71))
    for n in order:
        recorded_ends.record_finish_event(driver.engine, "default", WORDS[n])

    assert stands(driver.engine, broadcast_id) == (B.FINISHED, None)
    assert list(recipients.portions(driver.engine, broadcast_id, "refused")) == []
    assert [group.numbers for group in retries.retry_verdicts(driver.engine, broadcast_id)] == [[2]]
    assert broadcast_reports.report(driver.engine, broadcast_id).delivered.counts.sent == 9
    assert found(driver.engine) == set()


@pytest.mark.parametrize("order", [*permutations(range(3))], ids=str)
def test_job_that_reached_nobody_is_refused_in_whichever_order_its_words_come(
    driver: Driver, broadcast_id: str, order: tuple[int, ...]
) -> None:
    """It was let go, refused, and then something was said that no list names."""
    words = [replace(event(71, sent=0), created_at=MORNING), *WORDS[1:]]
    driver.call(said(0, msg_id=71))
    for n in order:
        recorded_ends.record_finish_event(driver.engine, "default", words[n])

    assert stands(driver.engine, broadcast_id) == (B.REFUSED, Reason.REVIEW_REFUSED)
    assert found(driver.engine) == set()


def test_later_refusal_of_what_reached_nobody_is_a_refusal(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(0, msg_id=71))
    recorded_ends.record_finish_event(
        driver.engine, "default", replace(event(71, sent=0), created_at=MORNING)
    )

    recorded_ends.record_finish_event(
        driver.engine, "default", replace(event(71, "err(20001)"), created_at=NOON)
    )

    assert stands(driver.engine, broadcast_id) == (B.REFUSED, Reason.REVIEW_REFUSED)


@pytest.mark.parametrize(
    ("status", "state", "reason"),
    [
        ("send success", B.ACCEPTED, None),
        ("send success", B.REFUSED, Reason.REVIEW_REFUSED),
        ("err(20001)", B.FINISHED, None),
        ("err(20001)", B.ACCEPTED, None),
    ],
)
def test_audit_finds_a_batch_that_its_event_passed_by(
    driver: Driver, broadcast_id: str, status: str, state: B, reason: Reason | None
) -> None:
    driver.call(said(0, msg_id=71))
    recorded_ends.record_finish_event(driver.engine, "default", event(71, status))
    assert found(driver.engine) == set()

    change_batch(driver.engine, broadcast_id, 1, state=state, reason=reason)

    assert Found.UNMET in found(driver.engine)


@pytest.mark.parametrize(
    ("state", "reason", "polled"),
    [
        (B.FINISHED, None, "SENDING"),
        (B.FINISHED, None, None),
        (B.REFUSED, Reason.REVIEW_REFUSED, "SEND_SUCCESS"),
    ],
)
def test_audit_finds_an_end_that_nobody_reported(
    driver: Driver, broadcast_id: str, state: B, reason: Reason | None, polled: str | None
) -> None:
    driver.call(said(0, msg_id=71))

    change_batch(driver.engine, broadcast_id, 1, state=state, reason=reason, msg_status=polled)

    assert Found.UNREPORTED in found(driver.engine)
