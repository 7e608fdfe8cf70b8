"""Gates: facts that forbid calls. Several may be closed at once, and none hides another.

A closed gate forbids mass/send and sendall and nothing else. What phase, gates and waits say of a
call, :func:`allowed_at` says alone: the claim asks it under its lock, by :func:`may_call`, and the
time at which the sweep looks (:func:`due_of_lane`) is made of it. The claim asks more than that;
``claims.py`` lists it. Reports show gates by :mod:`broadcast.rules.gates.blockers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from broadcast.data_files import parsed
from broadcast.day import first_of, last_of
from broadcast.enums import is_recognised
from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.plan.audience import OpenIDs, is_understood
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason

#: What may be called at any time.
ALWAYS = datetime.min.replace(tzinfo=UTC)


class GateScope(StrEnum):
    """Calls that a gate forbids: a broadcast's or an account's."""

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

    @property
    def spares_repeats(self) -> bool:
        """True if a batch that may have been sent is repeated all the same.

        Neither its OpenIDs nor its key can have changed since the database was copied.
        """
        return self.kind is GateKind.RESTORED and self.scope is GateScope.BROADCAST


def closed(gates: Iterable[Gate], now: datetime) -> list[Gate]:
    """Return those of *gates* that forbid calls at *now*."""
    return [gate for gate in gates if gate.is_closed(now)]


@frozen
class Situation:
    """State of one call's broadcast: its phase, its gates and its waits."""

    phase: Phase
    path: SendPath
    #: Of the broadcast, of its account, and of the account's paths.
    gates: Sequence[Gate] = ()
    lane_waits_until: datetime | None = None
    batch_waits_until: datetime | None = None
    #: The batch may have been sent before.
    is_repeat: bool = False


def due_at(situation: Situation) -> datetime | None:
    """Return from when the call may be made; None: not before something changes.

    Never to an interface that only a newer release knows.
    """
    return allowed_at(situation) if is_recognised(situation.path) else None


def allowed_at(situation: Situation) -> datetime | None:
    """Return from when a release that knows the interface may make the call.

    None: not before something changes.
    """
    if situation.phase is not Phase.SENDING:
        return None
    gates = [
        gate
        for gate in situation.gates
        if gate.concerns(situation.path) and not (situation.is_repeat and gate.spares_repeats)
    ]
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
_HELD_UNPLANNED = frozenset(
    {
        Reason.REQUEST_NOT_MADE,
        Reason.TAG_UNANSWERED,
        Reason.SUPPRESSION_LIST,
    }
)


def _forbids_planning(gate: Gate) -> bool:
    return gate.kind in FORBID_PLANNING or gate.reason in _HELD_UNPLANNED


def _latest(gates: Iterable[Gate], *waits: datetime | None) -> datetime | None:
    at = last_of(*waits) or ALWAYS
    for gate in gates:
        opens = gate.opens_at()
        if opens is None:
            return None
        at = max(at, opens)
    return at


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
        return plan_due_at([*gates, *one.gates], lane_waits_until)
    waits = [
        _due(one, gates, lane_waits_until, batch=at, is_repeat=state is BatchState.UNKNOWN)
        for state, at in one.waits.items()
        # A state that this release does not know may be a newer release's to call: a look costs
        # little.
        if state in _CALLED_NEXT or state not in set(BatchState)
    ]
    return first_of(*waits)


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
    gates_open = _due(one, gates, None, batch=ALWAYS, is_repeat=True)
    due = _due(one, gates, lane_waits_until, batch=waits, is_repeat=True)
    if gates_open is not None and due is not None:
        yield _Doubt(gates_open, due)


def _due(
    one: OpenBroadcast,
    gates: Sequence[Gate],
    lane: datetime | None,
    *,
    batch: datetime,
    is_repeat: bool,
) -> datetime | None:
    # An interface that this release does not know may be a newer one's to call: as for states.
    return allowed_at(
        Situation(
            phase=one.phase,
            path=one.path,
            gates=[*gates, *one.gates],
            lane_waits_until=lane,
            batch_waits_until=batch if batch > ALWAYS else None,
            is_repeat=is_repeat,
        )
    )


_CALLED_NEXT = (BatchState.PLANNED, BatchState.UNKNOWN)


#: Kinds of gates; each has its text. A kind that is not listed here forbids calls too.
GateKind = StrEnum(
    "GateKind",
    "PAUSE BREAKER HOLD DRAFT LOOK CANCEL ADMINISTRATOR SCHEDULE COOLING_OFF HALT STOP QUOTA "
    "RESTORED",
)


#: Cause why no call is made; each has its text.
Cause = StrEnum(
    "Cause",
    [
        "ACCOUNT_STOPPED",  #: by what WeChat answered, or by too many doubts
        "ACCOUNT_HALTED",  #: by a person
        "DATABASE_RESTORED",  #: it may not know what was sent
        "MAYBE_SENT_SINCE",  #: the database was copied, before it was restored
        "PAUSED",  #: by a person, or by refusals
        "HELD",  #: what is planned cannot go on before a person acts
        "MISSED_TIME",  #: its first call would have come too late
        "DOES_NOT_FIT",  #: the account's day has too few calls left
        "SUPPRESSION",  #: WeChat's own list holds people who are suppressed
        "TAG_GONE",  #: WeChat has no more the tag that says whom it means
        "DRAFT",  #: it says something else than what was to go out, or nobody can tell
        "ADMINISTRATOR",  #: WeChat took the call, and asks the account's administrator
        "IN_DOUBT",  #: batches that only a person can settle, whatever the state
        "SCHEDULED",
        "COOLING_OFF",  #: its first call is kept back, so that it can be called off
        "OVERDUE",  #: its time has come, and no process launched it
        "ACCOUNT_WAITS",  #: for WeChat or for another day
        "UNKNOWN_FIRST",  #: a batch that may have been sent is asked about before all
        "BEHIND",  #: other broadcasts of the account go first
        "NO_WORKER",  #: no worker drives it although it may go on
        #: A call of it began, and the worker that made it is gone; another cause blocks it.
        "LEFT_BEHIND",
        #: A gate, an interface or an audience that this release does not know.
        "NEWER_RELEASE",
    ],
)


#: The commands that open gates, by their words.
Opener = StrEnum("Opener", "RESUME UNHALT RESTORED")


@frozen
class Traits:
    """Traits of a kind of gate, the same for every reader."""

    #: What closes it.
    about: str = ""
    #: The command that opens it where it is a broadcast's own; None: there is none.
    own: Opener | None = None
    #: The same where it is the account's or a path's.
    of_account: Opener | None = None
    #: It opens when its time has come, whether or not that is recorded.
    by_time: bool = False
    #: Not even planning makes sense under it.
    forbids_planning: bool = False
    #: A person closed it.
    by_person: bool = False
    #: Each of its reasons closes a gate of its own, beside the others.
    by_reason: bool = False
    #: A retry opens a broadcast's own as well as a resume.
    retry_opens: bool = False
    #: The broadcast may have been sent: its own opens only where that was said to be meant.
    maybe_sent: bool = False
    #: As what a broadcast is shown that has it as its own gate; None: as if it were not there.
    shown: BroadcastState | None = BroadcastState.HELD
    #: What a blocker says of it: of a broadcast's own, and of an account's or a path's.
    cause: Cause = Cause.NEWER_RELEASE
    account_cause: Cause = Cause.NEWER_RELEASE


_WORDS: Final[Mapping[str, Any]] = {
    "about": str,
    "own": Opener,
    "of_account": Opener,
    "shown": BroadcastState,
    "cause": Cause,
    "account_cause": Cause,
}


def _traits(said: Mapping[str, Any]) -> Traits:
    given = {n: _WORDS[n](one) if isinstance(one, str) else one for n, one in said.items()}
    return Traits(**given)


#: What is to be fixed first stands first: one command may open several. A quota's time opens its
#: gate; a person does before, where WeChat has raised or cleared the quota.
TRAITS: Final[Mapping[GateKind, Traits]] = {
    GateKind(kind): _traits(said) for kind, said in parsed(__file__, "gates.json").items()
}
_STRANGE = Traits()
_ORDER = {kind: place for place, kind in enumerate(TRAITS, start=1)}


def traits_of(kind: GateKind) -> Traits:
    """Return what a kind means; one that this release does not know waits for a newer one."""
    return TRAITS.get(kind, _STRANGE)


def order(kind: GateKind) -> int:
    """Return which place a kind has among those that are to be fixed; a strange one is first."""
    return _ORDER.get(kind, 0)


OPEN_BY_TIME = frozenset(kind for kind, one in TRAITS.items() if one.by_time)
#: Under which even planning makes no sense.
FORBID_PLANNING = frozenset(kind for kind, one in TRAITS.items() if one.forbids_planning)
#: Of a broadcast's own gates, those that a person's resume opens.
RESUME_OPENS = frozenset(kind for kind, one in TRAITS.items() if one.own is Opener.RESUME)
#: Of those, the ones that a retry leaves closed.
RETRY_LEAVES = frozenset(kind for kind in RESUME_OPENS if not TRAITS[kind].retry_opens)
#: Of those that a resume opens, the ones that no person closed: whoever waits for the broadcast
#: does not know of them.
CLOSED_UNASKED = frozenset(kind for kind in RESUME_OPENS if not TRAITS[kind].by_person)
#: Of the gates of an account and its paths, those that a person's unhalt opens.
UNHALT_OPENS = frozenset(k for k, one in TRAITS.items() if one.of_account is Opener.UNHALT)
