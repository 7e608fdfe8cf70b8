"""Whether another program replaced the shared token, and what is known without asking WeChat."""

from __future__ import annotations

from dataclasses import replace as changed
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from broadcast.message import Message
from broadcast.tokens.redis_access import Keys
from broadcast.tokens.token_service import TokenService
from broadcast.views.texts import Texts
from tests.integration.tokens.test_tokens import ACCOUNT, pass_time, stable, wechat
from tests.integration.tokens.twins import (
    CountingFetcher,
    StableWeChat,
    WeChatRefusesError,
    refusing,
)

if TYPE_CHECKING:
    from broadcast.tokens.redis_access import Connection
    from broadcast.tokens.token_service import Token

__all__ = ["stable", "wechat"]


class TestDrift:
    """Somebody else's program fetches the token of the same account."""

    @pytest.fixture
    def told(self) -> list[str]:
        return []

    @pytest.fixture
    def classic(
        self, connection: Connection, fetcher: CountingFetcher, told: list[str]
    ) -> TokenService:
        return TokenService(connection, fetcher, on_drift=told.append)

    def test_it_is_told_once_per_token(self, classic: TokenService, told: list[str]) -> None:
        first = classic.get(ACCOUNT)
        second = classic.replace(ACCOUNT, first)
        assert classic.replace(ACCOUNT, first) == second
        assert told == [ACCOUNT]
        view = classic.peek(ACCOUNT)
        assert view is not None
        assert view.replaced_outside_at == second.fetched_at
        classic.replace(ACCOUNT, second)
        assert told == [ACCOUNT, ACCOUNT]

    def test_it_has_a_name_in_both_languages(self) -> None:
        drift = Message("token.drift", account="x")
        assert Texts("en")(drift).startswith("Token replaced outside this system")
        assert "外部程序" in Texts("zh")(drift)

    def test_a_token_replaced_by_ourselves_is_no_drift(
        self, classic: TokenService, told: list[str]
    ) -> None:
        first = classic.get(ACCOUNT)
        classic.refresh(ACCOUNT, reason="beat")
        classic.replace(ACCOUNT, first)
        assert told == []

    def test_a_request_of_ours_whose_reply_was_lost_is_no_drift(
        self,
        classic: TokenService,
        fetcher: CountingFetcher,
        connection: Connection,
        told: list[str],
    ) -> None:
        first = classic.get(ACCOUNT)
        fetcher.before_reply = refusing(-1)
        with pytest.raises(WeChatRefusesError):
            classic.refresh(ACCOUNT, reason="beat")
        fetcher.before_reply = lambda: None
        connection.delete(Keys().failure(ACCOUNT))
        classic.replace(ACCOUNT, first)
        assert told == []

    def test_an_expiring_token_that_fails_is_no_drift(
        self, connection: Connection, fetcher: CountingFetcher, told: list[str]
    ) -> None:
        fetcher.expires_in = 299
        service = TokenService(connection, fetcher, on_drift=told.append)
        service.replace(ACCOUNT, service.get(ACCOUNT))
        assert told == []

    def test_a_forced_token_is_no_drift(
        self, connection: Connection, wechat: StableWeChat, told: list[str]
    ) -> None:
        service = TokenService(connection, wechat, now=wechat.clock, on_drift=told.append)
        service.replace(ACCOUNT, service.get(ACCOUNT))
        assert told == []

    def test_a_strangers_force_refresh_is_drift(
        self, connection: Connection, wechat: StableWeChat, told: list[str]
    ) -> None:
        service = TokenService(connection, wechat, now=wechat.clock, on_drift=told.append)
        failed = service.get(ACCOUNT)
        wechat.force()
        service.replace(ACCOUNT, failed)
        assert told == [ACCOUNT]
        assert "forced" not in wechat.calls


class TestPeek:
    """What `token show` may know."""

    def test_nothing_is_shown_and_nothing_fetched_without_a_token(
        self, connection: Connection, fetcher: CountingFetcher
    ) -> None:
        assert TokenService(connection, fetcher).peek(ACCOUNT) is None
        assert fetcher.calls == []

    def test_everything_but_the_token_is_shown(
        self, stable: TokenService, wechat: StableWeChat
    ) -> None:
        token: Token = stable.refresh(ACCOUNT, reason="operator")
        pass_time(wechat, 90)
        view = stable.peek(ACCOUNT)
        assert view is not None
        assert view.age == timedelta(seconds=90)
        assert view.expires_at == token.expires_at
        assert view.length == len("stable-1")
        assert view.reason == "operator"
        assert len(view.fingerprint) == 8
        assert "stable-1" not in repr(view)
        assert "stable-1" not in repr(changed(token))
