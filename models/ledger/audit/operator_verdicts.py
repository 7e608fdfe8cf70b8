"""Words: what a person said of a batch in doubt, and of which of its calls.

A word speaks of the calls that had been made when it was said. A denial that nobody can have
spoken, because no doubt was closed by hand after that call, counts for nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from broadcast.states import BatchState
from models.ledger.audit import history
from models.ledger.audit.snapshot import BatchCase, Call

_DOUBT = BatchState.IN_DOUBT.value


def of_person(batch: BatchCase) -> BatchState | None:
    """Return where the last person who moved the batch put it, while nothing contradicts him.

    A reply that comes later and puts the batch into doubt again ends the word.
    """
    for move in reversed(batch.moves):
        if move.by_hand:
            return BatchState(move.new) if move.new in set(BatchState) else None
        if move.new == _DOUBT:
            return None
    return None


def says_sent(batch: BatchCase) -> bool:
    """Tell whether a person's word that the batch was sent still stands."""
    return of_person(batch) is BatchState.ACCEPTED


def calls_of(batch: BatchCase) -> Sequence[Call]:
    """Return the calls of a batch, denied only where a person can have denied them."""
    spoken = max(history.of_batch(batch).words, default=0)
    return [
        replace(call, denied=bool(call.denied) and place < spoken)
        for place, call in enumerate(batch.calls)
    ]
