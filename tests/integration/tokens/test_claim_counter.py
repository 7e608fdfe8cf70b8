"""The count of claims in Redis: it grows, and never for two claims of one number."""

from __future__ import annotations

import pytest

from broadcast.rules.gates.restore_guard import Counts
from broadcast.tokens.claim_counter import ClaimCounter
from broadcast.tokens.redis_access import Connection, Keys


@pytest.fixture
def counter(connection: Connection) -> ClaimCounter:
    return ClaimCounter(connection, keys=Keys(), installation="one")


def test_nothing_is_counted_before_it_begins(counter: ClaimCounter) -> None:
    assert not counter.count("shop", 1, "a")
    assert counter.read().claims == {}


def test_claims_are_counted_one_after_the_other(counter: ClaimCounter) -> None:
    counter.begin("shop", 4)

    assert counter.count("shop", 5, "a")
    assert counter.count("shop", 7, "b")
    assert not counter.count("shop", 6, "c")
    assert counter.read().claims == {"shop": 7}


def test_a_repeat_after_a_lost_reply_counts_and_another_claim_of_the_number_does_not(
    counter: ClaimCounter,
) -> None:
    counter.begin("shop", 0)

    assert counter.count("shop", 1, "a")
    assert counter.count("shop", 1, "a")
    assert not counter.count("shop", 1, "b")


def test_a_count_is_never_begun_lower_than_it_is(counter: ClaimCounter) -> None:
    counter.begin("shop", 9)
    counter.begin("shop", 3)

    assert counter.read().claims == {"shop": 9}


@pytest.mark.parametrize("value", ["", "garbage", "-5 x", "9", f"{2**63 - 1} x", f"1{30 * '0'} x"])
def test_what_is_no_number_of_calls_is_no_count_and_is_written_over(
    counter: ClaimCounter, connection: Connection, value: str
) -> None:
    connection.execute_command("HSET", Keys().claims("one"), "shop", value)

    assert counter.read().claims == {}
    assert not counter.count("shop", 10, "a")
    counter.begin("shop", 9)
    assert counter.read().claims == {"shop": 9}


def test_two_databases_do_not_share_their_counts(
    counter: ClaimCounter, connection: Connection
) -> None:
    counter.begin("shop", 9)

    assert ClaimCounter(connection, keys=Keys(), installation="two").read().claims == {}


def test_notes_of_workers_are_counted_beside_the_claims_and_only_upwards(
    counter: ClaimCounter,
) -> None:
    counter.begin("shop", 4)
    assert counter.read().notes is None

    for number in (7, 6):
        counter.note(number)

    assert counter.read() == Counts(claims={"shop": 4}, notes=7)
