"""Gates: facts that forbid calls. Several may be closed at once, and none hides another.

A closed gate forbids mass/send and sendall and nothing else. Whether a call may be made is decided
by :func:`due_at` alone: the claim asks it under its locks, and what it gives is stored for the
sweep. Reports show gates by :mod:`broadcast.gates.blockers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum

from broadcast.call.path import SendPath
from broadcast.enums import is_recognised
from broadcast.frozen import frozen
from broadcast.gates.kinds import FORBID_PLANNING, OPEN_BY_TIME, GateKind
from broadcast.reasons import Reason
from broadcast.states import Phase

#: What may be called at any time.
ALWAYS = datetime.min.replace(tzinfo=UTC)


class GateScope(StrEnum):
    """Whose calls a gate forbids."""

    BROADCAST = "broadcast"
    ACCOUNT = "account"
    PATH = "path"  #: one interface (mass/send or sendall) of one account


@frozen
class Gate:
    """A gate that was closed and that nobody opened."""

    id: int
    scope: GateScope
    kind: GateKind
    account: str
    #: None: a gate of the account or of a path.
    broadcast_id: str | None
    #: Of scope PATH: which.
    path: SendPath | None
    closed_at: datetime
    closed_by: str
    #: A person's own words.
    why: str | None = None
    reason: Reason | None = None
    errcode: int | None = None
    errmsg: str | None = None
    #: When it opens automatically.
    until: datetime | None = None
    #: How many batches made the circuit breaker act, and of which broadcasts they are.
    count: int | None = None
    broadcasts: Sequence[str] = ()

    def opens_at(self) -> datetime | None:
        """Return when it opens automatically; None: an operator must open it."""
        return self.until if self.kind in OPEN_BY_TIME else None

    def is_closed(self, now: datetime) -> bool:
        """Return whether it forbids calls at *now*."""
        at = self.opens_at()
        return at is None or at > now

    def concerns(self, path: SendPath) -> bool:
        """Return whether it forbids calls of *path*."""
        return self.path is None or self.path == path


def closed(gates: Iterable[Gate], now: datetime) -> list[Gate]:
    """Return those of *gates* that forbid calls at *now*."""
    return [gate for gate in gates if gate.is_closed(now)]


@frozen
class Situation:
    """What decides about one call: where the broadcast is, what forbids it, what it waits for."""

    phase: Phase
    path: SendPath
    #: Of the broadcast, of its account, and of the account's paths.
    gates: Sequence[Gate] = ()
    lane_waits_until: datetime | None = None
    batch_waits_until: datetime | None = None


def due_at(situation: Situation) -> datetime | None:
    """Return from when the call may be made; None: not before something changes.

    Never to an interface that only a newer release knows.
    """
    return allowed_at(situation) if is_recognised(situation.path) else None


def allowed_at(situation: Situation) -> datetime | None:
    """Return from when a release that knows the interface may make the call; None: as above."""
    if situation.phase is not Phase.SENDING:
        return None
    gates = [gate for gate in situation.gates if gate.concerns(situation.path)]
    return _latest(gates, situation.lane_waits_until, situation.batch_waits_until)


def may_call(situation: Situation, now: datetime) -> bool:
    """Return whether the call may be made at *now*."""
    at = due_at(situation)
    return at is not None and at <= now


def plan_due_at(gates: Iterable[Gate], lane_waits_until: datetime | None) -> datetime | None:
    """Return from when a published broadcast may be planned; None: never, as it stands.

    Planning makes no calls, so it runs under a pause, a hold and a halt. A lane that waits for
    WeChat could not learn its quota either. What could not be planned, and what must not go out
    while people are suppressed, is planned again at its resume.
    """
    return _latest([gate for gate in gates if _forbids_planning(gate)], lane_waits_until)


#: Another plan would come to the same, before a person has acted.
_HELD_UNPLANNED = frozenset({
    Reason.REQUEST_NOT_MADE, Reason.TAG_UNANSWERED, Reason.SUPPRESSION_LIST,
})  # fmt: skip


def _forbids_planning(gate: Gate) -> bool:
    return gate.kind in FORBID_PLANNING or gate.reason in _HELD_UNPLANNED


def _latest(gates: Iterable[Gate], *waits: datetime | None) -> datetime | None:
    at = max((wait for wait in waits if wait is not None), default=ALWAYS)
    for gate in gates:
        opens = gate.opens_at()
        if opens is None:
            return None
        at = max(at, opens)
    return at
