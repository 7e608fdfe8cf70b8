"""The table of legal moves, and where a broadcast comes to rest."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.enums import recognised
from broadcast.errors import IllegalMoveError
from broadcast.rules.states import (
    BATCH_AT_REST,
    BATCH_MOVES,
    BatchState,
    BroadcastState,
    move,
    resting_state,
)

B, S = BatchState, BroadcastState
#: Where a broadcast can end.
RESULTS = {S.COMPLETED, S.PARTIAL, S.FAILED, S.CANCELLED, S.HELD}


def test_every_state_stands_in_the_table() -> None:
    assert set(BATCH_MOVES) == set(BatchState)


def test_every_state_can_be_reached() -> None:
    assert _reached(BATCH_MOVES, {B.PLANNED}) == set(BatchState)


def test_every_state_but_a_split_batch_has_a_way_out() -> None:
    """A split batch is told by its children; of everything else more can be learned."""
    stuck = {state for state in BatchState if not BATCH_MOVES[state] - {state}}

    assert stuck == {B.SPLIT}


@pytest.mark.parametrize("state", B)
def test_every_batch_can_come_to_rest(state: BatchState) -> None:
    assert _reached(BATCH_MOVES, {state}) & BATCH_AT_REST


def test_a_state_of_a_newer_release_is_open_and_moves_nowhere() -> None:
    """It must not end its broadcast, and whoever does not know it must not move it."""
    stranger = recognised(BatchState, "held_back_by_a_later_release")

    assert resting_state({stranger: 1, B.ACCEPTED: 9}) is None
    for new in B:
        with pytest.raises(IllegalMoveError):
            move(BATCH_MOVES, stranger, new)


@pytest.mark.parametrize("state", sorted(set(B) - {B.SPLIT, B.REFUSED, B.CANCELLED}))
def test_contradiction_can_put_every_called_batch_in_doubt(state: BatchState) -> None:
    assert B.IN_DOUBT in BATCH_MOVES[state] | {state}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (B.UNKNOWN, B.CANCELLED),  # it ends in doubt
        (B.CALLING, B.CANCELLED),
        (B.IN_DOUBT, B.CANCELLED),
        (B.IN_DOUBT, B.PLANNED),  # only a human's word, then `retry`
        (B.IN_DOUBT, B.CALLING),
        (B.ACCEPTED, B.PLANNED),
        (B.ACCEPTED, B.CALLING),
        (B.ACCEPTED, B.UNKNOWN),
        (B.FINISHED, B.CALLING),
        (B.CANCELLED, B.CALLING),
        (B.REFUSED, B.CALLING),
        (B.SPLIT, B.PLANNED),
    ],
)
def test_move_that_breaks_the_promise_raises(old: BatchState, new: BatchState) -> None:
    with pytest.raises(IllegalMoveError, match=f"{old} -> {new}"):
        move(BATCH_MOVES, old, new)


@pytest.mark.parametrize("state", B)
def test_what_arrives_twice_moves_nothing(state: BatchState) -> None:
    assert move(BATCH_MOVES, state, state) is state


def test_legal_move_returns_the_new_state() -> None:
    assert move(BATCH_MOVES, B.PLANNED, B.CALLING) is B.CALLING


@pytest.mark.parametrize(
    ("batches", "state"),
    [
        ({B.ACCEPTED: 3}, S.COMPLETED),
        ({B.ACCEPTED: 2, B.FINISHED: 1}, S.COMPLETED),
        ({B.ACCEPTED: 2, B.SPLIT: 1}, S.COMPLETED),
        ({B.ACCEPTED: 2, B.REFUSED: 1}, S.PARTIAL),
        ({B.FINISHED: 2, B.CANCELLED: 1}, S.PARTIAL),
        ({B.REFUSED: 2}, S.FAILED),
        ({B.REFUSED: 1, B.CANCELLED: 1}, S.FAILED),
        ({B.CANCELLED: 2}, S.CANCELLED),
        ({B.CANCELLED: 2, B.SPLIT: 1}, S.CANCELLED),
        ({B.IN_DOUBT: 1, B.ACCEPTED: 9}, S.HELD),
        ({B.IN_DOUBT: 1, B.CANCELLED: 9}, S.HELD),
        ({B.PLANNED: 1, B.ACCEPTED: 9}, None),
        ({B.CALLING: 1, B.IN_DOUBT: 9}, None),
        ({B.UNKNOWN: 1, B.CANCELLED: 9}, None),
        ({B.PLANNED: 0, B.ACCEPTED: 1, B.IN_DOUBT: 0}, S.COMPLETED),
        ({}, None),
        ({B.ACCEPTED: 0}, None),
    ],
)
def test_broadcast_rests_as_its_batches_do(
    batches: dict[BatchState, int], state: BroadcastState | None
) -> None:
    assert resting_state(batches) is state


@given(
    batches=st.dictionaries(st.sampled_from(sorted(BATCH_AT_REST)), st.integers(1, 9), min_size=1)
)
def test_batches_at_rest_end_their_broadcast_by_what_became_of_them(
    batches: dict[BatchState, int],
) -> None:
    state = resting_state(batches)

    if set(batches) == {B.SPLIT}:
        # A parent without its children is not the whole story.
        assert state is None
        return
    taken, left = {B.ACCEPTED, B.FINISHED}, set(batches) - {B.SPLIT}
    assert state in RESULTS
    assert (state is S.HELD) == (B.IN_DOUBT in left)
    assert (state is S.COMPLETED) == (left <= taken)
    assert (state is S.CANCELLED) == (left == {B.CANCELLED})
    if state in {S.PARTIAL, S.FAILED}:
        assert (state is S.PARTIAL) == bool(left & taken)


@given(
    resting=st.dictionaries(st.sampled_from(sorted(BATCH_AT_REST)), st.integers(0, 9)),
    still_open=st.sampled_from(sorted(set(B) - BATCH_AT_REST)),
)
def test_one_open_batch_keeps_its_broadcast_open(
    resting: dict[BatchState, int], still_open: BatchState
) -> None:
    assert resting_state({**resting, still_open: 1}) is None


def _reached(moves: Mapping, first: set) -> set:
    """Every state that moves lead to from *first*."""
    seen, news = set(first), set(first)
    while news:
        news = {new for old in news for new in moves[old]} - seen
        seen |= news
    return seen
