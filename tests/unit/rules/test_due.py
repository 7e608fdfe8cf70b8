"""Whatever may be called, the sweep looks at: it may look too early, and never too late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadcast.enums import recognised
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.gates.gate import (
    ALWAYS,
    OPEN_BY_TIME,
    Gate,
    GateKind,
    GateScope,
    OpenBroadcast,
    Situation,
    due_of_lane,
    may_call,
    plan_due_at,
)
from broadcast.rules.states import BatchState, Phase
from tests.unit.rules.test_gates import GATES, MOMENTS, NOW, SECOND, gate

B = BatchState
LEASE_ENDS = NOW + 6 * SECOND
STRANGER = recognised(BatchState, "prefetched_by_a_later_release")
PIGEON = recognised(SendPath, "pigeon")
OPEN_STATES = [B.PLANNED, B.UNKNOWN, B.CALLING, STRANGER]


@dataclass(frozen=True, slots=True)
class Batch:
    """An open batch: its state, and what it waits for."""

    state: BatchState
    not_before: datetime | None


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A broadcast of the lane with its own gates."""

    id: str
    phase: Phase
    path: SendPath
    gates: Sequence[Gate]
    batches: Sequence[Batch]

    def read(self) -> OpenBroadcast:
        """Return what the ledger reads of it: by state the first moment, ALWAYS if one is free."""
        waits: dict[BatchState, datetime] = {}
        for batch in self.batches if self.phase is Phase.SENDING else ():
            at = batch.not_before or ALWAYS
            waits[batch.state] = min(at, waits.get(batch.state, at))
        return OpenBroadcast(
            id=self.id, phase=self.phase, path=self.path, gates=self.gates, waits=waits
        )


@dataclass(frozen=True, slots=True)
class Lane:
    """All that the next call of an account depends on."""

    broadcasts: Sequence[Broadcast]
    gates: Sequence[Gate]
    waits_until: datetime | None

    def due(self) -> dict[str, datetime | None]:
        return due_of_lane(
            [one.read() for one in self.broadcasts],
            gates=self.gates,
            lane_waits_until=self.waits_until,
            lease_ends=LEASE_ENDS,
        )

    def allowed(self, one: Broadcast, batch: Batch, now: datetime) -> bool:
        """Tell whether the claim would let a call of *batch* pass, were it tried."""
        return may_call(
            Situation(
                phase=one.phase,
                path=one.path,
                gates=[*self.gates, *one.gates],
                lane_waits_until=self.waits_until,
                batch_waits_until=batch.not_before,
                is_repeat=batch.state is B.UNKNOWN,
            ),
            now,
        )

    def next_calls(self, now: datetime) -> list[Broadcast]:
        """Return the broadcasts of which a driver may call a batch at *now*.

        A doubtful batch that no gate forbids goes first, and no other starts while it waits.
        """
        ready = [
            (one, batch)
            for one in self.broadcasts
            for batch in one.batches
            if batch.state in {B.PLANNED, B.UNKNOWN} and self.allowed(one, batch, now)
        ]
        doubts = [
            batch.not_before or ALWAYS
            for one in self.broadcasts
            for batch in one.batches
            if batch.state is B.UNKNOWN and self._ungated(one, now)
        ]
        if not doubts:
            return [one for one, _ in ready]
        first = min(doubts)
        return [
            one
            for one, batch in ready
            if batch.state is B.UNKNOWN and (batch.not_before or ALWAYS) == first
        ]

    def _ungated(self, one: Broadcast, now: datetime) -> bool:
        gates = [*self.gates, *one.gates]
        return may_call(Situation(phase=one.phase, path=one.path, gates=gates, is_repeat=True), now)


def _own(found: Sequence[Gate]) -> list[Gate]:
    return [gate(one.kind, until=one.until) for one in found]


def _of_account(found: Sequence[Gate]) -> list[Gate]:
    return [
        gate(
            one.kind,
            GateScope.ACCOUNT if one.path is None else GateScope.PATH,
            until=one.until,
            path=one.path,
        )
        for one in found
    ]


BATCHES = st.builds(Batch, st.sampled_from(OPEN_STATES), st.none() | MOMENTS)
#: Often none, and often one that opens by itself: behind the others nothing happens.
TIMED = st.builds(
    gate,
    st.sampled_from(sorted(OPEN_BY_TIME)),
    path=st.sampled_from([None, *SendPath]),
    until=MOMENTS,
)
FEW_GATES: st.SearchStrategy[list[Gate]] = (
    st.just([]) | st.lists(TIMED, max_size=1) | st.lists(GATES, max_size=2)
)


@st.composite
def lanes(draw: st.DrawFn) -> Lane:
    """Any lane: several broadcasts in any phase, with gates, waits and doubts."""
    broadcasts = [
        Broadcast(
            id=f"b{n}",
            phase=draw(st.sampled_from([Phase.SENDING] * 4 + [Phase.PLANNING])),
            path=draw(st.sampled_from([*SendPath, PIGEON])),
            gates=draw(FEW_GATES.map(_own)),
            batches=draw(st.lists(BATCHES, min_size=1, max_size=3)),
        )
        for n in range(draw(st.integers(1, 3)))
    ]
    return Lane(broadcasts, draw(FEW_GATES.map(_of_account)), draw(st.none() | MOMENTS))


@settings(max_examples=500)
@given(lanes(), MOMENTS)
def test_no_call_may_be_made_before_the_sweep_looks(lane: Lane, now: datetime) -> None:
    due = lane.due()

    for one in lane.next_calls(now):
        at = due[one.id]
        assert at is not None, "it would be left behind"
        assert at <= now, "the sweep would come too late"


@given(lanes(), MOMENTS)
def test_no_plan_may_be_made_before_the_sweep_looks(lane: Lane, now: datetime) -> None:
    due = lane.due()

    for one in lane.broadcasts:
        at = plan_due_at([*lane.gates, *one.gates], lane.waits_until)
        if one.phase is Phase.PLANNING and at is not None and at <= now:
            found = due[one.id]
            assert found is not None
            assert found <= now


@given(lanes())
def test_a_call_whose_driver_dies_is_adopted_when_its_lease_ends(lane: Lane) -> None:
    """Whatever stands still: its fate is not known before somebody asks."""
    due = lane.due()

    for one in lane.broadcasts:
        if one.phase is Phase.SENDING and any(batch.state is B.CALLING for batch in one.batches):
            at = due[one.id]
            assert at is not None
            assert at <= LEASE_ENDS


@given(lanes())
def test_a_batch_of_a_newer_release_is_looked_at_as_if_it_were_to_be_called(lane: Lane) -> None:
    """Except that a doubt of ours, which goes first, may keep everybody waiting."""
    known = Lane(
        [
            Broadcast(
                one.id,
                one.phase,
                one.path,
                one.gates,
                [
                    Batch(B.PLANNED if batch.state is STRANGER else batch.state, batch.not_before)
                    for batch in one.batches
                ],
            )
            for one in lane.broadcasts
        ],
        lane.gates,
        lane.waits_until,
    )

    assert lane.due() == known.due()


def test_interface_of_a_newer_release_is_looked_at_and_keeps_no_other_waiting() -> None:
    """That release may have been stopped; its doubts are not this one's to repeat first."""
    doubt = Batch(B.UNKNOWN, NOW + timedelta(hours=1))
    batches = [doubt, Batch(B.PLANNED, None)]
    theirs = Broadcast("a", Phase.SENDING, PIGEON, (), batches)
    ours = Broadcast("b", Phase.SENDING, SendPath.MASS_SEND, (), batches[1:])

    assert Lane([theirs, ours], (), None).due() == {"a": ALWAYS, "b": ALWAYS}


def _due(*batches: Batch, gates: Sequence[Gate] = ()) -> datetime | None:
    one = Broadcast("one", Phase.SENDING, SendPath.MASS_SEND, gates, batches)
    return Lane([one], (), None).due()["one"]


@pytest.mark.parametrize("kind", sorted(set(GateKind) - OPEN_BY_TIME))
def test_what_stands_behind_a_gate_costs_no_look(kind: GateKind) -> None:
    """Too early is harmless, but a lane that stands still must not be woken for ever."""
    assert _due(Batch(B.PLANNED, None), gates=[gate(kind)]) is None


def test_a_doubt_behind_a_gate_keeps_nobody_waiting() -> None:
    """Its interface has no calls left today; those of the other go on."""
    used_up = gate(
        GateKind.QUOTA, GateScope.PATH, path=SendPath.SENDALL, until=NOW + timedelta(hours=1)
    )
    doubt = Broadcast("a", Phase.SENDING, SendPath.SENDALL, (), [Batch(B.UNKNOWN, None)])
    other = Broadcast("b", Phase.SENDING, SendPath.MASS_SEND, (), [Batch(B.PLANNED, None)])

    due = Lane([doubt, other], [used_up], None).due()

    assert due == {"a": used_up.until, "b": ALWAYS}


def test_a_wait_costs_no_look_before_its_end() -> None:
    later = NOW + timedelta(hours=1)

    assert _due(Batch(B.PLANNED, later)) == later
    assert _due(Batch(B.PLANNED, None), Batch(B.UNKNOWN, later)) == later
    assert _due(Batch(B.PLANNED, None), gates=[gate(GateKind.SCHEDULE, until=later)]) == later
