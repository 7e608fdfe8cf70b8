"""What the ledger and WeChat say otherwise is named, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broadcast.rules.finish_events import Counts, FinishEvent
from broadcast.rules.jobs import (
    LONGEST,
    SKEW,
    Comparison,
    Difference,
    Job,
    OurBatch,
    Reconciled,
    compare,
    fits,
)
from broadcast.rules.states import BatchState, Reason

NOW = datetime(2026, 11, 27, 4, tzinfo=UTC)
B, D = BatchState, Difference


def batch(state: BatchState = B.FINISHED, **facts: Any) -> Reconciled:
    values: dict[str, Any] = {
        "id": 1,
        "broadcast_id": "20261127-abcdef",
        "n": 1,
        "size": 10,
        "state": state,
        "reason": None,
        "msg_id": 71,
        "msg_status": None,
        "first_called_at": NOW,
        "poll_at": None,
    }
    return Reconciled(**(values | facts))


def event(status: str = "send success", *, total: int | None = 10, sent: int = 9) -> FinishEvent:
    return FinishEvent(msg_id=71, status=status, counts=Counts(total=total, sent=sent))


def of(*batches: Reconciled, jobs: tuple[Job, ...] = ()) -> Comparison:
    return compare("shop", batches, jobs)


@pytest.mark.parametrize(
    ("there", "differences"),
    [
        (batch(event=event()), []),
        # WeChat's own list has no size that a count could differ from.
        (batch(event=event(), size=None), []),
        (batch(event=event(total=None)), []),
        (batch(event=event(total=9)), [D.OTHER_COUNT]),
        (batch(B.ACCEPTED, poll_at=NOW), []),
        (batch(B.ACCEPTED), [D.UNFINISHED]),
        (batch(B.ACCEPTED, poll_at=NOW, denied=True), [D.NO_JOB]),
        (batch(B.ACCEPTED, poll_at=NOW, denied=True, reason=Reason.SAID_SENT), [D.NO_JOB_NAMED]),
        (batch(B.ACCEPTED, msg_id=None, reason=Reason.SAID_SENT), [D.UNNAMED]),
        (batch(B.FINISHED, msg_status="SEND_SUCCESS"), []),
        (batch(reason=Reason.SAID_SENT, event=event(total=9), other_time=True), [D.OTHER_TIME]),
        (
            batch(
                B.REFUSED,
                reason=Reason.REVIEW_REFUSED,
                event=event("err(20001)", sent=0),
                other_time=True,
            ),
            [D.OTHER_TIME],
        ),
        (batch(B.REFUSED, reason=Reason.REVIEW_REFUSED), [D.REVIEW]),
        (batch(B.REFUSED, reason=Reason.JOB_FAILED, msg_status="SEND_FAIL"), [D.FAILED]),
        (
            batch(
                B.REFUSED,
                reason=Reason.REVIEW_REFUSED,
                event=event("err(20001)", total=812, sent=0),
            ),
            [D.REVIEW_OTHER],
        ),
        (
            batch(
                B.REFUSED,
                reason=Reason.REVIEW_REFUSED,
                msg_status="SEND_SUCCESS",
                event=event("err(20001)", total=0, sent=0),
            ),
            [D.REVIEW, D.CONTRADICTION],
        ),
        (batch(event=event(), msg_status="SEND_FAIL"), [D.CONTRADICTION]),
        (batch(event=event(), msg_status="SEND_SUCCESS"), []),
        (batch(B.REFUSED, reason=Reason.CONTENT_REFUSED, msg_id=None), []),
        (batch(B.IN_DOUBT, msg_id=None), [D.IN_DOUBT]),
        (batch(B.SPLIT, msg_id=None), []),
    ],
)
def test_each_difference_of_a_batch_is_named(
    there: Reconciled, differences: list[Difference]
) -> None:
    assert [one.difference for one in of(there).found] == differences


def test_what_is_not_known_yet_is_counted_and_no_difference() -> None:
    done = of(
        batch(B.ACCEPTED, poll_at=NOW), batch(msg_status="SEND_SUCCESS"), batch(event=event())
    )

    assert (done.batches, done.pending, done.uncounted, done.found) == (3, 1, 1, ())


def test_only_what_wechat_may_answer_newly_is_asked_about() -> None:
    assert batch(B.ACCEPTED).is_to_be_asked
    assert not batch(B.ACCEPTED, msg_id=None).is_to_be_asked
    assert not batch(B.FINISHED).is_to_be_asked


def test_job_of_no_batch_is_the_consoles_or_of_each_batch_that_it_can_be() -> None:
    ours = OurBatch(broadcast_id="20261127-abcdef", n=3, size=10, state=B.IN_DOUBT, reason=None)
    job = Job(event=event(), ended_at=NOW)
    done = of(
        jobs=(
            job,
            replace(job, owner=ours),
            replace(job, candidates=(ours, replace(ours, n=4))),
        )
    )

    assert [(one.difference, one.n) for one in done.found] == [
        (D.CONSOLE, None),
        (D.UNCLAIMED, 3),
        (D.UNCLAIMED, 4),
    ]
    assert done.jobs == 3


def test_a_batch_and_the_jobs_that_it_can_be_are_counted_as_a_person_would() -> None:
    ours = OurBatch(broadcast_id="20261127-abcdef", n=1, size=10, state=B.ACCEPTED, reason=None)
    unnamed = batch(B.ACCEPTED, msg_id=None, reason=Reason.SAID_SENT)
    one = Job(event=event(), ended_at=NOW, candidates=(ours, replace(ours, n=2)))
    two = replace(one, event=replace(event(), msg_id=72))
    console = Job(event=replace(event(), msg_id=73), ended_at=NOW)

    assert of(unnamed, jobs=(one,)).differences == 1
    assert of(unnamed, replace(unnamed, n=2), jobs=(one,)).differences == 2
    assert of(unnamed, jobs=(one, two)).differences == 2
    assert of(unnamed, jobs=(one, console)).differences == 2
    assert of(batch(B.IN_DOUBT, msg_id=None)).differences == 1
    assert of().differences == 0


@pytest.mark.parametrize(
    ("after", "can"),
    [
        (timedelta(), True),
        (LONGEST, True),
        (LONGEST + timedelta(seconds=1), False),
        (-SKEW, True),
        (-SKEW - timedelta(seconds=1), False),
    ],
)
def test_job_fits_a_call_by_its_time_alone(after: timedelta, *, can: bool) -> None:
    assert fits([NOW], NOW + after) is can
    assert fits([], NOW) is False
