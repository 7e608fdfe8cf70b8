"""From when the sweep may find something to do for each open broadcast of a lane.

It may be too early, which costs a look, but never too late, which would leave a
broadcast behind. Only the claim decides, by :func:`broadcast.rules.gates.gate.due_at`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.gates.gate import ALWAYS, Gate, Situation, allowed_at, plan_due_at
from broadcast.rules.plan.audience import OpenIDs, is_understood
from broadcast.rules.states import BatchState, Phase


@frozen
class OpenBroadcast:
    """A broadcast of a lane that is not at rest, as far as its next call depends on it."""

    id: str
    phase: Phase
    path: SendPath
    audience_kind: str = OpenIDs.kind
    gates: Sequence[Gate] = ()
    #: Of its open batches: the first moment by state; a batch that waits for nothing is ALWAYS.
    waits: Mapping[BatchState, datetime] = field(default_factory=dict)


def due_of_lane(
    broadcasts: Iterable[OpenBroadcast],
    *,
    gates: Sequence[Gate],
    lane_waits_until: datetime | None,
    lease_ends: datetime,
) -> dict[str, datetime | None]:
    """Return, by id, from when each broadcast has something to do; None: not before a change.

    *gates*: of the account and its paths. *lease_ends*: a call whose driver dies by then is adopted
    even of a stopped account, for its fate is not known before it is asked about.
    """
    found = list(broadcasts)
    at = {one.id: _itself(one, gates, lane_waits_until) for one in found}
    doubts = [doubt for one in found for doubt in _doubts(one, gates, lane_waits_until)]
    for one in found:
        # While a doubtful batch waits for its repeat, the lane starts no other; while a gate
        # forbids that repeat, it does.
        due = at[one.id]
        if due is not None and one.phase is Phase.SENDING:
            ahead = [doubt.due for doubt in doubts if doubt.gates_open <= due]
            at[one.id] = max(due, min(ahead, default=due))
        if BatchState.CALLING in one.waits:
            due = at[one.id]
            at[one.id] = lease_ends if due is None else min(due, lease_ends)
    return at


def _itself(
    one: OpenBroadcast, gates: Sequence[Gate], lane_waits_until: datetime | None
) -> datetime | None:
    if one.phase is Phase.PLANNING:
        return plan_due_at(one.gates, lane_waits_until)
    waits = [one.waits[state] for state in _CALLED_NEXT if state in one.waits]
    # A state that this release does not know may be a newer release's to call: a look costs little.
    strangers = [at for state, at in one.waits.items() if state not in set(BatchState)]
    first = min([*waits, *strangers], default=None)
    return None if first is None else _due(one, gates, lane_waits_until, batch=first)


@dataclass(frozen=True, slots=True)
class _Doubt:
    """The doubtful batches of a broadcast."""

    #: From when no gate forbids their repeats.
    gates_open: datetime
    #: When the first of them is repeated.
    due: datetime


def _doubts(
    one: OpenBroadcast, gates: Sequence[Gate], lane_waits_until: datetime | None
) -> Iterator[_Doubt]:
    waits = one.waits.get(BatchState.UNKNOWN)
    # What a newer release alone can repeat keeps no call of this one waiting.
    if waits is None or not is_understood(one.path, one.audience_kind):
        return
    gates_open = _due(one, gates, None, batch=ALWAYS)
    due = _due(one, gates, lane_waits_until, batch=waits)
    if gates_open is not None and due is not None:
        yield _Doubt(gates_open, due)


def _due(
    one: OpenBroadcast, gates: Sequence[Gate], lane: datetime | None, *, batch: datetime
) -> datetime | None:
    # An interface that this release does not know may be a newer one's to call: as for states.
    return allowed_at(
        Situation(
            phase=one.phase, path=one.path, gates=[*gates, *one.gates], lane_waits_until=lane,
            batch_waits_until=batch if batch > ALWAYS else None,
        )
    )  # fmt: skip


_CALLED_NEXT = (BatchState.PLANNED, BatchState.UNKNOWN)
