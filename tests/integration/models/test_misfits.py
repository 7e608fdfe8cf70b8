"""Jobs that, by WeChat's report of their end, cannot be the batch for which they are named."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from broadcast.rules.finish_events import Counts
from broadcast.rules.jobs import LONGEST, SKEW
from broadcast.rules.states import BatchState
from models.ledger.outcomes import recorded_ends
from tests.integration.models.stories import take_over
from tests.integration.models.test_finishes import event
from tests.integration.models.test_jobs import push
from tests.integration.models.words import DAY, doubt, refused, resolve
from tests.kit import ledger
from tests.kit.ledger import Driver, said


def to_nobody(driver: Driver, msg_id: int) -> None:
    """Take the report of a job for which WeChat counted nobody."""
    counts = Counts(total=0, eligible=0, sent=0, errors=0)
    recorded_ends.record_finish_event(
        driver.engine, "default", replace(event(msg_id), counts=counts)
    )


def accepted_twice(driver: Driver, msg_ids: tuple[int, int]) -> None:
    """Bring the next batch in doubt by two replies 0 with different msg_ids."""
    first = driver.claim()
    take_over(driver).call(said(0, msg_id=msg_ids[1]))
    driver.record(first, said(0, msg_id=msg_ids[0]))


def test_job_to_nobody_is_no_batch_of_followers(driver: Driver, broadcast_id: str) -> None:
    doubt(driver)
    to_nobody(driver, 99)

    assert refused(driver.engine, broadcast_id, 99).message_id == "error.resolve.to_nobody"
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.IN_DOUBT


def test_job_that_a_reply_named_is_the_batch_whatever_its_report_counts(
    driver: Driver, broadcast_id: str
) -> None:
    accepted_twice(driver, (98, 99))
    to_nobody(driver, 99)

    resolve(driver.engine, broadcast_id, 99)

    assert ledger.batch(driver.engine, broadcast_id).msg_id == 99


@pytest.mark.parametrize("after", [-7 * DAY, -SKEW - timedelta(minutes=1), LONGEST + DAY])
def test_job_of_a_time_at_which_no_call_can_have_begun_it_is_refused(
    driver: Driver, broadcast_id: str, after: timedelta
) -> None:
    doubt(driver)
    push(driver.engine, 99, after=after)

    why = refused(driver.engine, broadcast_id, 99)

    assert (why.message_id, why.facts["n"], why.facts["msg_id"]) == (
        "error.resolve.other_time",
        1,
        99,
    )
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.IN_DOUBT


@pytest.mark.parametrize("after", [-SKEW + timedelta(minutes=1), LONGEST - timedelta(minutes=1)])
def test_job_of_a_time_at_which_a_call_can_have_begun_it_is_taken(
    driver: Driver, broadcast_id: str, after: timedelta
) -> None:
    doubt(driver)
    push(driver.engine, 99, after=after)

    resolve(driver.engine, broadcast_id, 99)

    assert ledger.batch(driver.engine, broadcast_id).msg_id == 99


def test_job_that_a_reply_named_is_the_batch_whenever_it_ended(
    driver: Driver, broadcast_id: str
) -> None:
    accepted_twice(driver, (98, 99))
    push(driver.engine, 99, after=-7 * DAY)

    resolve(driver.engine, broadcast_id, 99)

    assert ledger.batch(driver.engine, broadcast_id).msg_id == 99
