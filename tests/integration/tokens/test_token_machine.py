"""The token service against a small model of it, through random histories."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from broadcast.tokens.token_service import Timing, TokenService
from broadcast.tokens.token_store import TokenRefusedError
from tests.integration.tokens.twins import StableWeChat, WeChatRefusesError

if TYPE_CHECKING:
    from broadcast.tokens.redis_access import Connection
    from broadcast.tokens.token_service import Token

ACCOUNT = "wx0123456789abcdef"
TIMING = Timing(failure_memory_s=0)
DAY = timedelta(days=1)


class TokenMachine(RuleBasedStateMachine):
    """One account, one WeChat with the rules of stable_token, and a clock the test moves."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection
        self.connection.flushall()
        self.wechat = StableWeChat()
        self.service = TokenService(
            connection, self.wechat, timing=TIMING, now=self.wechat.clock, on_drift=self.drifted
        )
        self.drifts = 0
        self.seen: list[Token] = []
        # The model: what Redis should hold, and when it should be renewed.
        self.shared: Token | None = None
        self.renew_at: datetime = self.wechat.now
        self.clean = True
        self.forced: list[datetime] = []

    def drifted(self, account: str) -> None:
        self.drifts += 1

    @property
    def living(self) -> Token | None:
        alive = self.shared is not None and self.shared.expires_at > self.wechat.now
        return self.shared if alive else None

    def fetched(self, token: Token) -> None:
        """Note a token that a fetch has just brought."""
        assert token.value == self.wechat.current
        same = self.living is not None and self.living.value == token.value
        if same and self.living is not None:
            assert token.generation == self.living.generation
        self.shared, self.clean = token, True
        self.seen.append(token)
        pause = timedelta(seconds=TIMING.early_pause_s)
        margin = timedelta(seconds=TIMING.margin_s)
        self.renew_at = max(token.expires_at - margin, self.wechat.now + pause)

    def failed(self) -> None:
        """Note a fetch that failed."""
        pause = timedelta(seconds=TIMING.early_pause_s)
        self.renew_at = max(self.renew_at, self.wechat.now + pause)
        self.clean = False

    @initialize()
    def first_token(self) -> None:
        self.fetched(self.service.get(ACCOUNT))

    @rule()
    def get(self) -> None:
        calls = len(self.wechat.calls)
        living = self.living
        if living and self.renew_at > self.wechat.now:
            assert self.service.get(ACCOUNT) == living
            assert len(self.wechat.calls) == calls
            return
        if not self.wechat.away:
            self.fetched(self.service.get(ACCOUNT))
        elif living:
            assert self.service.get(ACCOUNT) == living
            self.failed()
        else:
            with pytest.raises(WeChatRefusesError):
                self.service.get(ACCOUNT)
        assert len(self.wechat.calls) == calls + 1

    @rule()
    def refresh(self) -> None:
        calls = len(self.wechat.calls)
        if self.wechat.away:
            with pytest.raises(WeChatRefusesError):
                self.service.refresh(ACCOUNT, reason="beat")
            self.failed()
        else:
            self.fetched(self.service.refresh(ACCOUNT, reason="beat"))
        assert len(self.wechat.calls) == calls + 1

    @rule(data=st.data())
    def replace(self, data: st.DataObject) -> None:
        failed = data.draw(st.sampled_from(self.seen), label="failed")
        calls, drifts = len(self.wechat.calls), self.drifts
        living = self.living
        if living and living.value != failed.value:
            assert self.service.replace(ACCOUNT, failed) == living
            assert len(self.wechat.calls) == calls
            return
        young = living and living.expires_at - self.wechat.now > timedelta(seconds=TIMING.margin_s)
        provable = bool(young) and self.clean
        gives_the_same = self.wechat.gives_the_same_as(failed.value)
        allowed = self.may_force()
        if self.wechat.away:
            with pytest.raises(WeChatRefusesError):
                self.service.replace(ACCOUNT, failed)
        elif gives_the_same and not (allowed and self.wechat.may_force()):
            with pytest.raises(TokenRefusedError):
                self.service.replace(ACCOUNT, failed)
        else:
            token = self.service.replace(ACCOUNT, failed)
            assert token.value != failed.value
            self.fetched(token)
            assert self.drifts == drifts + int(provable and not gives_the_same)
        asked_to_force = gives_the_same and allowed and not self.wechat.away
        made = self.wechat.calls[calls:]
        assert made == ["normal", "forced"][: 1 + asked_to_force]
        if asked_to_force:
            self.forced.append(self.wechat.now)
        if self.shared is None or self.shared.value == failed.value:
            self.failed()

    def may_force(self) -> bool:
        """Tell what WeChat's rules allow, by the calls of ours since Redis was last emptied."""
        ages = [self.wechat.now - moment for moment in self.forced]
        spaced = all(age.total_seconds() >= TIMING.force_gap_s for age in ages)
        return spaced and sum(age < DAY for age in ages) < TIMING.force_per_day

    @rule()
    def stranger_forces(self) -> None:
        self.wechat.force()

    @rule(seconds=st.sampled_from([1, 14, 16, 29, 31, 250, 299, 301, 3600, 6901, 7200, 86_400]))
    def time_passes(self, seconds: int) -> None:
        self.wechat.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.shared is not None)
    @rule()
    def redis_is_emptied(self) -> None:
        self.connection.flushall()
        self.shared, self.clean, self.forced = None, True, []
        self.renew_at = self.wechat.now

    @rule()
    def wechat_goes_or_comes(self) -> None:
        self.wechat.away = not self.wechat.away

    @invariant()
    def what_is_shared_is_what_was_fetched_last(self) -> None:
        view = self.service.peek(ACCOUNT)
        if self.living is not None:
            assert view is not None
            assert (view.generation, view.expires_at) == (
                self.living.generation,
                self.living.expires_at,
            )


def test_random_histories_keep_the_model(connection: Connection) -> None:
    class Here(TokenMachine):
        def __init__(self) -> None:
            super().__init__(connection)

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
