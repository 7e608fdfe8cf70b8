"""States of a batch and of a broadcast, and the only moves between them.

The ledger asks :func:`move` before it writes a state; what the tables do not allow raises, because
an illegal move is a bug. A move to the same state is legal everywhere: everything arrives twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from broadcast.errors import IllegalMoveError


class BatchState(StrEnum):
    """Where one batch (one call's OpenIDs) stands."""

    PLANNED = "planned"  #: never called, or every call definitely did not run
    CALLING = "calling"  #: claimed; without a recorded outcome it is unknown, not "not called"
    UNKNOWN = "unknown"  #: an attempt may have sent it: repeated with its key until 23 h are over
    ACCEPTED = "accepted"  #: WeChat took the job and gave a msg_id
    FINISHED = "finished"  #: WeChat reported the job's end
    REFUSED = "refused"  #: every attempt was a definite refusal, or WeChat's review refused the job
    CANCELLED = "cancelled"  #: nothing of it was taken, and it is not called any more
    IN_DOUBT = "in_doubt"  #: a human must decide
    SPLIT = "split"  #: replaced by its children, which add up to it


class BroadcastState(StrEnum):
    """Where a broadcast stands (the words of ``--json``)."""

    UPLOADING = "uploading"  #: its audience is being stored; no reader sees it yet
    SCHEDULED = "scheduled"  #: waits for its time
    PLANNING = "planning"  #: stored and published; the worker proves the plan before the first call
    AWAITING_APPROVAL = "awaiting_approval"  #: waits for a second person
    WAITING = "waiting"  #: planned, no call yet
    SENDING = "sending"  #: at least one call was made
    PAUSED = "paused"  #: stopped by a person, or by a refusal that concerns all its batches
    HELD = "held"  #: a human must act: the plan does not fit, or batches are in doubt
    COMPLETED = "completed"  #: every batch accepted
    PARTIAL = "partial"  #: at rest, some accepted, some not
    FAILED = "failed"  #: at rest, none accepted
    CANCELLED = "cancelled"  #: at rest, cancelled before anything was accepted


B = BatchState
S = BroadcastState

BATCH_MOVES: Mapping[BatchState, frozenset[BatchState]] = {
    # After a human's "not sent" and `retry`, a late acceptance of an earlier attempt still counts.
    # Cancelled after those, it goes back to refused: only the word says that it was not sent.
    B.PLANNED: frozenset({
        B.CALLING, B.CANCELLED, B.REFUSED, B.IN_DOUBT, B.ACCEPTED, B.UNKNOWN,
    }),
    # A late reply of an earlier attempt can settle a batch that is being called again.
    B.CALLING: frozenset({B.PLANNED, B.UNKNOWN, B.ACCEPTED, B.REFUSED, B.IN_DOUBT, B.SPLIT}),
    # A driver who lost his lane may still bring the reply: then the attempt is unknown no more.
    B.UNKNOWN: frozenset({
        B.CALLING, B.ACCEPTED, B.IN_DOUBT, B.PLANNED, B.REFUSED, B.SPLIT,
    }),
    B.ACCEPTED: frozenset({B.FINISHED, B.REFUSED, B.IN_DOUBT}),
    B.FINISHED: frozenset({B.REFUSED, B.IN_DOUBT}),
    # A refusal for a reason that passed may be tried again by a human (`retry`).
    B.REFUSED: frozenset({B.PLANNED, B.ACCEPTED, B.IN_DOUBT}),
    B.CANCELLED: frozenset({B.ACCEPTED, B.IN_DOUBT}),
    B.IN_DOUBT: frozenset({B.ACCEPTED, B.REFUSED}),
    B.SPLIT: frozenset(),
}  # fmt: skip

#: States in which a batch needs nothing more from a lane.
BATCH_AT_REST = frozenset({B.ACCEPTED, B.FINISHED, B.REFUSED, B.CANCELLED, B.IN_DOUBT, B.SPLIT})
#: Something will still happen to them by itself.
BATCH_OPEN = frozenset(B) - BATCH_AT_REST

#: What a broadcast whose batches are all at rest is found to be, unless it was cancelled.
_ENDED = frozenset({S.COMPLETED, S.PARTIAL, S.FAILED, S.HELD})
_SETTLED = _ENDED | {S.CANCELLED}
#: A state has a way out unless everything there is to say has been said. Every move that stands
#: here is made by a test through the ledger's own verbs.
BROADCAST_MOVES: Mapping[BroadcastState, frozenset[BroadcastState]] = {
    S.UPLOADING: frozenset({S.SCHEDULED, S.PLANNING}),
    S.SCHEDULED: frozenset({S.PLANNING, S.CANCELLED, S.PAUSED}),
    S.PLANNING: frozenset({S.WAITING, S.HELD, S.CANCELLED, S.PAUSED}),
    # A word of the reports for which nothing waits yet: no move leads here.
    S.AWAITING_APPROVAL: frozenset(),
    S.WAITING: frozenset({S.SENDING, S.PAUSED, S.CANCELLED}),
    S.SENDING: _SETTLED | {S.PAUSED},
    S.PAUSED: _SETTLED | {S.PLANNING, S.SENDING, S.SCHEDULED},
    S.HELD: _SETTLED | {S.PLANNING, S.SENDING},
    # Late facts: a review that refuses an accepted job, a late reply, a human's word, `retry`.
    S.COMPLETED: _ENDED,
    S.PARTIAL: _ENDED | {S.SENDING},
    S.FAILED: _ENDED | {S.SENDING},
    S.CANCELLED: _SETTLED,
}

#: States in which a lane may call batches of the broadcast.
BROADCAST_RUNNING = frozenset({S.WAITING, S.SENDING})
#: States in which nothing more happens without a human or WeChat's review.
BROADCAST_AT_REST = _SETTLED | {S.PAUSED}
#: States in which nothing is left that a human or a worker could send by going on.
BROADCAST_DONE = _SETTLED - {S.HELD}

State = TypeVar("State", BatchState, BroadcastState)


def move(moves: Mapping[State, frozenset[State]], old: State, new: State) -> State:
    """Return *new* if the table leads there from *old*; raise :class:`IllegalMoveError` if not."""
    if new != old and new not in moves[old]:
        raise IllegalMoveError(f"{type(old).__name__}: {old} -> {new}")
    return new


def resting_state(batches: Mapping[BatchState, int]) -> BroadcastState | None:
    """Return the state of a broadcast whose batches stand so, or None while one is not at rest.

    *batches* counts the batches in each state; those that were split are told by their children.
    None also without any batch: what is not cut yet has neither reached nor failed anybody.
    """
    if any(count and state not in BATCH_AT_REST for state, count in batches.items()):
        return None
    told = {state: count for state, count in batches.items() if count and state != B.SPLIT}
    if not told:
        return None
    good = told.get(B.ACCEPTED, 0) + told.get(B.FINISHED, 0)
    if told.get(B.IN_DOUBT):
        return S.HELD
    if good == sum(told.values()):
        return S.COMPLETED
    if good:
        return S.PARTIAL
    return S.CANCELLED if set(told) == {B.CANCELLED} else S.FAILED
