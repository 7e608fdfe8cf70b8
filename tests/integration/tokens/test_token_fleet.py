"""The token service in many processes: one fetch, one truth."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from broadcast.errors import RedisAwayError
from broadcast.tokens.redis_access import Keys
from broadcast.tokens.token_service import Timing, TokenService
from broadcast.tokens.token_store import TokenFetchError, TokenStore, TokenWaitError
from tests.integration.tokens.forks import Gate, answers_of, forked
from tests.integration.tokens.twins import WeChatRefusesError, refusing, slow
from tests.kit.wait import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from broadcast.tokens.redis_access import Connection
    from broadcast.tokens.token_service import Token
    from tests.integration.tokens.twins import CountingFetcher
    from tests.servers.valkey import Valkey

ACCOUNT = "wx0123456789abcdef"
PROCESSES = 200
FEW_OR_MANY = pytest.mark.parametrize(
    "processes", [50, pytest.param(PROCESSES, marks=pytest.mark.prove)]
)
LEASE_S = 0.4


def text(token: Token) -> str:
    return f"{token.value.get_secret_value()} of generation {token.generation}"


@FEW_OR_MANY
def test_many_processes_without_a_token_make_one_fetch(
    connection: Connection, fetcher: CountingFetcher, processes: int
) -> None:
    fetcher.before_reply = slow(0.5)
    service = TokenService(connection, fetcher)
    answers = answers_of(processes, lambda: text(service.get(ACCOUNT)))
    assert Counter(answers) == {"token-1 of generation 1": processes}
    assert fetcher.calls == ["normal"]


@pytest.mark.prove
def test_200_processes_with_the_same_failed_token_make_one_fetch(
    connection: Connection, fetcher: CountingFetcher
) -> None:
    service = TokenService(connection, fetcher)
    failed = service.get(ACCOUNT)
    fetcher.before_reply = slow(0.3)
    answers = answers_of(PROCESSES, lambda: text(service.replace(ACCOUNT, failed)))
    assert Counter(answers) == {"token-2 of generation 2": PROCESSES}
    assert fetcher.calls == ["normal", "normal"]


@FEW_OR_MANY
def test_many_processes_before_a_refusing_wechat_make_one_fetch(
    connection: Connection, fetcher: CountingFetcher, processes: int
) -> None:
    fetcher.before_reply = refusing(40164, after_s=0.5)
    # Longer than a busy machine needs to run them all past it.
    service = TokenService(connection, fetcher, timing=Timing(failure_memory_s=20))

    def ask() -> str:
        try:
            return text(service.get(ACCOUNT))
        except WeChatRefusesError as error:
            return f"itself: {error.errcode}"
        except TokenFetchError as error:
            return f"told: {error.errcode}"

    answers = Counter(answers_of(processes, ask))
    assert answers == {"itself: 40164": 1, "told: 40164": processes - 1}
    assert fetcher.calls == ["normal"]


def test_expiring_token_serves_everybody_while_one_renews_it(
    connection: Connection, fetcher: CountingFetcher
) -> None:
    with Gate() as gate:
        fetcher.expires_in = 200
        service = TokenService(connection, fetcher, timing=Timing(early_pause_s=0))
        first = service.get(ACCOUNT)
        fetcher.before_reply = gate.pass_through
        with forked(lambda: text(service.get(ACCOUNT))) as renewer:
            gate.wait_for_knocks()
            assert service.get(ACCOUNT) == first
            gate.open()
            assert renewer.answer() == "token-2 of generation 2"


def test_64_threads_share_one_service(connection: Connection, fetcher: CountingFetcher) -> None:
    fetcher.before_reply = slow(0.1)
    service = TokenService(connection, fetcher)
    with ThreadPoolExecutor(64) as pool:
        tokens = set(pool.map(lambda _: text(service.get(ACCOUNT)), range(640)))
    assert tokens == {"token-1 of generation 1"}
    assert fetcher.calls == ["normal"]


def test_killed_refresher_costs_its_lease_and_one_more_fetch(
    connection: Connection, fetcher: CountingFetcher
) -> None:
    with Gate() as gate:
        fetcher.before_reply = gate.pass_through
        service = TokenService(connection, fetcher, timing=Timing(lease_s=LEASE_S))
        with forked(lambda: text(service.get(ACCOUNT))) as refresher:
            gate.wait_for_knocks()
            refresher.kill()
        gate.open()
        assert text(service.get(ACCOUNT)) == "token-2 of generation 1"


def test_waiting_is_bounded(connection: Connection, fetcher: CountingFetcher) -> None:
    with Gate() as gate:
        fetcher.before_reply = gate.pass_through
        service = TokenService(connection, fetcher, timing=Timing(wait_s=0.3))
        with forked(lambda: text(service.get(ACCOUNT))):
            gate.wait_for_knocks()
            with pytest.raises(TokenWaitError):
                service.get(ACCOUNT)


class TestStoppedRefresher:
    """A holder of the lock is stopped past its lease, and wakes up with its old token."""

    @pytest.fixture
    def service(self, connection: Connection, fetcher: CountingFetcher) -> TokenService:
        return TokenService(connection, fetcher, timing=Timing(lease_s=LEASE_S, wait_s=10))

    @pytest.fixture
    def woken(
        self, connection: Connection, fetcher: CountingFetcher, service: TokenService
    ) -> Iterator[Callable[[Callable[[], object]], str]]:
        """Stop a refresher that has its token in hand, do something, and wake it up."""
        with contextlib.ExitStack() as stack:
            gate = stack.enter_context(Gate())
            main = os.getpid()

            def in_the_child_only() -> None:
                # Its first fetch alone: what it does after it lost the lease must not wait.
                if os.getpid() != main and fetcher.calls == ["normal"]:
                    gate.pass_through()

            fetcher.before_reply = in_the_child_only

            def run(meanwhile: Callable[[], object]) -> str:
                child = stack.enter_context(forked(lambda: text(service.get(ACCOUNT))))
                gate.wait_for_knocks()
                child.freeze()
                lock = Keys().lock(ACCOUNT)
                until(lambda: not connection.exists(lock), 10, "the lease to end")
                meanwhile()
                gate.open()
                child.thaw()
                return child.answer()

            yield run

    def test_it_cannot_overwrite_the_newer_token(
        self, woken: Callable[[Callable[[], object]], str], service: TokenService
    ) -> None:
        assert woken(lambda: service.get(ACCOUNT)) == "token-2 of generation 1"
        assert text(service.get(ACCOUNT)) == "token-2 of generation 1"

    def test_nor_after_redis_was_emptied_before_the_newer_one(
        self,
        woken: Callable[[Callable[[], object]], str],
        service: TokenService,
        connection: Connection,
    ) -> None:
        def emptied_and_fetched() -> None:
            connection.flushall()
            service.get(ACCOUNT)

        assert woken(emptied_and_fetched) == "token-2 of generation 1"
        assert text(service.get(ACCOUNT)) == "token-2 of generation 1"

    def test_nor_after_many_generations_were_forgotten(
        self,
        woken: Callable[[Callable[[], object]], str],
        service: TokenService,
        connection: Connection,
    ) -> None:
        """The stopped one would carry the larger number: numbers must not decide."""

        def refreshed_emptied_and_fetched() -> None:
            for _ in range(5):
                service.refresh(ACCOUNT, reason="operator")
            connection.flushall()
            service.get(ACCOUNT)

        assert woken(refreshed_emptied_and_fetched) == "token-7 of generation 1"
        assert text(service.get(ACCOUNT)) == "token-7 of generation 1"

    def test_nor_while_somebody_else_holds_the_lock(
        self,
        woken: Callable[[Callable[[], object]], str],
        connection: Connection,
        service: TokenService,
    ) -> None:
        """It neither writes nor frees a lock that is not its own; it waits, then does it anew."""
        lock = Keys().lock(ACCOUNT)

        def emptied_and_locked() -> None:
            connection.flushall()
            connection.set(lock, "another-nonce", px=1500)

        answer = woken(emptied_and_locked)
        assert answer == "token-2 of generation 1", "its first token was not used"
        assert text(service.get(ACCOUNT)) == answer

    def test_alone_with_an_emptied_redis_it_fetches_anew(
        self, woken: Callable[[Callable[[], object]], str], connection: Connection
    ) -> None:
        assert woken(connection.flushall) == "token-2 of generation 1"

    def test_its_late_request_is_not_taken_for_a_stranger(
        self,
        woken: Callable[[Callable[[], object]], str],
        connection: Connection,
        fetcher: CountingFetcher,
    ) -> None:
        """In classic mode the loser's own request may have replaced the shared token."""
        told: list[str] = []
        service = TokenService(connection, fetcher, on_drift=told.append)
        woken(lambda: service.get(ACCOUNT))
        shared = service.get(ACCOUNT)
        service.replace(ACCOUNT, shared)
        assert told == []


class TestRedisAway:
    """Nothing is fetched around the lock."""

    def test_get_says_so_and_does_not_fetch(
        self, valkey: Valkey, connection: Connection, fetcher: CountingFetcher
    ) -> None:
        service = TokenService(connection, fetcher)
        valkey.freeze()
        with pytest.raises(RedisAwayError):
            service.get(ACCOUNT)
        assert fetcher.calls == []

    def test_a_redis_that_goes_during_the_fetch_is_told(
        self, valkey: Valkey, connection: Connection, fetcher: CountingFetcher
    ) -> None:
        service = TokenService(connection, fetcher)
        fetcher.before_reply = valkey.kill
        with pytest.raises(RedisAwayError):
            service.get(ACCOUNT)
        fetcher.before_reply = lambda: None
        valkey.start()
        assert text(service.get(ACCOUNT)) == "token-2 of generation 1"

    def test_the_fetchers_error_is_told_even_then(
        self, valkey: Valkey, connection: Connection, fetcher: CountingFetcher
    ) -> None:
        def both() -> None:
            valkey.kill()
            raise WeChatRefusesError(40164)

        service = TokenService(connection, fetcher)
        fetcher.before_reply = both
        with pytest.raises(WeChatRefusesError):
            service.refresh(ACCOUNT, reason="operator")


class TestLostLease:
    """A refresher that finds its lease gone makes no request, as it could replace a good token."""

    @pytest.fixture
    def store(self, connection: Connection) -> TokenStore:
        return TokenStore(connection, keys=Keys(), timing=Timing())

    def test_nothing_may_be_begun_or_forced(
        self, connection: Connection, store: TokenStore
    ) -> None:
        seen = store.lock(ACCOUNT)
        assert store.begin(ACCOUNT, seen.nonce)
        connection.set(Keys().lock(ACCOUNT), "another-nonce", px=5000)
        assert not store.begin(ACCOUNT, seen.nonce)
        assert store.ask_force(ACCOUNT, seen.nonce) is None
        assert not connection.exists(Keys().forced(ACCOUNT))

    def test_replace_never_makes_a_second_request(
        self, connection: Connection, fetcher: CountingFetcher
    ) -> None:
        service = TokenService(connection, fetcher, timing=Timing(wait_s=0.2))
        failed = service.get(ACCOUNT)
        fetcher.before_reply = connection.flushall
        with pytest.raises(TokenWaitError):
            service.replace(ACCOUNT, failed)
        assert len(fetcher.calls) == 2

    def test_get_makes_one_more_and_then_waits(
        self, connection: Connection, fetcher: CountingFetcher
    ) -> None:
        service = TokenService(connection, fetcher, timing=Timing(wait_s=0.2))
        fetcher.before_reply = connection.flushall
        with pytest.raises(TokenWaitError):
            service.get(ACCOUNT)
        assert len(fetcher.calls) == 2

    def test_another_ones_lock_is_not_freed(
        self, connection: Connection, store: TokenStore
    ) -> None:
        seen = store.lock(ACCOUNT)
        connection.set(Keys().lock(ACCOUNT), "another-nonce", px=5000)
        store.release(ACCOUNT, seen.nonce, failure="{}")
        assert connection.get(Keys().lock(ACCOUNT)) == b"another-nonce"
        assert not connection.exists(Keys().failure(ACCOUNT))

    @pytest.mark.parametrize("request_kind", ["normal", "forced"])
    def test_each_request_begins_with_a_whole_lease(
        self, connection: Connection, store: TokenStore, request_kind: str
    ) -> None:
        seen = store.lock(ACCOUNT)
        lock = Keys().lock(ACCOUNT)
        connection.pexpire(lock, 3000)
        if request_kind == "normal":
            assert store.begin(ACCOUNT, seen.nonce)
        else:
            assert store.ask_force(ACCOUNT, seen.nonce) == 0
        left_ms = connection.pttl(lock)
        assert isinstance(left_ms, int)
        assert left_ms > 15_000

    def test_a_lock_that_is_asked_for_again_after_a_lost_reply_is_held(
        self, store: TokenStore
    ) -> None:
        """redis-py repeats the command with the same nonce, and Redis must know it again."""
        assert store._seen(ACCOUNT, nonce="mine").held
        assert store._seen(ACCOUNT, nonce="mine").held
        assert not store._seen(ACCOUNT, nonce="another").held
