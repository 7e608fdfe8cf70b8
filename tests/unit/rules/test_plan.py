"""Cutting an audience into calls, and holding the calls against the day."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from broadcast.errors import PlanError
from broadcast.rules.plan.cut import LARGEST, SMALLEST, batch_count, cut, halves
from broadcast.rules.plan.proof import Fit, Quota, check_fits, prove

MOST = 10_000_000
#: Around every place where the number of calls changes.
EDGES = st.builds(
    lambda calls, beside: calls * LARGEST + beside, st.integers(1, 1_000), st.integers(-2, 2)
)
SIZES = st.integers(0, MOST) | EDGES
LARGESTS = st.integers(2, 10_000) | st.sampled_from([2, 3, 9_999, 10_000])
#: Audience and largest batch. Millions of calls take seconds to look at: these are examples alone.
SMALLER = LARGESTS.flatmap(
    lambda largest: st.tuples(
        st.integers(0, min(MOST, 20_000 * largest)).filter(lambda size: size != 1), st.just(largest)
    )
)


def see_that_it_is_a_plan(size: int, largest: int) -> None:
    """Cut *size* and look at every batch: whole numbers only, nobody's OpenID is made for it."""
    sizes = np.fromiter(cut(size, largest), np.int64)

    assert int(sizes.sum()) == size
    assert len(sizes) == batch_count(size, largest)
    if size:
        assert int(sizes.min()) >= SMALLEST
        # Only pairs can be outgrown: an odd audience has no partner for its last OpenID.
        assert int(sizes.max()) <= max(largest, 3)
        # Even, the larger first.
        assert int(sizes.max() - sizes.min()) <= 1
        assert bool((np.diff(sizes) <= 0).all())
    # Whoever plans it again, after a restore too, makes the same batches.
    assert np.array_equal(np.fromiter(cut(size, largest), np.int64), sizes)


@given(size=SIZES.filter(lambda size: size != 1))
@example(size=0)
@example(size=2)
@example(size=3)
@example(size=MOST)
def test_plan_of_any_audience_is_legal_complete_even_and_stable(size: int) -> None:
    see_that_it_is_a_plan(size, LARGEST)


@settings(deadline=None)
@given(plan=SMALLER)
@example(plan=(MOST, 2))
@example(plan=(MOST - 1, 2))
@example(plan=(MOST - 1, 3))
@example(plan=(MOST, 9_999))
def test_plan_in_smaller_batches_is_legal_complete_even_and_stable(plan: tuple[int, int]) -> None:
    see_that_it_is_a_plan(*plan)


@pytest.mark.parametrize("largest", [2, 3, 4, 9_999, 10_000])
def test_every_audience_at_a_boundary_has_a_plan(largest: int) -> None:
    around = (calls * largest + beside for calls in (0, 1, 2, 3, 1_000) for beside in range(-2, 3))

    for size in {0, 2, 3, 9_999, 10_000, 10_001, *around} - {1}:
        if size >= 0:
            see_that_it_is_a_plan(size, largest)


def test_every_audience_beside_a_multiple_of_ten_thousand_has_a_plan() -> None:
    for calls in range(1, 1_001):
        for beside in (-1, 0, 1):
            see_that_it_is_a_plan(calls * LARGEST + beside, LARGEST)


@given(size=SIZES.filter(lambda size: size != 1), largest=st.integers(4, 10_000))
def test_plan_takes_as_few_calls_as_possible(size: int, largest: int) -> None:
    assert batch_count(size, largest) == -(-size // largest)


@pytest.mark.parametrize(
    ("size", "largest", "sizes"),
    [
        (0, 10_000, []),
        (2, 10_000, [2]),
        (10_000, 10_000, [10_000]),
        (10_001, 10_000, [5_001, 5_000]),
        (20_001, 10_000, [6_667, 6_667, 6_667]),
        (10_000_000, 10_000, [10_000] * 1_000),
        (10_000_001, 10_000, [9_991] * 11 + [9_990] * 990),
        (3, 2, [3]),
        (5, 2, [3, 2]),
        (4, 3, [2, 2]),
        (5, 3, [3, 2]),
    ],
)
def test_audience_is_cut_into(size: int, largest: int, sizes: list[int]) -> None:
    assert list(cut(size, largest)) == sizes


def test_one_openid_cannot_be_sent_to() -> None:
    with pytest.raises(ValueError, match="at least two"):
        batch_count(1)


@pytest.mark.parametrize("largest", [-1, 0, 1, 10_001])
def test_illegal_batch_size_is_refused(largest: int) -> None:
    with pytest.raises(ValueError, match="2 to 10000"):
        batch_count(100, largest)


@given(size=st.integers(4, 10_000))
def test_halves_add_up_and_are_legal(size: int) -> None:
    large, small = halves(size)

    assert large + small == size
    assert large - small in {0, 1}
    assert small >= SMALLEST


@pytest.mark.parametrize("size", [0, 1, 2, 3])
def test_less_than_four_openids_have_no_legal_halves(size: int) -> None:
    with pytest.raises(ValueError, match="no two legal halves"):
        halves(size)


class TestProof:
    """The plan against the account's day."""

    def quota(self, *, remain: int) -> Quota:
        return Quota(daily_limit=100, used=100 - remain, remain=remain)

    def test_plan_that_takes_the_whole_day_fits(self) -> None:
        proof = prove(calls=100, quota=self.quota(remain=100), reserved=0, spread=False)

        assert (proof.fit, proof.spare, proof.short) == (Fit.FITS, 0, 0)

    def test_calls_are_kept_for_repeats_while_there_are_some(self) -> None:
        proof = prove(calls=50, quota=self.quota(remain=100), reserved=20, spread=False)

        assert (proof.fit, proof.free, proof.spare) == (Fit.FITS, 80, 1)

    def test_what_others_reserved_is_not_free(self) -> None:
        proof = prove(calls=50, quota=self.quota(remain=100), reserved=60, spread=False)

        assert (proof.fit, proof.free, proof.short) == (Fit.TOO_MANY, 40, 10)

    def test_more_reserved_than_left_leaves_nothing(self) -> None:
        proof = prove(calls=1, quota=self.quota(remain=5), reserved=9, spread=False)

        assert (proof.fit, proof.free, proof.short) == (Fit.TOO_MANY, 0, 1)

    @pytest.mark.parametrize(("calls", "days"), [(41, 2), (140, 2), (141, 3), (1_000, 11)])
    def test_spread_plan_says_how_many_days_it_takes(self, calls: int, days: int) -> None:
        proof = prove(calls=calls, quota=self.quota(remain=40), reserved=0, spread=True)

        assert (proof.fit, proof.days) == (Fit.SPREADS, days)

    def test_plan_without_room_is_refused_with_the_shortest_fix(self) -> None:
        quota = self.quota(remain=40)
        check_fits(prove(calls=40, quota=quota, reserved=0, spread=False))
        check_fits(prove(calls=41, quota=quota, reserved=0, spread=True))

        with pytest.raises(PlanError) as caught:
            check_fits(prove(calls=45, quota=quota, reserved=0, spread=False))

        assert caught.value.facts == {"calls": 45, "free": 40, "short": 5, "days": 2}

    def test_without_an_answer_of_wechat_nothing_is_proved(self) -> None:
        proof = prove(calls=10, quota=None, reserved=0, spread=False)

        assert (proof.fit, proof.free, proof.short) == (Fit.UNPROVED, None, 0)

    @given(
        calls=st.integers(1, 2_000),
        limit=st.integers(0, 2_000),
        used=st.integers(0, 2_000),
        reserved=st.integers(0, 2_000),
    )
    def test_plan_fits_exactly_when_its_calls_are_free(
        self, calls: int, limit: int, used: int, reserved: int
    ) -> None:
        remain = max(0, limit - used)
        quota = Quota(daily_limit=limit, used=used, remain=remain)

        proof = prove(calls=calls, quota=quota, reserved=reserved, spread=False)

        assert (proof.fit is Fit.FITS) == (calls + reserved <= remain)
        assert (proof.short == 0) == (proof.fit is Fit.FITS)
