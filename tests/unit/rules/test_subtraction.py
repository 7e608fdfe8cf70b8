"""What becomes of batches without an attempt once people were taken out of them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.rules.plan.selection import REASONS, Removal, Transfer, rearrange

SIZES = st.dictionaries(st.integers(1, 30), st.integers(0, 6), max_size=12)


@given(SIZES)
def test_nobody_is_lost_and_every_batch_that_is_left_can_be_sent(left: dict[int, int]) -> None:
    found = rearrange(left, largest=6)

    sizes = Counter(left)
    for move in found.transfers:
        sizes[move.giver] -= 1
        sizes[move.taker] += 1
    assert sum(sizes.values()) == sum(left.values())
    assert set(found.gone) == {n for n in left if not sizes[n]}
    assert {n for n in left if sizes[n] == 1} == set(found.too_few)
    assert all(0 <= size <= 6 for size in sizes.values())


@given(SIZES)
def test_somebody_is_left_alone_only_where_there_is_no_other_batch(left: dict[int, int]) -> None:
    if rearrange(left, largest=6).too_few:
        assert sum(left.values()) == 1


@given(SIZES)
def test_batches_that_can_be_sent_are_left_alone(left: dict[int, int]) -> None:
    moved = {n for move in rearrange(left, largest=6).transfers for n in (move.giver, move.taker)}
    if 1 not in left.values():
        assert not moved


def test_a_single_person_joins_the_first_batch_with_room() -> None:
    found = rearrange({1: 6, 2: 4, 3: 1}, largest=6)
    assert (found.transfers, found.gone) == ([Transfer(3, 2)], [3])


def test_where_all_are_full_one_gives_a_person() -> None:
    found = rearrange({1: 6, 2: 1}, largest=6)
    assert (found.transfers, found.gone, found.too_few) == ([Transfer(1, 2)], [], [])


def test_two_single_people_make_a_batch() -> None:
    found = rearrange({1: 1, 2: 1}, largest=2)
    assert (found.transfers, found.gone) == ([Transfer(1, 2)], [1])


def test_who_is_alone_in_the_only_batch_cannot_be_sent_to() -> None:
    assert rearrange({4: 1}).too_few == [4]


@pytest.mark.parametrize("reason", ["malformed", "duplicate", "whim"])
def test_nobody_is_left_out_for_a_reason_that_no_figure_counts(reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Removal(reason=reason, pieces=[])
    assert reason not in REASONS
