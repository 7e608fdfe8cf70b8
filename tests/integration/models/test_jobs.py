"""Jobs that WeChat ended and no batch has: the console's, or a batch's of unknown msg_id."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Engine

from broadcast.rules.calls.operator_verdict import NotSent, Sent
from broadcast.rules.jobs import Job, Period
from models.engine import now
from models.ledger.lane import call_history, record_outcomes
from models.ledger.outcomes import job_lookup, recorded_ends, resolves
from models.ledger.rows.transaction import read
from tests.integration.models.stories import doubt
from tests.integration.models.test_finishes import event
from tests.kit import ledger
from tests.kit.ledger import Driver, said

DAY = timedelta(days=1)


def ended(engine: Engine, account: str = "default") -> list[Job]:
    with read(engine) as connection:
        moment = now(connection)
        return list(
            job_lookup.jobs_ended(connection, account, Period(moment - 3 * DAY, moment + 3 * DAY))
        )


def push(engine: Engine, msg_id: int, *, after: timedelta = timedelta()) -> None:
    """Take the event of a job that ended so long after now."""
    with read(engine) as connection:
        at = now(connection) + after
    recorded_ends.record_finish_event(engine, "default", replace(event(msg_id), created_at=at))


def test_job_of_a_batch_is_that_batchs(driver: Driver, broadcast_id: str) -> None:
    driver.call(said(0, msg_id=71))
    push(driver.engine, 71)

    [job] = ended(driver.engine)

    assert job.owner is not None
    assert (job.owner.broadcast_id, job.owner.n) == (broadcast_id, 1)
    assert not job.of_console
    assert ended(driver.engine, "other") == []


def test_job_that_no_call_can_have_begun_is_the_consoles(driver: Driver, broadcast_id: str) -> None:
    driver.call(said(0, msg_id=71))
    push(driver.engine, 99)

    [job] = ended(driver.engine)

    assert job.of_console
    assert job.owner is None


def test_job_that_a_batch_in_doubt_can_be_is_offered_and_not_booked_as_the_consoles(
    driver: Driver, broadcast_id: str
) -> None:
    doubt(driver)
    push(driver.engine, 99, after=timedelta(minutes=20))

    [job] = ended(driver.engine)
    called = call_history.called_at(driver.engine, broadcast_id)

    assert not job.of_console
    assert job.as_batch(broadcast_id, 1) is not None
    assert job.as_batch(broadcast_id, 2) is None
    assert job_lookup.jobs_around(driver.engine, "default", list(called.values())) == [job]


def test_job_that_a_review_held_for_hours_can_be_the_batch_in_doubt(
    driver: Driver, broadcast_id: str
) -> None:
    """Called the console's, it would leave a person to say "not sent", and a retry to double it."""
    doubt(driver)
    push(driver.engine, 98, after=timedelta(hours=3))

    [job] = ended(driver.engine)

    assert job.as_batch(broadcast_id, 1) is not None


def test_job_days_after_the_doubtful_call_is_the_consoles(
    driver: Driver, broadcast_id: str
) -> None:
    doubt(driver)
    push(driver.engine, 98, after=timedelta(hours=49))
    push(driver.engine, 99, after=-timedelta(minutes=30))

    assert [job.of_console for job in ended(driver.engine)] == [True, True]


def test_job_of_the_hour_of_a_batch_that_was_sent_without_a_msg_id_is_not_the_consoles(
    driver: Driver, broadcast_id: str
) -> None:
    doubt(driver)
    resolves.resolve(driver.engine, broadcast_id, 1, verdict=Sent(), who="a person")
    push(driver.engine, 99)
    assert ended(driver.engine)[0].as_batch(broadcast_id, 1)

    resolves.resolve(driver.engine, broadcast_id, 1, verdict=Sent(99), who="a person")

    [job] = ended(driver.engine)
    assert job.owner is not None


def test_job_of_the_hour_of_a_batch_called_not_sent_speaks_against_that_verdict(
    driver: Driver, broadcast_id: str
) -> None:
    doubt(driver)
    resolves.resolve(driver.engine, broadcast_id, 1, verdict=NotSent(), who="a person")
    push(driver.engine, 99)

    [job] = ended(driver.engine)

    assert job.as_batch(broadcast_id, 1) is not None


def test_job_that_a_reply_named_to_two_batches_is_offered_to_both(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(45065, msg_id=99))
    row = ledger.batch(driver.engine, broadcast_id)
    ledger.pass_time(driver.engine, timedelta(minutes=11))
    record_outcomes.confirm(driver.engine, row.id, 99, known=False)
    Driver(driver.engine).call(said(45065, msg_id=99))
    push(driver.engine, 99, after=timedelta(hours=5))

    [job] = ended(driver.engine)

    assert {one.n for one in job.candidates} == {1, 2}


def test_events_of_other_days_are_not_read(driver: Driver, broadcast_id: str) -> None:
    push(driver.engine, 99, after=-3 * DAY)

    assert ended(driver.engine) == []
