"""What a worker hears of an account before it stores a program's request."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from broadcast.errors import BroadcastError, OutOfReachError, RedisAwayError
from broadcast.rules.calls.attempts import NoAnswer
from broadcast.rules.calls.outcomes import Outcome, Scope
from broadcast.rules.drafts import Gone, Look, Mark
from tests.kit import ledger
from worker.program_door import WorkerChecks

if TYPE_CHECKING:
    from worker.wiring import WorkerParts

SHOP = ledger.account("shop")


def looks(**gateway: object) -> WorkerChecks:
    return WorkerChecks(
        cast("WorkerParts", SimpleNamespace(gateway=lambda _: SimpleNamespace(**gateway)))
    )


def look(answer: Look) -> object:
    return looks(draft=lambda _: answer).draft(SHOP, "D")


def no_answer(**facts: object) -> NoAnswer:
    return NoAnswer(outcome=Outcome.WAIT, scope=Scope.ACCOUNT, **facts)  # type: ignore[arg-type]


def test_a_draft_says_what_it_says_or_that_there_is_none() -> None:
    assert look((Mark(title="x"),)) == (Mark(title="x"),)
    assert look(Gone()) is None


def test_wechat_that_is_away_is_told_from_wechat_that_would_not() -> None:
    with pytest.raises(OutOfReachError):
        look(no_answer(errmsg="connection refused"))
    with pytest.raises(BroadcastError) as caught:
        look(no_answer(errcode=48001, errmsg="api unauthorized"))

    assert not isinstance(caught.value, OutOfReachError)
    assert (caught.value.facts["errcode"], caught.value.facts["account"]) == (48001, "shop")


def test_without_the_redis_of_the_token_nobody_says_which_tags_there_are(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def away() -> None:
        raise RedisAwayError("error.redis.away", reason="refused")

    assert looks(tags=away).tags(SHOP) is None
    assert "not asked for its tags" in caplog.text
