"""The state that a reader is shown: derived from phase, result and gates, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from broadcast.gates.gate import Gate, GateScope, closed
from broadcast.gates.kinds import rule
from broadcast.states import BroadcastState, Phase

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
        return rule(gate.kind).shown
    return None if rule(gate.kind).by_time else S.HELD
