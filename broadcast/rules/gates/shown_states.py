"""The state that a reader is shown: derived from phase, result and gates, in a fixed order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from broadcast.day import first_of
from broadcast.enums import recognised
from broadcast.frozen import frozen
from broadcast.names import EventKind
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.gates.gate import Gate, GateKind, GateScope, closed, traits_of
from broadcast.rules.reports import Did
from broadcast.rules.states import BroadcastState, Phase

S = BroadcastState

#: Of several the first is shown.
_ORDER = (S.HELD, S.PAUSED, S.AWAITING_APPROVAL, S.SCHEDULED)


def shown_state(
    *,
    phase: Phase,
    result: BroadcastState | None,
    gates: Iterable[Gate],
    called: bool,
    now: datetime,
) -> BroadcastState:
    """Return what a reader is shown. *called*: at least one call was made."""
    shown = {_shown(gate) for gate in closed(gates, now)}
    if phase is Phase.UPLOADING:
        return S.UPLOADING
    if S.CANCELLED in shown:
        return S.CANCELLED
    if result is not None:
        # Nobody was left to send to, and no person cancelled it.
        return S.FAILED if result is S.CANCELLED else result
    for state in _ORDER:
        if state in shown:
            return state
    if phase is not Phase.SENDING:
        return S.PLANNING
    return S.SENDING if called else S.WAITING


def _shown(gate: Gate) -> BroadcastState | None:
    """Return as what a gate alone would be shown; None where it passes automatically.

    A kind that this release does not know is a hold: a newer release, or a person, knows.
    """
    if gate.scope is GateScope.BROADCAST:
        return traits_of(gate.kind).shown
    return None if traits_of(gate.kind).by_time else S.HELD


#: The kinds of line that can change a state.
KINDS: Final = frozenset(
    {
        EventKind.SUBMITTED,
        EventKind.PLANNED,
        EventKind.ENDED,
        EventKind.OPERATOR_ACTION,
        EventKind.GATE_CLOSED,
        EventKind.GATE_OPENED,
    }
)


@frozen
class Line:
    """One line of the history."""

    id: int
    at: datetime
    kind: EventKind
    #: Whether it is the broadcast's own, or one of its account.
    own: bool
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """Position in the event stream: the id of a line, and how many timed changes after it."""

    line: int = 0
    step: int = 0

    def __str__(self) -> str:
        """Return it as a reader keeps it."""
        return f"{self.line}.{self.step}"


_PLACE: Final = re.compile(r"(\d{1,18})\.(\d{1,3})")


def parse_cursor(text: str) -> Cursor | None:
    """Return the cursor at the beginning of *text*; None where there is none."""
    found = _PLACE.match(text)
    return None if found is None else Cursor(int(found[1]), int(found[2]))


@frozen
class StateChange:
    """A change of the state."""

    cursor: Cursor
    at: datetime
    state: BroadcastState


@dataclass(slots=True, kw_only=True)
class StateReplay:
    """The states of a broadcast, replayed from its submit on."""

    path: SendPath
    cursor: Cursor = field(default_factory=Cursor)
    state: BroadcastState = BroadcastState.UPLOADING
    _phase: Phase = Phase.UPLOADING
    _result: BroadcastState | None = None
    _called: bool = False
    _gates: dict[tuple[bool, str, str | None], Gate] = field(default_factory=dict)

    def start_with(self, gates: Iterable[Gate]) -> None:
        """Start with the *gates* of the account that were closed at the submit."""
        self._gates = {(False, gate.kind, gate.path): gate for gate in gates}

    def follow(
        self, lines: Iterable[Line], *, started_at: datetime | None, now: datetime
    ) -> Iterator[StateChange]:
        """Yield each change; *lines* are the next in order, *now* when they were read."""
        for line in lines:
            yield from self._by_time(line.at, started_at)
            self.cursor = Cursor(line.id)
            self._apply(line)
            yield from self._state_change(line.at)
        yield from self._by_time(now, started_at)

    def opens_at(self) -> datetime | None:
        """Return when time alone changes the state next."""
        return first_of(*map(_time_of, self._gates.values()))

    def _apply(self, line: Line) -> None:
        facts = line.facts
        match line.kind:
            case EventKind.SUBMITTED:
                self._phase = Phase.PLANNING
            case EventKind.PLANNED:
                self._phase = Phase.SENDING
            case EventKind.ENDED:
                self._phase = Phase.ENDED
                self._result = recognised(BroadcastState, facts["new"])
            case EventKind.OPERATOR_ACTION:
                if facts.get("did") == Did.RETRY and self._phase is Phase.ENDED:
                    self._phase, self._result = Phase.SENDING, None
            case EventKind.GATE_CLOSED:
                gate = _gate(line)
                if gate.concerns(self.path):
                    self._gates[line.own, gate.kind, gate.path] = gate
            case EventKind.GATE_OPENED:
                self._gates.pop((line.own, facts["gate"], facts.get("path")), None)

    def _by_time(self, now: datetime, started_at: datetime | None) -> Iterator[StateChange]:
        """Yield the changes before *now* that have no line: a gate's time, the first call."""
        while (moment := self._next(started_at)) is not None and moment <= now:
            self.cursor = Cursor(self.cursor.line, self.cursor.step + 1)
            self._called = self._called or moment == started_at
            self._gates = {
                key: gate
                for key, gate in self._gates.items()
                if (at := _time_of(gate)) is None or at > moment
            }
            yield from self._state_change(moment)

    def _next(self, started_at: datetime | None) -> datetime | None:
        called = None if self._called or self._phase is Phase.UPLOADING else started_at
        return first_of(called, self.opens_at())

    def _state_change(self, at: datetime) -> Iterator[StateChange]:
        state = shown_state(
            phase=self._phase,
            result=self._result,
            gates=self._gates.values(),
            called=self._called,
            now=at,
        )
        if state is not self.state:
            self.state = state
            yield StateChange(cursor=self.cursor, at=at, state=state)


def _time_of(gate: Gate) -> datetime | None:
    shown = gate.scope is GateScope.BROADCAST and traits_of(gate.kind).shown is not None
    return gate.opens_at() if shown else None


def _gate(line: Line) -> Gate:
    facts = line.facts
    path = facts.get("path") and recognised(SendPath, facts["path"])
    account = GateScope.PATH if path else GateScope.ACCOUNT
    until = facts.get("until")
    return Gate(
        id=line.id,
        scope=GateScope.BROADCAST if line.own else account,
        kind=recognised(GateKind, facts["gate"]),
        account="",
        broadcast_id=None,
        path=path,
        closed_at=line.at,
        closed_by="",
        until=until and datetime.fromisoformat(until),
    )
