"""Refreshers that die, stand still and wake up late, against a model of who may write a token."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from pydantic import SecretStr

from broadcast.tokens.redis_access import Keys
from broadcast.tokens.token_service import FetchedToken, Timing, Token, TokenService
from broadcast.tokens.token_store import TokenStore

if TYPE_CHECKING:
    from broadcast.tokens.redis_access import Connection

ACCOUNT = "wx0123456789abcdef"
# Redis ends a lease by its own clock: here the test alone does.
TIMING = Timing(failure_memory_s=0, lease_s=3_600)
LIFE = timedelta(hours=2)
MARGIN = timedelta(seconds=TIMING.margin_s)
GAP, DAY = timedelta(seconds=TIMING.force_gap_s), timedelta(days=1)
picks = st.integers(0, 9)


@dataclass(slots=True)
class Refresher:
    """A process with a token that nobody else has seen, alive or not."""

    nonce: str
    value: SecretStr
    fetched_at: datetime


class LateWriters(RuleBasedStateMachine):
    """Many refreshers, of whom one has the lock; each may act on what it knew at any time."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.redis = connection
        self.redis.flushall()
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.fetches = 0
        self.store = TokenStore(connection, keys=Keys(), timing=TIMING, now=self.clock)
        self.service = TokenService(connection, self, timing=TIMING, now=self.clock)
        self.refreshers: list[Refresher] = []
        # The model: who has the lock, what is shared, how many tokens this Redis had.
        self.holder: str | None = None
        self.shared: SecretStr | None = None
        self.fetched_at = self.now
        self.generation = 0
        self.forced: list[datetime] = []

    def clock(self) -> datetime:
        return self.now

    def fetch(self, account: str, *, force: bool) -> FetchedToken:
        """Give another token each time, as the classic endpoint does."""
        assert not force, "a new token came without it"
        self.fetches += 1
        life = int(LIFE.total_seconds())
        return FetchedToken(value=SecretStr(f"token-{self.fetches}"), expires_in=life)

    def token_of(self, value: SecretStr) -> Token:
        return Token(value=value, generation=1, expires_at=self.now + LIFE, fetched_at=self.now)

    def one(self, pick: int) -> Refresher:
        return self.refreshers[pick % len(self.refreshers)]

    @property
    def left(self) -> timedelta:
        """How long the shared token still lives."""
        return self.fetched_at + LIFE - self.now if self.shared else timedelta(0)

    def written(self, value: SecretStr, fetched_at: datetime) -> None:
        self.shared, self.fetched_at, self.holder = value, fetched_at, None
        self.generation += 1

    @initialize()
    def first(self) -> None:
        self.refresher_takes_the_lock()

    @rule()
    def refresher_takes_the_lock(self) -> None:
        """Lock, begin, fetch; then stand still with the token in hand."""
        seen = self.store.lock(ACCOUNT)
        assert seen.held == (self.holder is None)
        if seen.held:
            self.holder = seen.nonce
            assert self.store.begin(ACCOUNT, seen.nonce)
            value = self.fetch(ACCOUNT, force=False).value
            self.refreshers.append(Refresher(seen.nonce, value, self.now))

    @precondition(lambda self: self.holder is not None)
    @rule()
    def holder_dies(self) -> None:
        """Let the lease end: Redis forgets the lock, by a clock that no test can move."""
        self.redis.delete(Keys().lock(ACCOUNT))
        self.holder = None

    @precondition(lambda self: self.refreshers)
    @rule(pick=picks)
    def refresher_wakes_up_and_writes(self, pick: int) -> None:
        late = self.one(pick)
        left = late.fetched_at + LIFE - self.now
        if late.nonce == self.holder and left < MARGIN:
            # Redis lets go of it by its own clock, so that a slow run would not find it.
            return
        token = self.store.write(
            ACCOUNT,
            late.nonce,
            late.value,
            expires_at=late.fetched_at + LIFE,
            reason="tests",
            replaced_outside=False,
        )
        assert (token is not None) == (late.nonce == self.holder)
        if token is not None:
            self.written(late.value, late.fetched_at)
            assert token.generation == self.generation

    @precondition(lambda self: self.refreshers)
    @rule(pick=picks)
    def refresher_wakes_up_and_asks_before_a_request(self, pick: int) -> None:
        late = self.one(pick)
        assert self.store.begin(ACCOUNT, late.nonce) == (late.nonce == self.holder)

    @precondition(lambda self: self.refreshers)
    @rule(pick=picks)
    def refresher_asks_for_a_forced_one(self, pick: int) -> None:
        late = self.one(pick)
        if late.nonce == self.holder:
            self.ask_force()
        else:
            assert self.store.ask_force(ACCOUNT, late.nonce) is None

    @precondition(lambda self: self.holder is not None)
    @rule(gap=st.sampled_from([1, 30, 31, 3_600]), times=st.sampled_from([2, 3, 25]))
    def holder_asks_again_and_again(self, gap: int, times: int) -> None:
        """Ask so often that WeChat's pace, or its day, says no."""
        for _ in range(times):
            self.ask_force()
            self.time_passes(gap)

    def ask_force(self) -> None:
        newest = max(self.forced, default=self.now - DAY)
        today = [moment for moment in self.forced if self.now - moment < DAY]
        allowed = self.now - newest >= GAP and len(today) < TIMING.force_per_day
        wait_s = self.store.ask_force(ACCOUNT, self.holder or "")
        assert (wait_s == 0) == allowed, wait_s
        if allowed:
            self.forced.append(self.now)

    @precondition(lambda self: self.refreshers)
    @rule(pick=picks)
    def refresher_gives_up(self, pick: int) -> None:
        late = self.one(pick)
        self.store.release(ACCOUNT, late.nonce, failure="{}")
        self.holder = None if late.nonce == self.holder else self.holder

    @precondition(lambda self: self.holder is None or self.left > timedelta(0))
    @rule()
    def somebody_gets_it(self) -> None:
        before, shared = self.fetches, self.shared
        token = self.service.get(ACCOUNT)
        if self.fetches > before:
            # One fetch, by whoever got the lock, and only where it was time.
            assert self.fetches == before + 1
            assert self.holder is None
            assert self.left <= MARGIN
            self.written(token.value, self.now)
            return
        assert token.value == shared
        assert self.left > timedelta(0)

    @precondition(lambda self: self.holder is None and self.refreshers)
    @rule(pick=picks)
    def somebody_replaces_a_token_that_was_refused(self, pick: int) -> None:
        failed, before = self.one(pick).value, self.fetches
        seen = self.store.read(ACCOUNT).living
        stale = seen is not None and seen.value != failed
        given = seen if stale and seen is not None else None
        token = self.service.replace(ACCOUNT, given or self.token_of(failed))
        assert token.value != (given.value if given else failed)
        assert self.fetches == before + 1
        self.written(token.value, self.now)
        # Who comes with the token of before takes the new one, without a fetch.
        if given is not None:
            assert self.service.replace(ACCOUNT, given).value == token.value
            assert self.fetches == before + 1

    @rule(seconds=st.sampled_from([1, 16, 30, 31, 299, 3_600, 6_901, 7_201, 86_400]))
    def some_time_passes(self, seconds: int) -> None:
        self.time_passes(seconds)

    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        if self.left <= timedelta(0):
            # Redis lets an expired token go by its own clock; to the service it is gone by ours.
            self.shared = None

    @rule()
    def redis_is_emptied(self) -> None:
        self.redis.flushall()
        self.holder = self.shared = None
        self.generation, self.forced = 0, []

    @invariant()
    def what_is_shared_is_what_the_last_holder_wrote(self) -> None:
        living = self.store.read(ACCOUNT).living
        assert (living.value if living else None) == self.shared
        view = self.service.peek(ACCOUNT)
        if living is not None and view is not None:
            secret = living.value.get_secret_value().encode()
            assert view.fingerprint == hashlib.sha256(secret).hexdigest()[:8]
            assert view.generation == self.generation


def _run(connection: Connection, **how: Any) -> None:
    run_state_machine_as_test(
        cast("type[LateWriters]", lambda: LateWriters(connection)),
        settings=settings(
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
            **how,
        ),
    )


def test_late_writer_never_overwrites_a_newer_token(connection: Connection) -> None:
    _run(connection, max_examples=60, stateful_step_count=40, derandomize=True)


@pytest.mark.prove
@pytest.mark.timeout(1_800)
def test_late_writer_never_overwrites_a_newer_token_in_many_histories(
    connection: Connection,
) -> None:
    _run(connection, max_examples=1_500, stateful_step_count=60)
