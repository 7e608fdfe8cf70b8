"""The decision about one batch, case by case."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from broadcast.rules.calls.attempts import Attempt
from broadcast.rules.calls.decide import Policy, Verdict, decide, window_end
from broadcast.rules.calls.outcomes import SAME_KEY_RUNNING, SPLITTABLE, Endpoint, Outcome, Scope
from broadcast.rules.calls.waits import UNKNOWN_TRIES, VERIFY_FOR, Waits
from broadcast.rules.states import Reason
from tests.unit.rules.histories import START, attempt, history

O = Outcome  # noqa: E741 - the tables below read better
NOW = START + timedelta(minutes=30)
POLICY = Policy(splits_left=4)
REFUSALS = (
    *(O.TOKEN, O.THROTTLED, O.WAIT, O.QUOTA_TODAY, O.QUOTA_MONTH),
    *(O.STOP_BROADCAST, O.STOP_ACCOUNT, O.BAD_RECIPIENTS, O.NOT_CALLED),
)
DOUBTFUL = (None, O.UNKNOWN, O.UNLISTED)

CASES = [
    # A reply 0 settles, whatever came before or after it.
    ([O.ACCEPTED], Verdict.ACCEPT, Reason.NONE, Scope.BATCH),
    ([O.UNKNOWN, O.ACCEPTED], Verdict.ACCEPT, Reason.NONE, Scope.BATCH),
    ([O.ACCEPTED, O.BAD_RECIPIENTS], Verdict.ACCEPT, Reason.NONE, Scope.BATCH),
    ([O.ACCEPTED, O.ALREADY_ACCEPTED], Verdict.ACCEPT, Reason.NONE, Scope.BATCH),
    # 45065 settles if an earlier attempt may have sent the batch.
    ([O.UNKNOWN, O.ALREADY_ACCEPTED], Verdict.ACCEPT, Reason.NONE, Scope.BATCH),
    ([None, O.ALREADY_ACCEPTED], Verdict.ACCEPT, Reason.NONE, Scope.BATCH),
    ([O.UNLISTED, O.TOKEN, O.ALREADY_ACCEPTED], Verdict.ACCEPT, Reason.NONE, Scope.BATCH),
    ([O.ALREADY_ACCEPTED], Verdict.VERIFY, Reason.NONE, Scope.BATCH),
    ([O.QUOTA_TODAY, O.ALREADY_ACCEPTED], Verdict.VERIFY, Reason.NONE, Scope.BATCH),
    ([O.NOT_CALLED, O.ALREADY_ACCEPTED], Verdict.VERIFY, Reason.NONE, Scope.BATCH),
    ([O.ALREADY_ACCEPTED, O.UNKNOWN], Verdict.VERIFY, Reason.NONE, Scope.BATCH),
    # What may have been sent is repeated with its key, or doubted; it is never refused.
    ([O.UNKNOWN], Verdict.REPEAT_UNKNOWN, Reason.REPEAT_UNKNOWN, Scope.BATCH),
    ([None], Verdict.REPEAT_UNKNOWN, Reason.REPEAT_UNKNOWN, Scope.BATCH),
    ([O.UNLISTED], Verdict.REPEAT_UNKNOWN, Reason.REPEAT_UNKNOWN, Scope.BATCH),
    ([O.UNKNOWN, O.NOT_CALLED], Verdict.REPEAT_UNKNOWN, Reason.NONE, Scope.BATCH),
    ([O.UNKNOWN, O.TOKEN], Verdict.REPEAT_UNKNOWN, Reason.NONE, Scope.BATCH),
    ([O.UNKNOWN, O.QUOTA_TODAY], Verdict.REPEAT_UNKNOWN, Reason.QUOTA_TODAY, Scope.PATH),
    ([O.UNKNOWN, O.THROTTLED], Verdict.REPEAT_UNKNOWN, Reason.THROTTLED, Scope.ACCOUNT),
    ([O.UNKNOWN, O.WAIT], Verdict.REPEAT_UNKNOWN, Reason.WECHAT_NOT_READY, Scope.ACCOUNT),
    ([O.UNKNOWN, O.QUOTA_MONTH], Verdict.DOUBT, Reason.REFUSED_AFTER_UNKNOWN, Scope.BROADCAST),
    ([O.UNKNOWN, O.STOP_BROADCAST], Verdict.DOUBT, Reason.REFUSED_AFTER_UNKNOWN, Scope.BROADCAST),
    ([O.UNKNOWN, O.STOP_ACCOUNT], Verdict.DOUBT, Reason.REFUSED_AFTER_UNKNOWN, Scope.ACCOUNT),
    ([O.UNKNOWN, O.BAD_RECIPIENTS], Verdict.DOUBT, Reason.REFUSED_AFTER_UNKNOWN, Scope.BATCH),
    ([O.UNKNOWN, O.TOKEN, O.TOKEN], Verdict.DOUBT, Reason.REFUSED_AFTER_UNKNOWN, Scope.ACCOUNT),
    # Nothing was sent: the last reply is followed, and stops what it is about.
    ([O.TOKEN], Verdict.REPEAT, Reason.NONE, Scope.BATCH),
    ([O.TOKEN, O.TOKEN], Verdict.REPEAT, Reason.TOKEN_REFUSED, Scope.ACCOUNT),
    ([O.TOKEN, O.NOT_CALLED, O.TOKEN], Verdict.REPEAT, Reason.TOKEN_REFUSED, Scope.ACCOUNT),
    ([O.TOKEN, O.THROTTLED, O.TOKEN], Verdict.REPEAT, Reason.NONE, Scope.BATCH),
    ([O.NOT_CALLED], Verdict.REPEAT, Reason.NONE, Scope.BATCH),
    ([O.THROTTLED], Verdict.REPEAT, Reason.THROTTLED, Scope.ACCOUNT),
    ([O.WAIT], Verdict.REPEAT, Reason.WECHAT_NOT_READY, Scope.ACCOUNT),
    ([O.QUOTA_TODAY], Verdict.REPEAT, Reason.QUOTA_TODAY, Scope.PATH),
    ([O.QUOTA_MONTH], Verdict.REPEAT, Reason.QUOTA_MONTH, Scope.BROADCAST),
    ([O.STOP_ACCOUNT], Verdict.REPEAT, Reason.ACCOUNT_STOPPED, Scope.ACCOUNT),
    ([O.STOP_BROADCAST], Verdict.REFUSE, Reason.CONTENT_REFUSED, Scope.BROADCAST),
    ([O.BAD_RECIPIENTS], Verdict.SPLIT, Reason.RECIPIENTS_REFUSED, Scope.BATCH),
    ([O.QUOTA_TODAY, O.BAD_RECIPIENTS], Verdict.SPLIT, Reason.RECIPIENTS_REFUSED, Scope.BATCH),
]


@pytest.mark.parametrize(("outcomes", "move", "reason", "scope"), CASES)
def test_history_leads_to_its_move(
    outcomes: list[Outcome | None], move: Verdict, reason: Reason, scope: Scope
) -> None:
    decision = decide(history(*outcomes), now=START + timedelta(minutes=4), policy=POLICY)

    assert (decision.verdict, decision.reason, decision.scope) == (move, reason, scope)


@pytest.mark.parametrize(
    ("endpoint", "errcode", "scope"),
    [
        (Endpoint.MASS_SEND, 48003, Scope.ACCOUNT),
        (Endpoint.SENDALL, 48003, Scope.PATH),
        (Endpoint.MASS_SEND, 48001, Scope.PATH),
        (Endpoint.SENDALL, 40164, Scope.ACCOUNT),
    ],
)
@pytest.mark.parametrize("before", [[], [O.UNKNOWN]])
def test_stop_concerns_what_its_code_says_at_its_endpoint(
    endpoint: Endpoint, errcode: int, scope: Scope, before: list[Outcome]
) -> None:
    said = [*history(*before), attempt(len(before) + 1, O.STOP_ACCOUNT, errcode=errcode)]

    decision = decide(said, now=START, policy=Policy(endpoint=endpoint))

    assert decision.scope is scope


def test_batch_without_an_attempt_has_nothing_to_decide() -> None:
    with pytest.raises(ValueError, match="without an attempt"):
        decide([], now=NOW, policy=POLICY)


@pytest.mark.parametrize("before", DOUBTFUL)
@pytest.mark.parametrize("after", REFUSALS)
def test_once_unknown_never_refused(before: Outcome | None, after: Outcome) -> None:
    for outcomes in ([before, after], [after, before, after], [before, after, O.NOT_CALLED]):
        decision = decide(history(*outcomes), now=NOW, policy=POLICY)
        assert decision.verdict in {Verdict.REPEAT_UNKNOWN, Verdict.DOUBT}


@pytest.mark.parametrize("outcomes", [(O.ACCEPTED, O.ACCEPTED), (O.UNKNOWN, O.ALREADY_ACCEPTED)])
def test_two_msg_ids_are_in_doubt(outcomes: tuple[Outcome, Outcome]) -> None:
    said = [
        attempt(1, outcomes[0], msg_id=7),
        attempt(2, outcomes[1], msg_id=8),
        attempt(3, O.ACCEPTED, msg_id=7),
    ]

    decision = decide(said, now=NOW, policy=POLICY)

    assert (decision.verdict, decision.reason) == (Verdict.DOUBT, Reason.TWO_MSG_IDS)


def test_msg_id_of_another_batch_is_in_doubt() -> None:
    said = [attempt(1, O.UNKNOWN), attempt(2, O.ALREADY_ACCEPTED, owned_elsewhere=True)]

    decision = decide(said, now=NOW, policy=POLICY)

    assert (decision.verdict, decision.reason) == (Verdict.DOUBT, Reason.FOREIGN_MSG_ID)


def test_one_msg_id_of_another_batch_is_enough_for_a_doubt() -> None:
    said = [attempt(1, O.ALREADY_ACCEPTED, owned_elsewhere=True), attempt(2, O.ALREADY_ACCEPTED)]

    decision = decide(said, now=NOW, policy=POLICY)

    assert (decision.verdict, decision.reason) == (Verdict.DOUBT, Reason.FOREIGN_MSG_ID)


class TestAlreadyAcceptedOnAFirstCall:
    """45065 that no attempt of ours explains: mass/get is the only proof."""

    def test_it_is_accepted_when_mass_get_knows_the_msg_id(self) -> None:
        said = [attempt(1, O.ALREADY_ACCEPTED, confirmed=True)]

        decision = decide(said, now=NOW, policy=POLICY)

        assert (decision.verdict, decision.msg_id) == (Verdict.ACCEPT, 7)

    def test_mass_get_is_asked_at_once_and_then_after_a_pause(self) -> None:
        now = START + timedelta(minutes=1)
        unasked = decide([attempt(1, O.ALREADY_ACCEPTED)], now=now, policy=POLICY)
        asked = [attempt(1, O.ALREADY_ACCEPTED, confirmed=False)]

        assert (unasked.msg_id, unasked.not_before) == (7, now)
        pause = decide(asked, now=now, policy=POLICY).not_before
        assert pause == now + timedelta(seconds=30)

    def test_it_is_in_doubt_when_mass_get_never_learns_of_it(self) -> None:
        said = [attempt(1, O.ALREADY_ACCEPTED, confirmed=False)]
        now = START + VERIFY_FOR + timedelta(seconds=2)

        decision = decide(said, now=now, policy=POLICY)

        assert (decision.verdict, decision.reason) == (Verdict.DOUBT, Reason.UNPROVED_ACCEPTANCE)

    def test_without_a_msg_id_nobody_can_prove_it(self) -> None:
        said = [attempt(1, O.ALREADY_ACCEPTED, msg_id=None)]

        assert decide(said, now=START, policy=POLICY).reason is Reason.UNPROVED_ACCEPTANCE


def test_already_accepted_without_a_msg_id_settles_what_was_unknown() -> None:
    said = [attempt(1, O.UNKNOWN), attempt(2, O.ALREADY_ACCEPTED, msg_id=None)]

    decision = decide(said, now=NOW, policy=POLICY)

    assert (decision.verdict, decision.msg_id) == (Verdict.ACCEPT, None)


class TestRefusedTokens:
    """Two tokens that are refused in a row speak of the account, one of itself."""

    @staticmethod
    def after(*prints: str | None, unknown: bool = False) -> tuple[Verdict, Scope]:
        first = [attempt(1, O.UNKNOWN)] if unknown else []
        refused = [
            attempt(n, O.TOKEN, errcode=40001, token_fingerprint=one)
            for n, one in enumerate(prints, len(first) + 1)
        ]
        decision = decide([*first, *refused], now=START, policy=POLICY)
        return decision.verdict, decision.scope

    @pytest.mark.parametrize(
        ("unknown", "move"), [(False, Verdict.REPEAT), (True, Verdict.REPEAT_UNKNOWN)]
    )
    def test_one_that_nobody_replaced_is_no_verdict_on_the_account(
        self, move: Verdict, *, unknown: bool
    ) -> None:
        assert self.after("aa", "aa", unknown=unknown) == (move, Scope.BATCH)

    @pytest.mark.parametrize("prints", [("aa", "bb"), ("aa", None), (None, None), ("aa",) * 6])
    def test_two_or_the_same_one_too_often_stop_the_account(
        self, prints: tuple[str | None, ...]
    ) -> None:
        assert self.after(*prints) == (Verdict.REPEAT, Scope.ACCOUNT)
        assert self.after(*prints, unknown=True) == (Verdict.DOUBT, Scope.ACCOUNT)


class TestRepeatWindow:
    """Repeats stop 23 h after the first call that WeChat may have taken."""

    def at(self, hours: float, said: list[Attempt]) -> tuple[Verdict, Reason]:
        decision = decide(said, now=START + timedelta(hours=hours), policy=POLICY)
        return decision.verdict, decision.reason

    def test_no_repeat_after_23_hours(self) -> None:
        said = history(O.UNKNOWN)

        assert self.at(22.9, said)[0] is Verdict.REPEAT_UNKNOWN
        assert self.at(23, said) == (Verdict.DOUBT, Reason.WINDOW_CLOSED)

    def test_repeat_that_would_come_after_the_window_is_not_planned(self) -> None:
        """2 s before its end a wait of 2 s leads out of it."""
        almost = 23 - 2 / 3600

        assert self.at(almost, history(O.UNKNOWN)) == (Verdict.DOUBT, Reason.WINDOW_CLOSED)

    def test_the_next_day_can_lie_outside_the_window(self) -> None:
        """The call at noon was unknown; at 02:00 the quota is gone until the next midnight."""
        said = history(O.UNKNOWN, O.QUOTA_TODAY)

        assert self.at(1, said) == (Verdict.REPEAT_UNKNOWN, Reason.QUOTA_TODAY)
        assert self.at(14, said) == (Verdict.DOUBT, Reason.WINDOW_CLOSED)

    def test_the_lane_waits_for_the_next_day_although_its_batch_does_not(self) -> None:
        late = START + timedelta(hours=14)
        decision = decide(history(O.UNKNOWN, O.QUOTA_TODAY), now=late, policy=POLICY)

        assert (decision.scope, decision.lane_reason) == (Scope.PATH, Reason.QUOTA_TODAY)
        assert decision.not_before == Waits().next_day(late)

    def test_refusal_before_the_unknown_call_does_not_open_the_window(self) -> None:
        late = START + timedelta(hours=30)
        said = [attempt(1, O.QUOTA_TODAY), attempt(2, O.UNKNOWN, started_at=late)]

        assert window_end(said, Waits()) == late + timedelta(hours=23)
        assert self.at(31, said)[0] is Verdict.REPEAT_UNKNOWN

    def test_acceptance_that_nothing_proves_opens_the_window(self) -> None:
        """WeChat says that it has the job, so a repeat is a second send once it has forgotten."""
        late = START + timedelta(hours=22)
        said = [attempt(1, O.ALREADY_ACCEPTED), attempt(2, None, started_at=late)]

        assert window_end(said, Waits()) == START + timedelta(hours=23)

    def test_claim_that_was_given_back_does_not_open_the_window(self) -> None:
        said = history(O.NOT_CALLED, O.UNKNOWN)

        assert window_end(said, Waits()) == said[1].started_at + timedelta(hours=23)

    def test_claims_that_were_all_given_back_have_a_window_too(self) -> None:
        said = history(O.NOT_CALLED, O.NOT_CALLED)

        assert window_end(said, Waits()) == START + timedelta(hours=23)

    def test_without_an_attempt_there_is_no_window(self) -> None:
        with pytest.raises(ValueError, match="without an attempt"):
            window_end([], Waits())

    def test_what_was_never_sent_is_repeated_for_as_long_as_it_takes(self) -> None:
        assert self.at(100, history(O.WAIT))[0] is Verdict.REPEAT

    def test_scale_shrinks_the_window(self) -> None:
        assert window_end(history(O.UNKNOWN), Waits(0.1)) == START + timedelta(hours=2.3)


def test_unknown_too_often_is_held_for_a_human() -> None:
    often = history(*[O.UNKNOWN] * UNKNOWN_TRIES)
    once_more = history(*[O.UNKNOWN] * (UNKNOWN_TRIES + 1))

    assert decide(often, now=NOW, policy=POLICY).verdict is Verdict.REPEAT_UNKNOWN
    decision = decide(once_more, now=NOW, policy=POLICY)
    assert (decision.verdict, decision.reason) == (Verdict.DOUBT, Reason.TOO_OFTEN_UNKNOWN)


def test_same_key_running_does_not_count_as_a_try() -> None:
    """45066 is WeChat's own word that the send is under way, for an hour if need be."""
    said = [attempt(n, O.UNKNOWN, errcode=SAME_KEY_RUNNING) for n in range(1, 60)]

    assert decide(said, now=NOW, policy=POLICY).verdict is Verdict.REPEAT_UNKNOWN


class TestSplitting:
    """Halving a batch that was refused for its recipients."""

    def refused(self, errcode: int) -> list[Attempt]:
        return [attempt(1, O.BAD_RECIPIENTS, errcode=errcode)]

    @pytest.mark.parametrize("errcode", sorted(SPLITTABLE))
    def test_code_that_blames_one_openid_splits(self, errcode: int) -> None:
        decision = decide(self.refused(errcode), now=NOW, policy=POLICY)

        assert (decision.verdict, decision.errcode) == (Verdict.SPLIT, errcode)

    @pytest.mark.parametrize(
        ("errcode", "policy"),
        [
            (40130, POLICY),
            (40003, Policy(splits_left=0)),
            (40003, Policy(splits_left=4, size=3)),
            (40003, Policy(splits_left=4, size=2)),
        ],
    )
    def test_batch_that_halving_cannot_help_is_refused(self, errcode: int, policy: Policy) -> None:
        decision = decide(self.refused(errcode), now=NOW, policy=policy)

        assert (decision.verdict, decision.errcode) == (Verdict.REFUSE, errcode)

    def test_four_openids_still_have_two_legal_halves(self) -> None:
        policy = Policy(splits_left=1, size=4)

        assert decide(self.refused(40003), now=NOW, policy=policy).verdict is Verdict.SPLIT


@pytest.mark.parametrize("outcome", [O.QUOTA_MONTH, O.STOP_ACCOUNT])
def test_standstill_has_no_date(outcome: Outcome) -> None:
    """Only a human goes on, so there is nothing to wait for."""
    assert decide(history(outcome), now=NOW, policy=POLICY).not_before is None


# -- a person said of a doubtful call that it was not sent


def denied(*outcomes: Outcome | None, after: tuple[Outcome | None, ...] = ()) -> list[Attempt]:
    """A history whose first calls a person denied."""
    made = history(*outcomes, *after)
    count = len(outcomes)
    return [replace(a, denied=a.number <= count) for a in made]


@pytest.mark.parametrize("first", [*DOUBTFUL, O.ALREADY_ACCEPTED])
@pytest.mark.parametrize(
    ("then", "move"),
    [
        (O.ACCEPTED, Verdict.ACCEPT),
        (O.UNKNOWN, Verdict.REPEAT_UNKNOWN),
        (O.QUOTA_TODAY, Verdict.REPEAT),
        (O.STOP_ACCOUNT, Verdict.REPEAT),
        (O.STOP_BROADCAST, Verdict.REFUSE),
    ],
)
def test_call_that_a_person_denied_does_not_decide_about_the_next(
    first: Outcome | None, then: Outcome, move: Verdict
) -> None:
    said = denied(first, after=(then,))

    assert decide(said, now=NOW, policy=POLICY).verdict is move


@pytest.mark.parametrize("first", DOUBTFUL)
def test_already_accepted_can_speak_of_a_call_that_a_person_denied(first: Outcome | None) -> None:
    said = denied(first, after=(O.ALREADY_ACCEPTED,))

    assert decide(said, now=NOW, policy=POLICY).verdict is Verdict.ACCEPT


def test_already_accepted_twice_is_not_explained_by_the_first() -> None:
    said = denied(O.ALREADY_ACCEPTED, after=(O.ALREADY_ACCEPTED,))

    assert decide(said, now=NOW, policy=POLICY).verdict is Verdict.DOUBT


def test_window_and_tries_begin_after_the_calls_that_a_person_denied() -> None:
    said = denied(*[O.UNKNOWN] * (UNKNOWN_TRIES + 1), after=(O.UNKNOWN,))

    assert window_end(said, Waits()) == window_end(said[-1:], Waits())
    assert decide(said, now=NOW, policy=POLICY).verdict is Verdict.REPEAT_UNKNOWN


@pytest.mark.parametrize("first", DOUBTFUL)
def test_batch_of_which_a_person_denied_a_call_keeps_its_key_and_is_never_split(
    first: Outcome | None,
) -> None:
    """If the person was wrong, only the same clientmsgid keeps it from going out twice."""
    said = denied(first, after=(O.BAD_RECIPIENTS,))

    assert decide(said[1:], now=NOW, policy=POLICY).verdict is Verdict.SPLIT
    assert decide(said, now=NOW, policy=POLICY).verdict is Verdict.REFUSE
