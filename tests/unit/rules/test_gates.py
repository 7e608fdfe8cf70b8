"""Gates: whether a call may be made, from when, and what a reader is shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.enums import is_recognised, recognised
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.gates.gate import (
    FORBID_PLANNING,
    OPEN_BY_TIME,
    RESUME_OPENS,
    UNHALT_OPENS,
    Gate,
    GateKind,
    GateScope,
    Situation,
    due_at,
    may_call,
    plan_due_at,
)
from broadcast.rules.gates.shown_states import shown_state
from broadcast.rules.states import BroadcastState, Phase

NOW = datetime(2026, 3, 2, 4, tzinfo=UTC)
SECOND = timedelta(seconds=1)
STRANGE = recognised(GateKind, "quiet_hours_of_a_later_release")
KINDS = [*GateKind, STRANGE]
MASS_SEND, SENDALL = SendPath


def gate(kind: GateKind, scope: GateScope = GateScope.BROADCAST, **facts: Any) -> Gate:
    """Return a gate that was closed an hour ago."""
    own = scope is GateScope.BROADCAST
    given: dict[str, Any] = {"path": None, "closed_at": NOW - timedelta(hours=1)} | facts
    return Gate(
        id=1,
        scope=scope,
        kind=kind,
        account="default",
        broadcast_id="one" if own else None,
        closed_by="tests",
        **given,
    )


def situation(*gates: Gate, **facts: Any) -> Situation:
    return Situation(**{"phase": Phase.SENDING, "path": MASS_SEND, "gates": gates} | facts)


def test_without_gates_and_waits_a_call_may_be_made_at_any_time() -> None:
    assert may_call(situation(), NOW)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.SENDING])
def test_no_call_is_made_in_another_phase(phase: Phase) -> None:
    assert due_at(situation(phase=phase)) is None
    assert not may_call(situation(phase=phase), NOW)


def test_no_call_is_made_in_a_phase_of_a_newer_release() -> None:
    assert due_at(situation(phase=recognised(Phase, "previewing"))) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scope", GateScope)
def test_every_kind_of_gate_forbids_calls_wherever_it_stands(
    kind: GateKind, scope: GateScope
) -> None:
    path = MASS_SEND if scope is GateScope.PATH else None
    until = NOW + SECOND if kind in OPEN_BY_TIME else None

    assert not may_call(situation(gate(kind, scope, path=path, until=until)), NOW)


@pytest.mark.parametrize("kind", KINDS)
def test_only_time_opens_a_gate_of_time_and_nothing_but_a_hand_another(kind: GateKind) -> None:
    closed = situation(gate(kind, until=NOW))

    assert may_call(closed, NOW) == (kind in OPEN_BY_TIME)
    assert not may_call(closed, NOW - SECOND)


@pytest.mark.parametrize("kind", sorted(OPEN_BY_TIME))
def test_a_gate_of_time_without_a_time_stays_closed(kind: GateKind) -> None:
    assert due_at(situation(gate(kind, until=None))) is None


def test_a_gate_of_one_interface_leaves_the_other_open() -> None:
    stop = gate(GateKind.STOP, GateScope.PATH, path=SENDALL)

    assert may_call(situation(stop, path=MASS_SEND), NOW)
    assert not may_call(situation(stop, path=SENDALL), NOW)


@pytest.mark.parametrize("wait", ["lane_waits_until", "batch_waits_until"])
def test_a_wait_ends_at_its_moment(wait: str) -> None:
    waits = situation(**{wait: NOW})

    assert due_at(waits) == NOW
    assert may_call(waits, NOW)
    assert not may_call(waits, NOW - SECOND)


#: Whom no command opens: one is final, the others open when their time has come.
NOBODY_OPENS = {
    GateKind.CANCEL,
    GateKind.SCHEDULE,
    GateKind.LOOK,
    GateKind.COOLING_OFF,
    GateKind.ADMINISTRATOR,
}


def test_every_kind_has_its_way_out_but_the_final_one() -> None:
    assert set(GateKind) == RESUME_OPENS | UNHALT_OPENS | NOBODY_OPENS
    assert {
        GateKind.PAUSE,
        GateKind.BREAKER,
        GateKind.HOLD,
        GateKind.DRAFT,
        GateKind.RESTORED,
    } == RESUME_OPENS
    assert {GateKind.HALT, GateKind.BREAKER, GateKind.STOP, GateKind.QUOTA} == UNHALT_OPENS
    assert {GateKind.CANCEL} == NOBODY_OPENS - OPEN_BY_TIME


# -- laws over any gates

MOMENTS = st.integers(-3, 3).map(lambda n: NOW + n * SECOND)
GATES = st.builds(
    gate,
    st.sampled_from(KINDS),
    st.sampled_from(list(GateScope)),
    path=st.sampled_from([None, *SendPath]),
    until=st.none() | MOMENTS,
)
SITUATIONS = st.builds(
    Situation,
    phase=st.sampled_from([Phase.SENDING] * 5 + list(Phase)),
    path=st.sampled_from(list(SendPath)),
    gates=st.lists(GATES, max_size=4),
    lane_waits_until=st.none() | MOMENTS,
    batch_waits_until=st.none() | MOMENTS,
)


def forbids(gate: Gate, path: SendPath, now: datetime) -> bool:
    """Say again, in the words of the design, whether a gate forbids a call."""
    if gate.path not in {None, path}:
        return False
    by_time = {
        GateKind.SCHEDULE,
        GateKind.QUOTA,
        GateKind.LOOK,
        GateKind.COOLING_OFF,
        GateKind.ADMINISTRATOR,
    }
    opens_by_itself = gate.kind in by_time
    return not (opens_by_itself and gate.until is not None and gate.until <= now)


@given(SITUATIONS, MOMENTS)
def test_a_call_may_be_made_exactly_where_nothing_forbids_it(
    found: Situation, now: datetime
) -> None:
    waits = [found.lane_waits_until, found.batch_waits_until]
    nothing = (
        found.phase is Phase.SENDING
        and not any(forbids(gate, found.path, now) for gate in found.gates)
        and all(wait is None or wait <= now for wait in waits)
    )

    assert may_call(found, now) == nothing


@given(SITUATIONS, GATES, MOMENTS)
def test_one_more_gate_never_lets_a_call_pass(found: Situation, more: Gate, now: datetime) -> None:
    beside = situation(
        *found.gates,
        more,
        phase=found.phase,
        path=found.path,
        lane_waits_until=found.lane_waits_until,
        batch_waits_until=found.batch_waits_until,
    )

    assert may_call(found, now) or not may_call(beside, now)


@given(SITUATIONS, MOMENTS)
def test_what_may_be_called_stays_so_while_nothing_changes(found: Situation, now: datetime) -> None:
    assert not may_call(found, now) or may_call(found, now + SECOND)


# -- planning


@pytest.mark.parametrize("kind", KINDS)
def test_planning_runs_under_every_gate_but_a_cancel_a_restore_and_a_time_to_come(
    kind: GateKind,
) -> None:
    at = plan_due_at([gate(kind, until=NOW + SECOND)], None)

    wanted = {
        GateKind.CANCEL: None,
        GateKind.RESTORED: None,
        GateKind.SCHEDULE: NOW + SECOND,
    }
    assert (kind in wanted) == (kind in FORBID_PLANNING)
    if kind in wanted:
        assert at == wanted[kind]
    else:
        assert at is not None
        assert at <= NOW


def test_planning_waits_for_a_lane_that_waits_for_wechat() -> None:
    assert plan_due_at([gate(GateKind.PAUSE)], NOW) == NOW


# -- what is shown


def shown(
    *gates: Gate,
    phase: Phase = Phase.SENDING,
    result: BroadcastState | None = None,
    called: bool = True,
) -> BroadcastState:
    return shown_state(phase=phase, result=result, gates=gates, called=called, now=NOW)


S = BroadcastState
CANCEL, PAUSE, HOLD = gate(GateKind.CANCEL), gate(GateKind.PAUSE), gate(GateKind.HOLD)
BREAKER, LATER = gate(GateKind.BREAKER), gate(GateKind.SCHEDULE, until=NOW + SECOND)
HALT, STOP = gate(GateKind.HALT, GateScope.ACCOUNT), gate(GateKind.STOP, GateScope.ACCOUNT)
USED_UP = gate(GateKind.QUOTA, GateScope.PATH, path=MASS_SEND, until=NOW + SECOND)


@pytest.mark.parametrize(
    ("gates", "phase", "state"),
    [
        ((), Phase.UPLOADING, S.UPLOADING),
        ((CANCEL,), Phase.UPLOADING, S.UPLOADING),
        ((), Phase.PLANNING, S.PLANNING),
        ((LATER,), Phase.PLANNING, S.SCHEDULED),
        ((gate(GateKind.SCHEDULE, until=NOW),), Phase.PLANNING, S.PLANNING),
        ((PAUSE, LATER), Phase.PLANNING, S.PAUSED),
        ((PAUSE, HOLD, LATER), Phase.PLANNING, S.HELD),
        ((CANCEL, PAUSE, HOLD, HALT, LATER), Phase.PLANNING, S.CANCELLED),
        ((), Phase.SENDING, S.SENDING),
        ((PAUSE,), Phase.SENDING, S.PAUSED),
        ((BREAKER,), Phase.SENDING, S.PAUSED),
        ((BREAKER, HALT), Phase.SENDING, S.HELD),
        ((gate(GateKind.BREAKER, GateScope.ACCOUNT),), Phase.SENDING, S.HELD),
        ((HALT,), Phase.SENDING, S.HELD),
        ((STOP,), Phase.PLANNING, S.HELD),
        ((USED_UP,), Phase.SENDING, S.SENDING),
        ((gate(STRANGE),), Phase.SENDING, S.HELD),
        ((CANCEL, PAUSE, HALT), Phase.SENDING, S.CANCELLED),
    ],
)
def test_the_state_is_the_first_that_holds(
    gates: Sequence[Gate], phase: Phase, state: BroadcastState
) -> None:
    assert shown(*gates, phase=phase) is state
    assert shown(*reversed(gates), phase=phase) is state


def test_a_planned_broadcast_waits_until_its_first_call() -> None:
    assert shown(called=False) is S.WAITING
    assert shown(called=True) is S.SENDING


@pytest.mark.parametrize("result", [S.COMPLETED, S.PARTIAL, S.FAILED, S.HELD])
@pytest.mark.parametrize("gates", [(), (PAUSE,), (HOLD,), (HALT,), (gate(STRANGE),)])
def test_what_has_ended_is_shown_by_its_result_unless_a_person_cancelled_it(
    result: BroadcastState, gates: tuple[Gate, ...]
) -> None:
    assert shown(*gates, phase=Phase.ENDED, result=result) is result
    assert shown(*gates, CANCEL, phase=Phase.ENDED, result=result) is S.CANCELLED


def test_what_nobody_was_left_for_is_not_shown_as_cancelled_by_a_person() -> None:
    assert shown(phase=Phase.ENDED, result=S.CANCELLED) is S.FAILED
    assert shown(CANCEL, phase=Phase.ENDED, result=S.CANCELLED) is S.CANCELLED


@given(
    st.lists(GATES, max_size=4),
    st.sampled_from(list(Phase)),
    st.booleans(),
    st.none() | st.sampled_from([S.COMPLETED, S.PARTIAL, S.FAILED, S.HELD, S.CANCELLED]),
)
def test_every_broadcast_is_shown_in_a_state_that_the_contract_knows(
    gates: list[Gate], phase: Phase, called: bool, result: BroadcastState | None
) -> None:
    state = shown(*gates, phase=phase, result=result, called=called)

    assert is_recognised(state)
    # What may be called is never shown as if it stood still.
    if result is None and may_call(situation(*gates, phase=phase), NOW) and called:
        own = [one for one in gates if one.path is None]
        assert state is S.SENDING or len(own) < len(gates)
