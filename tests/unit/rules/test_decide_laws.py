"""The delivery promise as laws over any history, held against a reference of their own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from broadcast.rules.calls.attempts import Attempt
from broadcast.rules.calls.decide import Decision, Policy, Verdict, decide
from broadcast.rules.calls.outcomes import Endpoint, Outcome, Scope
from tests.unit.rules.histories import histories

NEVER_RAN = {
    *(Outcome.TOKEN, Outcome.THROTTLED, Outcome.WAIT, Outcome.QUOTA_TODAY, Outcome.QUOTA_MONTH),
    *(Outcome.STOP_BROADCAST, Outcome.STOP_ACCOUNT, Outcome.BAD_RECIPIENTS, Outcome.NOT_CALLED),
}
TAKEN = {Outcome.ACCEPTED, Outcome.ALREADY_ACCEPTED}
GAPS = st.timedeltas(timedelta(0), timedelta(hours=30))
POLICIES = st.builds(
    Policy,
    splits_left=st.integers(0, 4),
    size=st.integers(2, 10_000),
    endpoint=st.sampled_from([Endpoint.MASS_SEND, Endpoint.SENDALL]),
)


def doubtful(said: Sequence[Attempt]) -> list[Attempt]:
    """Attempts that WeChat may have taken without our knowing."""
    return [a for a in said if a.outcome not in NEVER_RAN | TAKEN]


def allowed(said: Sequence[Attempt]) -> set[Verdict]:
    """What the promise lets happen to a batch with this history."""
    taken = [a for a in said if a.outcome in TAKEN]
    msg_ids = {a.msg_id for a in taken} - {None}
    if len(msg_ids) > 1 or any(a.owned_elsewhere for a in taken):
        return {Verdict.DOUBT}
    if any(a.outcome is Outcome.ACCEPTED for a in taken):
        return {Verdict.ACCEPT}
    if taken:
        explained = doubtful(said[: said.index(taken[0])])
        return (
            {Verdict.ACCEPT} if explained or taken[0].confirmed else {Verdict.VERIFY, Verdict.DOUBT}
        )
    if doubtful(said):
        return {Verdict.REPEAT_UNKNOWN, Verdict.DOUBT}
    return {Verdict.REPEAT, Verdict.REFUSE, Verdict.SPLIT}


def moment(said: Sequence[Attempt], gap: timedelta) -> datetime:
    return (said[-1].outcome_recorded_at or said[-1].started_at) + gap


@given(said=histories(), gap=GAPS, policy=POLICIES)
def test_decision_is_one_that_the_promise_allows(
    said: list[Attempt], gap: timedelta, policy: Policy
) -> None:
    decision = decide(said, now=moment(said, gap), policy=policy)

    assert decision.verdict in allowed(said)


@given(said=histories(), gap=GAPS, policy=POLICIES)
def test_decision_can_be_carried_out(said: list[Attempt], gap: timedelta, policy: Policy) -> None:
    """A date lies ahead, and where there is none, something larger than the batch stands still."""
    now = moment(said, gap)

    decision = decide(said, now=now, policy=policy)

    if decision.verdict in {Verdict.REPEAT_UNKNOWN, Verdict.VERIFY}:
        assert decision.not_before is not None
    if decision.not_before is None and decision.verdict is Verdict.REPEAT:
        assert decision.scope is not Scope.BATCH
        assert decision.reason
    assert decision.not_before is None or decision.not_before >= now
    if decision.verdict in {Verdict.DOUBT, Verdict.REFUSE, Verdict.SPLIT}:
        assert decision.reason


@given(said=histories(), gap=GAPS, policy=POLICIES)
def test_no_repeat_is_due_23_hours_after_the_first_call_that_may_have_sent(
    said: list[Attempt], gap: timedelta, policy: Policy
) -> None:
    decision = decide(said, now=moment(said, gap), policy=policy)

    if decision.verdict is Verdict.REPEAT_UNKNOWN:
        assert decision.not_before is not None
        assert decision.not_before - doubtful(said)[0].started_at < timedelta(hours=23)


@given(said=histories(), which=st.integers(0, 7), gap=GAPS, policy=POLICIES)
def test_late_reply_0_of_any_attempt_settles_the_batch(
    said: list[Attempt], which: int, gap: timedelta, policy: Policy
) -> None:
    """Accepted beats everything but a contradiction, however old its attempt is."""
    at = which % len(said)
    late = replace(said[at], outcome=Outcome.ACCEPTED, msg_id=7, errcode=0, owned_elsewhere=False)

    decision = _decide([*said[:at], late, *said[at + 1 :]], gap, policy)

    assert decision.verdict in {Verdict.ACCEPT, Verdict.DOUBT}
    if decision.verdict is Verdict.ACCEPT:
        assert decision.msg_id == 7


@given(said=histories(), gap=GAPS, policy=POLICIES)
def test_batch_is_split_only_when_no_call_can_have_sent_it(
    said: list[Attempt], gap: timedelta, policy: Policy
) -> None:
    if _decide(said, gap, policy).verdict in {Verdict.SPLIT, Verdict.REFUSE}:
        assert {a.outcome for a in said} <= NEVER_RAN


def _decide(said: list[Attempt], gap: timedelta, policy: Policy) -> Decision:
    return decide(said, now=moment(said, gap), policy=policy)


@given(said=histories(), count=st.integers(1, 7), gap=GAPS, policy=POLICIES)
def test_calls_that_a_person_denied_count_like_calls_that_were_never_made(
    said: list[Attempt], count: int, gap: timedelta, policy: Policy
) -> None:
    """Only "already accepted" may still speak of them: it is WeChat that knows."""
    count = min(count, len(said) - 1)
    denied = [replace(a, denied=True) for a in said[:count]] + said[count:]
    bare = [
        replace(
            a,
            outcome=Outcome.NOT_CALLED,
            errcode=None,
            msg_id=None,
            confirmed=None,
            owned_elsewhere=False,
        )
        for a in said[:count]
    ] + said[count:]

    verdict = decide(denied, now=moment(said, gap), policy=policy).verdict

    wanted = allowed(bare)
    if Verdict.VERIFY in wanted and any(a.unanswered for a in said[:count]):
        wanted = {Verdict.ACCEPT}
    assert verdict in wanted
