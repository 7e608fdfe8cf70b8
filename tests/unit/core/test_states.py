"""The tables of legal moves, and where a broadcast comes to rest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.errors import IllegalMoveError
from broadcast.states import (
    BATCH_AT_REST,
    BATCH_MOVES,
    BROADCAST_AT_REST,
    BROADCAST_MOVES,
    BROADCAST_RUNNING,
    BatchState,
    BroadcastState,
    move,
    resting_state,
)

B, S = BatchState, BroadcastState
TABLES = [
    pytest.param(BatchState, BATCH_MOVES, {B.PLANNED}, id="batch"),
    pytest.param(BroadcastState, BROADCAST_MOVES, {S.UPLOADING}, id="broadcast"),
]
#: A word of the reports that no broadcast bears yet.
RESERVED = {S.AWAITING_APPROVAL}


@pytest.mark.parametrize(("states", "moves", "first"), TABLES)
def test_every_state_stands_in_the_table(states: Any, moves: Mapping, first: set) -> None:
    assert set(moves) == set(states)


@pytest.mark.parametrize(("states", "moves", "first"), TABLES)
def test_every_state_can_be_reached(states: Any, moves: Mapping, first: set) -> None:
    assert _reached(moves, first) == set(states) - RESERVED


@pytest.mark.parametrize(("states", "moves", "first"), TABLES)
def test_every_state_but_a_split_batch_has_a_way_out(
    states: Any, moves: Mapping, first: set
) -> None:
    """A split batch is told by its children; of everything else more can be learned."""
    stuck = {state for state in states if not moves[state] - {state}}

    assert stuck == ({B.SPLIT} | RESERVED) & set(states)


@pytest.mark.parametrize("state", B)
def test_every_batch_can_come_to_rest(state: BatchState) -> None:
    assert _reached(BATCH_MOVES, {state}) & BATCH_AT_REST


@pytest.mark.parametrize("state", sorted(set(S) - RESERVED))
def test_every_broadcast_can_come_to_rest(state: BroadcastState) -> None:
    assert _reached(BROADCAST_MOVES, {state}) & BROADCAST_AT_REST


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


@pytest.mark.parametrize("new", BROADCAST_RUNNING)
def test_completed_or_cancelled_broadcast_does_not_run_again(new: BroadcastState) -> None:
    for old in (S.COMPLETED, S.CANCELLED):
        with pytest.raises(IllegalMoveError):
            move(BROADCAST_MOVES, old, new)


@pytest.mark.parametrize("state", B)
def test_what_arrives_twice_moves_nothing(state: BatchState) -> None:
    assert move(BATCH_MOVES, state, state) is state


def test_legal_move_returns_the_new_state() -> None:
    assert move(BATCH_MOVES, B.PLANNED, B.CALLING) is B.CALLING
    assert move(BROADCAST_MOVES, S.SENDING, S.PAUSED) is S.PAUSED


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
def test_sending_and_resting_broadcasts_may_come_to_rest_as_their_batches_do(
    batches: dict[BatchState, int],
) -> None:
    state = resting_state(batches)

    if set(batches) == {B.SPLIT}:
        # A parent without its children is not the whole story.
        assert state is None
        return
    assert state in BROADCAST_AT_REST
    for old in (S.SENDING, S.PAUSED, S.HELD, S.CANCELLED):
        move(BROADCAST_MOVES, old, state)
    if state is not S.CANCELLED:
        # A cancel is a person's word, and comes before an end.
        for old in (S.COMPLETED, S.PARTIAL, S.FAILED):
            move(BROADCAST_MOVES, old, state)


def _reached(moves: Mapping, first: set) -> set:
    """Every state that moves lead to from *first*."""
    seen, news = set(first), set(first)
    while news:
        news = {new for old in news for new in moves[old]} - seen
        seen |= news
    return seen
