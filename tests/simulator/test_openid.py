from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.core.followers import NOBODY, Followers
from simulator.core.ledger import Ledger
from simulator.core.openid_index import OpenIDIndex
from simulator.openid import (
    Generator,
    MalformedOpenIDError,
    generated_openids,
    openid_lines,
    pack,
    unpack_strings,
)

OPENIDS = st.from_regex(r"[A-Za-z0-9_-]{28}", fullmatch=True)


@given(st.lists(OPENIDS, max_size=20))
def test_packing_loses_nothing(openids: list[str]) -> None:
    assert unpack_strings(pack(openids)) == openids


@pytest.mark.parametrize(
    "openids", [["o" * 27], ["o" * 29], ["o" * 27, "o" * 29], ["+" * 28], ["中" * 28], [1], [""]]
)
def test_malformed_openids_cannot_be_packed(openids: list[object]) -> None:
    with pytest.raises(MalformedOpenIDError):
        pack(openids)


def test_generated_openids_look_like_real_ones() -> None:
    """Section 8: 28 characters, an `o` first, the first six equal within one account."""
    openids = generated_openids("wx1", count=1000)
    assert all(re.fullmatch(r"o[A-Za-z0-9_-]{27}", openid) for openid in openids)
    assert len(set(openids)) == 1000
    assert len({openid[:6] for openid in openids}) == 1
    assert openids[0][:6] != generated_openids("wx2", count=1)[0][:6]


def test_generated_openids_are_the_same_every_time() -> None:
    assert generated_openids("wx1", count=5, start=7) == generated_openids("wx1", count=12)[7:]
    assert generated_openids("wx1", count=5) != generated_openids("wx1", count=5, seed=1)
    text = b"".join(openid_lines("wx1", count=100_001)).decode().split()
    assert len(set(text)) == 100_001
    assert text[99_999:] == generated_openids("wx1", count=2, start=99_999)


@given(st.integers(0, 2**31 - 1))
def test_a_number_is_found_again(number: int) -> None:
    generator = Generator.of("wx1")
    rows = generator.rows(np.array([number], np.uint64))
    assert generator.numbers(rows).tolist() == [number]
    assert Generator.of("wx2").numbers(rows).tolist() == [-1]


@given(st.integers(0, 27), st.sampled_from("ABCxyz019_-"))
def test_one_character_changed_is_no_member(position: int, character: str) -> None:
    (openid,) = generated_openids("wx1", count=1)
    changed = openid[:position] + character + openid[position + 1 :]
    expected = 0 if changed == openid else -1
    assert Generator.of("wx1").numbers(pack([changed])).tolist() == [expected]


@given(st.lists(st.lists(st.integers(0, 3000), max_size=200), max_size=12))
def test_the_index_agrees_with_a_dictionary(batches: list[list[int]]) -> None:
    index, numbers = OpenIDIndex(), dict[str, int]()
    openids = generated_openids("wx1", count=3001)
    for batch in batches:
        wanted = [openids[number] for number in batch]
        for openid, number in zip(wanted, index.add(pack(wanted)).tolist(), strict=True):
            assert numbers.setdefault(openid, number) == number
    assert len(index) == len(numbers) == len(set(numbers.values()))
    assert unpack_strings(index.rows()) == sorted(numbers, key=lambda openid: numbers[openid])
    found = index.find(pack(openids)).tolist()
    assert found == [numbers.get(openid, -1) for openid in openids]


def test_the_index_grows() -> None:
    index, openids = OpenIDIndex(), generated_openids("wx1", count=30_000)
    for at in range(0, 30_000, 1000):
        index.add(pack(openids[at : at + 1000]))
    numbers = index.find(pack(openids))
    assert sorted(numbers.tolist()) == list(range(30_000))


def test_generated_and_other_followers_are_told_apart() -> None:
    followers = Followers(Generator.of("wx1"), generated=10)
    ours, others = generated_openids("wx1", count=12), generated_openids("wx2", count=3)
    followers.add(pack([*others[:2], ours[10]]), moment=0)
    followers.remove(pack([ours[0], others[1], others[2]]))
    assert followers.among(pack([*ours, *others])).tolist() == [
        *range(1, 10),
        *_numbers(followers, [ours[10], others[0]]),
    ]
    assert followers.known(pack([ours[11], others[2]])).tolist() == [NOBODY, NOBODY]
    assert len(followers) == 11
    assert set(followers.openids(followers.everyone())) == {*ours[1:11], others[0]}


def _numbers(followers: Followers, openids: list[str]) -> list[int]:
    return [int(number) for number in followers.known(pack(openids))]


@given(st.lists(st.lists(st.integers(-50, 50), max_size=30), max_size=10))
def test_the_ledger_agrees_with_counting(deliveries: list[list[int]]) -> None:
    ledger, every = Ledger(), [number for batch in deliveries for number in batch]
    for batch in deliveries:
        ledger.deliver(np.array(batch, np.int64), month=1)
    counts = {number: every.count(number) for number in range(-60, 61)}
    numbers = np.array(list(counts), np.int64)
    assert ledger.counts(numbers).tolist() == list(counts.values())
    assert sorted(ledger.delivered().tolist()) == sorted(set(every))
    totals = ledger.totals()
    assert totals.deliveries == len(every)
    assert totals.delivered_distinct == len(set(every))
    assert totals.delivered_max == max(counts.values())
    assert totals.doubled == sum(count > 1 for count in counts.values())
    below = ledger.below_cap(numbers, month=1, cap=2).tolist()
    assert below == [number for number, count in counts.items() if count < 2]
    assert ledger.below_cap(numbers, month=2, cap=1).tolist() == numbers.tolist()
