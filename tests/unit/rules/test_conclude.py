"""Where a batch stands decides with its calls: whether a decision still holds, and moves it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from broadcast.rules.calls.decide import Conclusion, Standing, Verdict, conclude
from broadcast.rules.calls.outcomes import SPLITTABLE, Outcome
from broadcast.rules.calls.waits import VERIFY_PAUSE, Tuning
from broadcast.rules.states import BATCH_AT_REST, BatchState, Reason
from tests.unit.rules.histories import START, attempt, history

O = Outcome  # noqa: E741 - the tables below read better
B = BatchState
NOW = START + timedelta(minutes=1)
TUNING = Tuning(split_depth=4)
CALLING = Standing(state=B.CALLING, reason=None, size=10_000, depth=0, cancelled=False)


def concluded(outcomes: list[Outcome | None], standing: Standing = CALLING) -> Conclusion:
    return conclude(history(*outcomes), standing, now=NOW, tuning=TUNING)


@pytest.mark.parametrize("outcome", [one for one in O if one is not O.NOT_CALLED])
def test_reply_to_the_call_in_hand_always_moves_the_batch(outcome: Outcome) -> None:
    assert concluded([outcome]).moves


@pytest.mark.parametrize("state", sorted(BATCH_AT_REST - {B.SPLIT}))
@pytest.mark.parametrize("outcome", [O.UNKNOWN, O.BAD_RECIPIENTS, O.QUOTA_TODAY, O.STOP_BROADCAST])
def test_batch_at_rest_is_not_moved_by_what_is_no_acceptance(
    state: BatchState, outcome: Outcome
) -> None:
    assert not concluded([outcome], replace(CALLING, state=state)).moves


@pytest.mark.parametrize("state", sorted(set(B) - {B.SPLIT}))
def test_acceptance_moves_a_batch_wherever_it_stands(state: BatchState) -> None:
    assert concluded([O.UNKNOWN, O.ACCEPTED], replace(CALLING, state=state)).moves


@pytest.mark.parametrize("outcome", [O.ACCEPTED, O.UNKNOWN, O.BAD_RECIPIENTS])
def test_halved_batch_is_never_moved_again(outcome: Outcome) -> None:
    assert not concluded([outcome], replace(CALLING, state=B.SPLIT)).moves


def test_acceptance_does_not_lift_the_refusal_of_a_review() -> None:
    calls = [attempt(1, O.ACCEPTED, msg_id=71)]
    reviewed = replace(CALLING, state=B.REFUSED, reason=Reason.REVIEW_REFUSED, msg_id=71)
    assert not conclude(calls, reviewed, now=NOW, tuning=TUNING).moves


def test_acceptance_as_another_job_than_the_review_refused_moves_the_batch() -> None:
    calls = [attempt(1, O.ACCEPTED, msg_id=71)]
    reviewed = replace(CALLING, state=B.REFUSED, reason=Reason.REVIEW_REFUSED, msg_id=555_001)
    assert conclude(calls, reviewed, now=NOW, tuning=TUNING).moves


def test_older_refusal_says_nothing_while_a_newer_call_is_on_its_way() -> None:
    assert not concluded([O.BAD_RECIPIENTS, None]).moves
    assert concluded([O.ACCEPTED, None]).moves


@pytest.mark.parametrize("state", [B.REFUSED, B.CANCELLED])
def test_unproved_already_accepted_ends_a_batch_that_counts_as_not_sent_in_doubt(
    state: BatchState,
) -> None:
    found = concluded([O.ALREADY_ACCEPTED], replace(CALLING, state=state))
    assert (found.decision.verdict, found.decision.reason) == (
        Verdict.DOUBT,
        Reason.UNPROVED_ACCEPTANCE,
    )
    assert found.moves


def test_unproved_already_accepted_is_asked_about_while_the_batch_is_open() -> None:
    assert concluded([O.ALREADY_ACCEPTED]).decision.verdict is Verdict.VERIFY


def test_an_answer_of_mass_get_is_not_followed_by_the_next_question_at_once() -> None:
    said = history(O.ALREADY_ACCEPTED)
    found = conclude(said, CALLING, now=NOW, tuning=TUNING, asked=True)
    assert found.decision.not_before == NOW + VERIFY_PAUSE
    assert conclude(said, CALLING, now=NOW, tuning=TUNING).decision.not_before == NOW


@pytest.mark.parametrize(
    ("standing", "move"),
    [
        (CALLING, Verdict.SPLIT),
        (replace(CALLING, cancelled=True), Verdict.REFUSE),
        (replace(CALLING, depth=TUNING.split_depth), Verdict.REFUSE),
        (replace(CALLING, size=3), Verdict.REFUSE),
    ],
    ids=["is halved", "cancelled", "halved as often as may be", "too small"],
)
def test_refused_recipients_halve_a_batch_that_may_still_be_called(
    standing: Standing, move: Verdict
) -> None:
    refused = [attempt(1, O.BAD_RECIPIENTS, errcode=next(iter(SPLITTABLE)))]
    assert conclude(refused, standing, now=NOW, tuning=TUNING).decision.verdict is move
