"""The limiter: even pace for the whole fleet, closed without Redis."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from broadcast.errors import RedisAwayError
from broadcast.tokens.pace import Limiter
from broadcast.tokens.redis_access import Keys
from tests.integration.tokens.forks import answers_of

if TYPE_CHECKING:
    from broadcast.tokens.redis_access import Connection
    from tests.servers.valkey import Valkey

ACCOUNT = "wx0123456789abcdef"
PROCESSES = 8
RUN_S = 2.5
PER_MINUTE = 1200
INTERVAL_S = 60 / PER_MINUTE


@pytest.fixture
def limiter(connection: Connection) -> Limiter:
    return Limiter(connection)


def last_slot_us(connection: Connection) -> int:
    return int(connection.hget(Keys().limiter(ACCOUNT), "last") or 0)


def test_eight_processes_keep_one_even_pace(connection: Connection, limiter: Limiter) -> None:
    """The times are those at which Redis gave the slots."""

    def take_for_a_while() -> str:
        slots = []
        end = time.monotonic() + RUN_S
        while time.monotonic() < end:
            wait_s = limiter.take_slot(ACCOUNT, PER_MINUTE)
            if wait_s == 0:
                slots.append(last_slot_us(connection))
            time.sleep(wait_s)
        return " ".join(map(str, slots))

    answers = answers_of(PROCESSES, take_for_a_while)
    slots = sorted(int(slot) for answer in answers for slot in answer.split())
    # On a busy machine who reads its slot late reads that of the next.
    gaps = [later - earlier for earlier, later in itertools.pairwise(dict.fromkeys(slots))]
    assert min(gaps) > INTERVAL_S * 1_000_000
    assert len(slots) <= (slots[-1] - slots[0]) / (INTERVAL_S * 1_000_000) + 1
    assert len(slots) > RUN_S / INTERVAL_S / 2, "the pace is kept, not only held down"


def test_64_threads_get_one_slot(limiter: Limiter) -> None:
    with ThreadPoolExecutor(64) as pool:
        waits = list(pool.map(lambda _: limiter.take_slot(ACCOUNT, 6), range(64)))
    assert waits.count(0.0) == 1
    assert all(9 < wait <= 10.001 for wait in waits if wait)


def test_closed_window_of_a_minute_never_holds_one_slot_too_many(
    connection: Connection, limiter: Limiter
) -> None:
    """A slot exactly one even share after the last is still too early, by a microsecond.

    With its last slot in the future the limiter counts from now, so the whole share is seen.
    """
    limiter.take_slot(ACCOUNT, 60)
    connection.hset(Keys().limiter(ACCOUNT), "last", str(last_slot_us(connection) + 3600_000_000))
    assert limiter.take_slot(ACCOUNT, 60) == 1.000001


def test_accounts_have_their_own_pace(limiter: Limiter) -> None:
    assert limiter.take_slot("one", 1) == 0
    assert limiter.take_slot("other", 1) == 0
    assert limiter.take_slot("one", 1) > 59


def test_slower_pace_counts_at_once(limiter: Limiter) -> None:
    limiter.take_slot(ACCOUNT, 6000)
    assert limiter.take_slot(ACCOUNT, 1) > 59


def test_emptied_redis_gives_one_extra_slot(connection: Connection, limiter: Limiter) -> None:
    assert limiter.take_slot(ACCOUNT, 1) == 0
    connection.flushall()
    waits = [limiter.take_slot(ACCOUNT, 1) for _ in range(10)]
    assert waits.count(0.0) == 1


def test_clock_that_was_set_back_does_not_stop_the_lane(
    connection: Connection, limiter: Limiter
) -> None:
    limiter.take_slot(ACCOUNT, 60)
    connection.hset(Keys().limiter(ACCOUNT), "last", str(last_slot_us(connection) + 3600_000_000))
    assert 0 < limiter.take_slot(ACCOUNT, 60) <= 1.001


def test_idle_limiter_leaves_redis(connection: Connection, limiter: Limiter) -> None:
    limiter.take_slot(ACCOUNT, 60)
    left_ms = connection.pttl(Keys().limiter(ACCOUNT))
    assert isinstance(left_ms, int)
    assert 60_000 < left_ms <= 61_000


def test_negative_pace_is_refused(limiter: Limiter) -> None:
    with pytest.raises(ValueError, match="negative"):
        limiter.take_slot(ACCOUNT, -1)


def test_no_pace_asks_nobody(valkey: Valkey, limiter: Limiter) -> None:
    valkey.kill()
    assert limiter.take_slot(ACCOUNT, 0) == 0


def test_no_slot_without_redis(valkey: Valkey, limiter: Limiter) -> None:
    limiter.take_slot(ACCOUNT, 6000)
    valkey.freeze()
    started = time.monotonic()
    with pytest.raises(RedisAwayError):
        limiter.take_slot(ACCOUNT, 6000)
    assert time.monotonic() - started < 30
