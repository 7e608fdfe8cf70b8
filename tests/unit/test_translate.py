"""Every call that a lane makes has a map for its errcodes: a failure is a fact, never a crash."""

from __future__ import annotations

import pytest

from broadcast.rules.calls.outcomes import ENDPOINTS, UNSENT, Outcome, Scope
from broadcast.wechat.api.users import TagFollowers
from broadcast.wechat.call_errors import NOT_SENT, APIError, TransportError, TransportKind
from broadcast.wechat.endpoint import Request
from broadcast.wechat_account import account_client, tags, translate
from models.ledger.lane.call_history import left_nothing
from worker.delivery import gateway


def test_every_request_of_a_lane_has_its_endpoint() -> None:
    used = {
        thing.path
        for module in (account_client, gateway, tags)
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, Request) and thing is not Request
    }

    assert TagFollowers.path in used
    assert used <= set(ENDPOINTS)


@pytest.mark.parametrize(
    ("errcode", "outcome", "scope"),
    [
        (-1, Outcome.WAIT, Scope.PATH),
        (45011, Outcome.THROTTLED, Scope.PATH),
        (45159, Outcome.STOP_BROADCAST, Scope.PATH),
        (40003, Outcome.STOP_BROADCAST, Scope.PATH),
        (48001, Outcome.STOP_ACCOUNT, Scope.PATH),
        (50002, Outcome.STOP_ACCOUNT, Scope.ACCOUNT),
    ],
)
def test_who_has_a_tag_is_a_question_that_stops_no_send(
    errcode: int, outcome: Outcome, scope: Scope
) -> None:
    error = APIError(errcode=errcode, errmsg="no", rid=None, endpoint=TagFollowers.path)

    said = translate.no_answer(error)

    assert (said.outcome, said.scope) == (outcome, scope)


def test_no_answer_about_a_tag_waits() -> None:
    error = TransportError.from_kind(
        TransportKind.GARBAGE, endpoint=TagFollowers.path, elapsed_ms=1
    )

    assert translate.no_answer(error).outcome is Outcome.WAIT


@pytest.mark.parametrize("kind", TransportKind)
def test_a_call_that_failed_before_it_left_leaves_its_batch_untouched_and_no_other_does(
    kind: TransportKind,
) -> None:
    fact = translate.of_failure(
        TransportError.from_kind(kind, endpoint="/mass", detail="", elapsed_ms=1)
    )

    assert left_nothing(fact.outcome, fact.transport) is (kind in NOT_SENT)
    assert (kind.value in UNSENT) is (kind in NOT_SENT)
