"""What is no finding of a rehearsal: that nobody answered."""

from __future__ import annotations

import pytest

from broadcast.errors import (
    BroadcastError,
    DatabaseAwayError,
    InputError,
    OutOfReachError,
    RedisAwayError,
    WeChatAwayError,
)
from broadcast.message import Message
from broadcast.tokens.token_store import TokenFetchError
from producer.campaigns import rehearsing

AWAY = WeChatAwayError("error.wechat.away", address="-", reason="-")


@pytest.mark.parametrize(
    "error", [AWAY, RedisAwayError("error.redis.away", address="-", reason="-")]
)
def test_what_is_out_of_reach_is_a_finding_once_it_is_not_waited_for(
    error: OutOfReachError,
) -> None:
    findings: list[Message] = []
    with pytest.raises(type(error)), rehearsing._noting(findings, OutOfReachError):
        raise error
    with rehearsing._noting(findings, DatabaseAwayError):
        raise error

    assert findings == [error.message]


@pytest.mark.parametrize(
    "error",
    [
        InputError("error.launch.drafts_none", title="-"),
        TokenFetchError("error.token.fetch", account="-", error="-", errcode=40125),
    ],
)
def test_a_refusal_is_a_finding_whoever_was_refused(error: BroadcastError) -> None:
    findings: list[Message] = []
    with rehearsing._noting(findings, OutOfReachError):
        raise error

    assert findings == [error.message]
