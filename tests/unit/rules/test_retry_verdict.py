"""What a retry does with a batch, from where it stands and from what its calls came to."""

from __future__ import annotations

import pytest

from broadcast.rules.calls.outcomes import MAY_PASS
from broadcast.rules.calls.retry import LEFT_OVER, RetryVerdict, retry_verdict
from broadcast.rules.states import BatchState, Reason

B = BatchState
PASSES, STAYS = next(iter(MAY_PASS)), 40003


def placed(
    state: BatchState,
    reason: Reason | None = None,
    *,
    errcode: int | None = None,
    called: bool = True,
    maybe_sent: bool = False,
    was_taken: bool = False,
) -> RetryVerdict:
    return retry_verdict(
        state, reason, errcode=errcode, called=called, maybe_sent=maybe_sent, was_taken=was_taken
    )


@pytest.mark.parametrize("errcode", sorted(MAY_PASS))
def test_refusal_whose_cause_may_pass_is_called_again(errcode: int) -> None:
    assert placed(B.REFUSED, errcode=errcode) is RetryVerdict.AGAIN


def test_refusal_by_a_persons_word_is_called_again() -> None:
    assert placed(B.REFUSED, Reason.SAID_NOT_SENT) is RetryVerdict.AGAIN
    assert placed(B.REFUSED, Reason.SUPPRESSED_SINCE) is RetryVerdict.AGAIN


def test_refusal_that_stays_is_left_alone() -> None:
    assert placed(B.REFUSED, errcode=STAYS) is RetryVerdict.PERMANENT


@pytest.mark.parametrize("reason", [None, Reason.SAID_NOT_SENT])
def test_what_may_have_been_sent_is_never_called_again(reason: Reason | None) -> None:
    """However the refusal reads: a retry is a send."""
    assert placed(B.REFUSED, reason, errcode=PASSES, maybe_sent=True) is RetryVerdict.MAYBE_SENT
    assert placed(B.REFUSED, reason, errcode=PASSES, was_taken=True) is RetryVerdict.TAKEN
    both = placed(B.REFUSED, reason, errcode=PASSES, maybe_sent=True, was_taken=True)
    assert both is RetryVerdict.TAKEN


def test_review_of_wechat_is_told_before_everything_else() -> None:
    assert placed(B.REFUSED, Reason.REVIEW_REFUSED, was_taken=True) is RetryVerdict.REVIEWED


@pytest.mark.parametrize("state", sorted(LEFT_OVER - {B.REFUSED}))
@pytest.mark.parametrize("called", [True, False])
def test_batch_that_is_not_refused_is_never_called_again_by_a_retry(
    state: BatchState, *, called: bool
) -> None:
    found = placed(state, errcode=PASSES, called=called)
    assert found in {RetryVerdict.IN_DOUBT, RetryVerdict.NEVER_CALLED, RetryVerdict.WAITS}
    assert (found is RetryVerdict.IN_DOUBT) == (state is B.IN_DOUBT)
    assert (found is RetryVerdict.NEVER_CALLED) == (state is B.PLANNED and not called)
