"""Which verdict of an operator may take the place of which, and when WeChat's word stands."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from broadcast.rules.calls.attempts import Attempt
from broadcast.rules.calls.operator_verdict import (
    BatchHistory,
    NotSent,
    OperatorVerdict,
    Sent,
    corrects,
    is_deniable,
    is_misnamed,
    is_repeated,
    named_msg_ids,
)
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.states import BatchState, Reason

NOW = datetime(2026, 11, 27, 4, tzinfo=UTC)
B = BatchState
VERDICTS = (NotSent(), Sent(), Sent(8), Sent(9))


def call(outcome: Outcome | None, **facts: Any) -> Attempt:
    return Attempt(number=1, outcome=outcome, started_at=NOW - timedelta(hours=1), **facts)


LOST, REFUSED = call(Outcome.UNKNOWN), call(Outcome.STOP_ACCOUNT)
DENIED = call(Outcome.UNKNOWN, denied=True)


def stands(
    state: BatchState, reason: Reason | None, *calls: Attempt, msg_id: int | None = None
) -> BatchHistory:
    history = [replace(each, number=n) for n, each in enumerate(calls, 1)]
    return BatchHistory(state=state, reason=reason, msg_id=msg_id, msg_status=None, history=history)


def corrected_by(of: BatchHistory) -> list[OperatorVerdict]:
    return [verdict for verdict in VERDICTS if corrects(verdict, of, now=NOW)]


SAID_NOT = stands(B.REFUSED, Reason.SAID_NOT_SENT, DENIED, REFUSED)
SAID_SENT = stands(B.ACCEPTED, Reason.SAID_SENT, LOST, REFUSED)
SAID_9 = stands(B.ACCEPTED, Reason.SAID_SENT, LOST, REFUSED, msg_id=9)
FINISHED_9 = replace(SAID_9, state=B.FINISHED)
REVIEWED_9 = replace(SAID_9, state=B.REFUSED, reason=Reason.REVIEW_REFUSED)


@pytest.mark.parametrize(
    ("of", "verdicts"),
    [
        (SAID_NOT, [Sent(), Sent(8), Sent(9)]),
        (SAID_SENT, [NotSent(), Sent(8), Sent(9)]),
        (SAID_9, [NotSent(), Sent(8)]),
        (FINISHED_9, [NotSent(), Sent(8)]),
        # "Sent" says nothing that its review did not.
        (REVIEWED_9, [NotSent(), Sent(8), Sent(9)]),
    ],
)
def test_what_nothing_confirms_is_corrected_by_whatever_else_is_said(
    of: BatchHistory, verdicts: list[OperatorVerdict]
) -> None:
    assert corrected_by(of) == verdicts


@pytest.mark.parametrize(
    "of",
    [
        stands(B.ACCEPTED, None, call(Outcome.ACCEPTED, msg_id=7), msg_id=7),
        stands(B.REFUSED, Reason.REVIEW_REFUSED, call(Outcome.ACCEPTED, msg_id=7), msg_id=7),
        stands(B.REFUSED, Reason.RECIPIENTS_REFUSED, call(Outcome.BAD_RECIPIENTS)),
        stands(B.CANCELLED, Reason.BY_HAND),
        stands(B.PLANNED, None, DENIED),
        stands(B.CALLING, None, DENIED, call(None)),
        stands(B.UNKNOWN, Reason.REPEAT_UNKNOWN, DENIED, LOST),
        stands(B.SPLIT, Reason.RECIPIENTS_REFUSED, call(Outcome.BAD_RECIPIENTS)),
    ],
)
def test_what_no_operator_settled_is_no_matter_of_a_verdict(of: BatchHistory) -> None:
    assert corrected_by(of) == []
    assert not any(is_repeated(verdict, of) for verdict in VERDICTS)


def test_what_was_refused_after_a_retry_may_have_been_sent_before_it() -> None:
    of = stands(B.REFUSED, Reason.RECIPIENTS_REFUSED, DENIED, call(Outcome.BAD_RECIPIENTS))

    assert corrected_by(of) == [Sent(), Sent(8), Sent(9)]


ALREADY = call(Outcome.ALREADY_ACCEPTED)


@pytest.mark.parametrize("msg_id", [None, 9])
def test_already_accepted_that_can_be_about_an_open_call_confirms_that_it_was_sent(
    msg_id: int | None,
) -> None:
    """It names no job, so the number is the operator's still."""
    of = stands(B.ACCEPTED, Reason.SAID_SENT, LOST, ALREADY, msg_id=msg_id)

    assert corrected_by(of) == [Sent(n) for n in (8, 9) if n != msg_id]
    assert not is_deniable(of, now=NOW)
    assert is_misnamed(of, now=NOW)


def test_already_accepted_on_a_first_call_confirms_nothing_though_it_names_the_job() -> None:
    unproved = replace(ALREADY, msg_id=9)
    of = stands(B.ACCEPTED, Reason.SAID_SENT, unproved, msg_id=9)

    assert corrected_by(of) == [NotSent(), Sent(8)]
    assert is_deniable(of, now=NOW)


def test_job_that_a_reply_named_and_mass_get_knows_is_confirmed() -> None:
    """The reply alone proved nothing, and mass/get alone says nothing of this batch."""
    unproved = replace(ALREADY, msg_id=9)
    of = stands(B.ACCEPTED, Reason.SAID_SENT, unproved, msg_id=9)

    assert corrected_by(replace(of, msg_status="SENDING")) == []
    assert corrected_by(replace(SAID_9, msg_status="SENDING")) == [NotSent(), Sent(8)]


def test_choice_between_two_jobs_that_wechat_named_is_changed_to_the_other_alone() -> None:
    calls = call(Outcome.ACCEPTED, msg_id=9), call(Outcome.ACCEPTED, msg_id=8, denied=True)
    of = stands(B.ACCEPTED, Reason.SAID_SENT, *calls, msg_id=9)

    assert corrected_by(of) == [Sent(8)]
    assert not is_misnamed(of, now=NOW)


def test_reply_0_that_an_operator_denied_forbids_not_sent() -> None:
    of = stands(
        B.ACCEPTED, Reason.SAID_SENT, call(Outcome.ACCEPTED, msg_id=8, denied=True), msg_id=9
    )

    assert not is_deniable(of, now=NOW)


@pytest.mark.parametrize(
    ("of", "said"),
    [
        (SAID_NOT, [NotSent()]),
        (SAID_SENT, [Sent()]),
        (SAID_9, [Sent(), Sent(9)]),
        (FINISHED_9, [Sent(), Sent(9)]),
        (REVIEWED_9, []),
    ],
)
def test_what_was_said_before_is_no_news(of: BatchHistory, said: list[OperatorVerdict]) -> None:
    assert [verdict for verdict in VERDICTS if is_repeated(verdict, of)] == said


def test_named_are_the_jobs_of_replies_that_no_other_batch_has() -> None:
    history = [
        call(Outcome.ACCEPTED, msg_id=9, denied=True),
        call(Outcome.ALREADY_ACCEPTED, msg_id=8),
        call(Outcome.ALREADY_ACCEPTED, msg_id=7, owned_elsewhere=True),
        ALREADY,
        call(Outcome.UNKNOWN, msg_id=6),
        call(Outcome.UNKNOWN, msg_id=5, owned_elsewhere=True),
    ]

    assert named_msg_ids(history) == [8, 9]
    assert named_msg_ids(history, of_another=True) == [7]
