"""The token service in one process: when it fetches, and when it does not."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from broadcast.tokens.redis_access import Keys
from broadcast.tokens.token_service import FetchedToken, Timing, TokenService
from broadcast.tokens.token_store import TokenFetchError, TokenRefusedError
from tests.integration.tokens.twins import (
    CountingFetcher,
    StableWeChat,
    WeChatRefusesError,
    refusing,
)

if TYPE_CHECKING:
    from datetime import datetime

    from broadcast.tokens.redis_access import Connection

ACCOUNT = "wx0123456789abcdef"


class MovableClock:
    """Redis's clock, but the test may move it."""

    def __init__(self, start: datetime) -> None:
        self.now = start

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def wechat() -> StableWeChat:
    return StableWeChat()


@pytest.fixture
def stable(connection: Connection, wechat: StableWeChat) -> TokenService:
    """A service whose WeChat follows the rules of stable_token, both under the test's clock."""
    timing = Timing(failure_memory_s=0)
    return TokenService(connection, wechat, timing=timing, now=wechat.clock)


def pass_time(wechat: StableWeChat, seconds: float) -> None:
    wechat.now += timedelta(seconds=seconds)


def test_second_get_returns_the_shared_token(
    connection: Connection, fetcher: CountingFetcher
) -> None:
    first = TokenService(connection, fetcher).get(ACCOUNT)
    second = TokenService(connection, fetcher).get(ACCOUNT)
    assert first == second
    assert first.generation == 1
    assert first.expires_at.tzinfo is UTC
    assert first.expires_at - first.fetched_at <= timedelta(seconds=7200)
    assert fetcher.calls == ["normal"]


def test_accounts_and_prefixes_do_not_share(
    connection: Connection, fetcher: CountingFetcher
) -> None:
    one = TokenService(connection, fetcher, keys=Keys(prefix="a:"))
    other = TokenService(connection, fetcher, keys=Keys(prefix="b:"))
    values = {one.get("x").value, one.get("y").value, other.get("x").value}
    assert len(values) == len(fetcher.calls) == 3


def test_token_of_1024_characters_arrives_whole(connection: Connection) -> None:
    value = SecretStr("é_-" * 341 + "x")

    class Long:
        def fetch(self, account: str, *, force: bool) -> FetchedToken:
            return FetchedToken(value=value, expires_in=7200)

    assert TokenService(connection, Long()).get(ACCOUNT).value == value
    assert TokenService(connection, Long()).get(ACCOUNT).value == value


def test_token_leaves_redis_when_it_expires(
    connection: Connection, fetcher: CountingFetcher
) -> None:
    TokenService(connection, fetcher).get(ACCOUNT)
    left_ms = connection.pttl(Keys().token(ACCOUNT))
    assert isinstance(left_ms, int)
    assert 7190_000 < left_ms <= 7200_000


def test_expiring_token_is_renewed_within_the_margin(
    stable: TokenService, wechat: StableWeChat
) -> None:
    first = stable.get(ACCOUNT)
    pass_time(wechat, 7200 - 301)
    assert stable.get(ACCOUNT) == first
    pass_time(wechat, 1)
    second = stable.get(ACCOUNT)
    assert second.value != first.value
    assert second.generation == 2
    assert wechat.calls == ["normal", "normal"]


def test_expiring_token_is_used_while_wechat_is_away(
    stable: TokenService, wechat: StableWeChat
) -> None:
    first = stable.get(ACCOUNT)
    wechat.away = True
    pass_time(wechat, 7200 - 200)
    assert stable.get(ACCOUNT) == first
    assert stable.get(ACCOUNT) == first
    assert len(wechat.calls) == 2, "an expiring token is not renewed at every call"
    pass_time(wechat, 16)
    assert stable.get(ACCOUNT) == first
    assert len(wechat.calls) == 3, "but it is tried again after the pause"
    pass_time(wechat, 200)
    with pytest.raises(WeChatRefusesError):
        stable.get(ACCOUNT)
    wechat.away = False
    assert stable.get(ACCOUNT).value == wechat.current


def test_short_lived_token_is_not_fetched_at_every_call(
    connection: Connection, fetcher: CountingFetcher
) -> None:
    fetcher.expires_in = 60
    service = TokenService(connection, fetcher)
    assert service.get(ACCOUNT) == service.get(ACCOUNT)
    assert fetcher.calls == ["normal"]


def test_emptied_redis_costs_one_fetch(connection: Connection, fetcher: CountingFetcher) -> None:
    service = TokenService(connection, fetcher)
    service.get(ACCOUNT)
    connection.flushall()
    assert service.get(ACCOUNT) == service.get(ACCOUNT)
    assert fetcher.calls == ["normal", "normal"]


def test_refresh_fetches_now_and_normally(connection: Connection, fetcher: CountingFetcher) -> None:
    service = TokenService(connection, fetcher)
    service.get(ACCOUNT)
    token = service.refresh(ACCOUNT, reason="beat")
    assert token.value == SecretStr("token-2")
    assert service.get(ACCOUNT) == token
    assert fetcher.calls == ["normal", "normal"]


def test_refresh_that_brings_the_same_token_keeps_its_generation(
    stable: TokenService, wechat: StableWeChat
) -> None:
    first = stable.get(ACCOUNT)
    pass_time(wechat, 60)
    again = stable.refresh(ACCOUNT, reason="beat")
    assert (again.value, again.generation) == (first.value, first.generation)
    assert again.expires_at == first.expires_at


def test_failed_token_that_is_not_the_shared_one_needs_no_fetch(
    connection: Connection, fetcher: CountingFetcher
) -> None:
    service = TokenService(connection, fetcher)
    old = service.get(ACCOUNT)
    shared = service.refresh(ACCOUNT, reason="operator")
    assert service.replace(ACCOUNT, old) == shared
    assert len(fetcher.calls) == 2


def test_same_token_again_leads_to_one_force_refresh(
    stable: TokenService, wechat: StableWeChat
) -> None:
    failed = stable.get(ACCOUNT)
    token = stable.replace(ACCOUNT, failed)
    assert token.value != failed.value
    assert wechat.calls == ["normal", "normal", "forced"]
    assert stable.get(ACCOUNT) == token


def test_force_refreshes_are_thirty_seconds_apart(
    stable: TokenService, wechat: StableWeChat
) -> None:
    second = stable.replace(ACCOUNT, stable.get(ACCOUNT))
    pass_time(wechat, 30)
    with pytest.raises(TokenRefusedError) as caught:
        stable.replace(ACCOUNT, second)
    assert caught.value.retry_after_s == pytest.approx(1)
    assert wechat.calls.count("forced") == 1
    pass_time(wechat, 1)
    assert stable.replace(ACCOUNT, second).value != second.value


def test_twenty_force_refreshes_a_day_and_no_more(
    stable: TokenService, wechat: StableWeChat
) -> None:
    token = stable.get(ACCOUNT)
    for _ in range(20):
        pass_time(wechat, 600)
        token = stable.replace(ACCOUNT, token)
    pass_time(wechat, 600)
    with pytest.raises(TokenRefusedError) as caught:
        stable.replace(ACCOUNT, token)
    assert caught.value.retry_after_s == pytest.approx(24 * 3600 - 20 * 600)
    assert wechat.calls.count("forced") == 20
    pass_time(wechat, caught.value.retry_after_s)
    stable.get(ACCOUNT)
    assert stable.replace(ACCOUNT, stable.get(ACCOUNT)).value == wechat.current


def test_wechat_that_only_knows_one_token_is_asked_twice_and_given_up(
    connection: Connection, fetcher: CountingFetcher
) -> None:
    """A payload problem that answers 40001 to everything must not burn the day's calls."""
    calls: list[bool] = []

    class Stubborn:
        def fetch(self, account: str, *, force: bool) -> FetchedToken:
            calls.append(force)
            return FetchedToken(value=SecretStr("only-one"), expires_in=7200)

    service = TokenService(connection, Stubborn())
    failed = service.get(ACCOUNT)
    for _ in range(3):
        with pytest.raises(TokenRefusedError):
            service.replace(ACCOUNT, failed)
    assert calls == [False, False, True], "the refusal is remembered, not repeated"


def test_fetchers_exception_passes_through_and_frees_the_lock(
    connection: Connection, fetcher: CountingFetcher
) -> None:
    service = TokenService(connection, fetcher)
    fetcher.before_reply = refusing(40164)
    with pytest.raises(WeChatRefusesError):
        service.get(ACCOUNT)
    assert not connection.exists(Keys().lock(ACCOUNT))


def test_failure_is_remembered_with_its_errcode(
    connection: Connection, fetcher: CountingFetcher
) -> None:
    service = TokenService(connection, fetcher)
    fetcher.before_reply = refusing(40164)
    with pytest.raises(WeChatRefusesError):
        service.get(ACCOUNT)
    for ask in (service.get, lambda account: service.refresh(account, reason="operator")):
        with pytest.raises(TokenFetchError) as caught:
            ask(ACCOUNT)
        assert caught.value.errcode == 40164
        assert caught.value.error == "WeChatRefusesError"
    assert len(fetcher.calls) == 1


def test_a_machine_that_is_not_on_the_whitelist_keeps_the_token_from_no_other(
    connection: Connection, fetcher: CountingFetcher
) -> None:
    soon = Timing(failure_memory_s=0.2)
    new, old = (
        TokenService(connection, fetcher, timing=soon, host=name) for name in ("new", "old")
    )
    fetcher.before_reply = refusing(40164)
    with pytest.raises(WeChatRefusesError):
        new.get(ACCOUNT)
    assert not new.serves(ACCOUNT)
    fetcher.before_reply = lambda: None

    fetched = old.get(ACCOUNT)

    assert new.get(ACCOUNT) == fetched
    assert new.serves(ACCOUNT)
    assert fetcher.calls == ["normal", "normal"]


def test_a_machine_that_is_not_on_the_whitelist_asks_once_a_minute(
    connection: Connection, fetcher: CountingFetcher
) -> None:
    service = TokenService(connection, fetcher, timing=Timing(failure_memory_s=0))
    fetcher.before_reply = refusing(40164)
    with pytest.raises(WeChatRefusesError):
        service.get(ACCOUNT)
    for _ in range(3):
        with pytest.raises(TokenFetchError) as caught:
            service.get(ACCOUNT)
        assert caught.value.errcode == 40164
    assert len(fetcher.calls) == 1


def test_a_machine_that_was_refused_is_answered_where_it_asks_anew(
    connection: Connection, fetcher: CountingFetcher
) -> None:
    service = TokenService(connection, fetcher, timing=Timing(failure_memory_s=60))
    fetcher.before_reply = refusing(40164)
    with pytest.raises(WeChatRefusesError):
        service.get(ACCOUNT)
    fetcher.before_reply = lambda: None

    assert service.ask_despite_refusal(ACCOUNT).generation == 1
    assert service.get(ACCOUNT).generation == 1
    assert service.serves(ACCOUNT)


@pytest.mark.parametrize("was_refused", [False, True])
def test_a_token_that_wechat_refused_is_given_out_no_more_to_a_machine_that_gets_no_other(
    connection: Connection, fetcher: CountingFetcher, *, was_refused: bool
) -> None:
    """And that may have been refused another one before."""
    service = TokenService(connection, fetcher, timing=Timing(failure_memory_s=0))
    refused = service.get(ACCOUNT)
    fetcher.before_reply = refusing(40164)
    if was_refused:
        with pytest.raises(WeChatRefusesError):
            service.refresh(ACCOUNT, reason="beat")
        assert service.get(ACCOUNT) == refused

    with pytest.raises(TokenFetchError if was_refused else WeChatRefusesError):
        service.replace(ACCOUNT, refused)

    assert not service.serves(ACCOUNT)
    with pytest.raises(TokenFetchError):
        service.get(ACCOUNT)
    fetcher.before_reply = lambda: None
    assert service.ask_despite_refusal(ACCOUNT) != refused
    assert service.get(ACCOUNT) != refused


def test_interrupted_fetch_frees_the_lock_and_is_no_failure(
    connection: Connection, fetcher: CountingFetcher
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    service = TokenService(connection, fetcher)
    fetcher.before_reply = interrupt
    with pytest.raises(KeyboardInterrupt):
        service.get(ACCOUNT)
    fetcher.before_reply = lambda: None
    assert service.get(ACCOUNT).value == SecretStr("token-2")


@pytest.mark.parametrize(("value", "expires_in"), [("", 7200), ("token", 0), ("token", -1)])
def test_unusable_reply_is_refused(value: str, expires_in: int) -> None:
    with pytest.raises(ValueError, match="seconds to live"):
        FetchedToken(value=SecretStr(value), expires_in=expires_in)
