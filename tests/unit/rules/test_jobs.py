"""Jobs beside the batches that they can be: which is likeliest, and which is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from broadcast.rules.finish_events import Counts, FinishEvent
from broadcast.rules.jobs import Job, OurBatch, counts_another, likeliest_first, went_to_nobody
from broadcast.rules.states import BatchState

NOW = datetime(2026, 11, 27, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OURS = OurBatch(
    broadcast_id="b", n=1, size=10, state=BatchState.IN_DOUBT, reason=None, called_at=NOW
)


def event(total: int | None, *, msg_id: int = 1, status: str = "send success") -> FinishEvent:
    return FinishEvent(msg_id=msg_id, status=status, counts=Counts(total=total, sent=0))


def job(msg_id: int, total: int | None, *, after: timedelta = MINUTE) -> Job:
    return Job(event=event(total, msg_id=msg_id), ended_at=NOW + after, candidates=(OURS,))


def test_job_of_the_same_size_comes_first_and_then_what_ended_after_the_call() -> None:
    jobs = [
        job(1, 30_000, after=-MINUTE),
        job(2, 10, after=-MINUTE),
        job(3, 2),
        job(4, None),
        job(5, 10),
        job(6, 10, after=2 * MINUTE),
    ]

    assert [one.event.msg_id for one in likeliest_first(jobs, "b", 1)] == [5, 6, 2, 4, 3, 1]


def test_job_of_another_batch_is_not_among_those_that_can_be_it() -> None:
    owned = replace(job(1, 10), owner=OURS)

    assert likeliest_first([owned, job(2, 10)], "b", 2) == []
    assert likeliest_first([owned], "b", 1) == []


@pytest.mark.parametrize(
    ("after", "before"),
    [
        (-MINUTE, True),
        (timedelta(seconds=-1), True),
        (timedelta(seconds=-0.9), False),
        (timedelta(), False),
        (MINUTE, False),
    ],
)
def test_job_ended_before_the_call_by_more_than_wechats_second(
    after: timedelta, *, before: bool
) -> None:
    assert job(1, 10, after=after).ended_before(OURS) is before
    assert not job(1, 10, after=after).ended_before(replace(OURS, called_at=None))


@pytest.mark.parametrize(
    ("total", "size", "status", "another", "nobody"),
    [
        (10, 10, "send success", False, False),
        (9, 10, "send success", True, False),
        (0, 10, "send success", True, True),
        (None, 10, "send success", False, False),
        # WeChat's own list has no size.
        (0, None, "send success", False, False),
        (9, None, "send success", False, False),
        # A review may stop a job before its list is counted.
        (0, 10, "err(20001)", False, False),
        (9, 10, "err(20001)", True, False),
        (0, 10, "a new word", True, False),
    ],
)
def test_count_of_another_list_is_a_hint_and_that_of_nobody_a_fact(
    total: int | None,
    size: int | None,
    status: str,
    another: bool,
    nobody: bool,
) -> None:
    told = event(total, status=status)

    assert (counts_another(told, size), went_to_nobody(told, size)) == (another, nobody)
