"""The state that a reader is shown: derived from phase, result and gates, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from broadcast.gates.gate import Gate, GateKind, GateScope, closed
from broadcast.states import BroadcastState, Phase

S = BroadcastState

#: Gates of a broadcast that are shown as a pause.
_PAUSES = frozenset({GateKind.PAUSE, GateKind.BREAKER})
_TIMED = frozenset({GateKind.SCHEDULE, GateKind.QUOTA})


def shown_state(  # noqa: PLR0911 - one return a word of the contract, in its order
    *,
    phase: Phase,
    result: BroadcastState | None,
    gates: Iterable[Gate],
    called: bool,
    now: datetime,
) -> BroadcastState:
    """Return what a reader is shown. *called*: at least one call was made."""
    standing = closed(gates, now)
    own = {gate.kind for gate in standing if gate.scope is GateScope.BROADCAST}
    if phase is Phase.UPLOADING:
        return S.UPLOADING
    if GateKind.CANCEL in own:
        return S.CANCELLED
    if result is not None:
        return result
    if _needs_a_person(standing):
        return S.HELD
    if own & _PAUSES:
        return S.PAUSED
    if GateKind.SCHEDULE in own:
        return S.SCHEDULED
    if phase is not Phase.SENDING:
        return S.PLANNING
    return S.SENDING if called else S.WAITING


def _needs_a_person(standing: Iterable[Gate]) -> bool:
    """Tell whether a gate stands that only a person opens and that is no pause of the broadcast.

    A kind that this release does not know is one of them: a newer release, or a person, knows.
    """
    return any(
        gate.kind not in _TIMED and not (gate.scope is GateScope.BROADCAST and gate.kind in _PAUSES)
        for gate in standing
    )
