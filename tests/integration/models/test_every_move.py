"""Every legal move, phase, gate, result and shown state comes of the ledger's own verbs.

Each has a story of its own. A move without a story, or a story without its move, fails: what
nothing can do does not stand in the tables, where it would only be one more thing to reckon with.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from broadcast.errors import InputError
from broadcast.names import EventKind
from broadcast.rules.gates.gate import GateKind, GateScope
from broadcast.rules.states import BATCH_MOVES, BatchState, BroadcastState, Phase
from models.engine import open_engine
from models.every_table import Base
from models.ledger.lane import record_outcomes
from tests.integration.models.move_stories import (
    BATCH_STORIES,
    GATE_STORIES,
    LEFT,
    OWN,
    PHASE_STORIES,
    RESULT_STORIES,
    SHOWN_STORIES,
    UNPROVED,
    call,
    no_splits,
    person,
    retry,
    story,
    told,
    window_closes,
)
from tests.integration.models.stage import Stage
from tests.integration.models.still_clock import StillClock
from tests.integration.models.stories import standing_gates
from tests.kit import ledger

B, S = BatchState, BroadcastState


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, StillClock]]:
    """An engine on SQLite whose clock stands still."""
    folder = tmp_path_factory.mktemp("moves")
    engine = open_engine(f"sqlite:///{folder / 'broadcast.sqlite'}")
    clock = StillClock(engine)
    Base.metadata.create_all(engine)
    yield engine, clock
    engine.dispose()


@pytest.fixture
def stage(still: tuple[Engine, StillClock]) -> Stage:
    """An empty stage."""
    ledger.empty(still[0])
    ledger.install(still[0])
    return Stage(*still)


def _named(pairs: Any) -> list[str]:
    return [f"{old or 'open'}-{new}" for old, new in pairs]


@pytest.mark.parametrize("move", BATCH_STORIES, ids=_named(BATCH_STORIES))
def test_ledger_makes_the_move(stage: Stage, move: tuple[BatchState, BatchState]) -> None:
    BATCH_STORIES[move](stage)

    assert move in {*stage.made(EventKind.BATCH_MOVE), *stage.claimed}


@pytest.mark.parametrize("move", RESULT_STORIES, ids=_named(RESULT_STORIES))
def test_broadcast_ends_so(
    stage: Stage, move: tuple[BroadcastState | None, BroadcastState]
) -> None:
    RESULT_STORIES[move](stage)

    assert move in stage.made(EventKind.ENDED)


@pytest.mark.parametrize("move", PHASE_STORIES, ids=_named(PHASE_STORIES))
def test_broadcast_goes_from_phase_to_phase(stage: Stage, move: tuple[Phase, Phase]) -> None:
    PHASE_STORIES[move](stage)

    assert move in set(zip(stage.phases, stage.phases[1:], strict=False))
    assert set(zip(stage.phases, stage.phases[1:], strict=False)) <= set(PHASE_STORIES)


SHOWN = [(state, n) for state, tales in SHOWN_STORIES.items() for n in range(len(tales))]


@pytest.mark.parametrize(("state", "n"), SHOWN, ids=[f"{state}-{n}" for state, n in SHOWN])
def test_reader_is_shown_the_state(stage: Stage, state: BroadcastState, n: int) -> None:
    SHOWN_STORIES[state][n](stage)

    assert stage.shown() is state


@pytest.mark.parametrize(
    "which", GATE_STORIES, ids=[f"{scope}-{kind}" for scope, kind in GATE_STORIES]
)
def test_gate_is_closed_and_has_its_way_out(
    stage: Stage, which: tuple[GateScope, GateKind]
) -> None:
    closes, opens = GATE_STORIES[which]
    closes(stage)
    assert which in _closed(stage)

    if opens is None:
        with pytest.raises(InputError):
            stage.resume()
        assert stage.phases[-1] is Phase.ENDED
        return
    opens(stage)

    assert which not in _closed(stage)
    if which != (OWN, GateKind.SCHEDULE):
        stage.clock.pass_(timedelta(minutes=2))
        stage.driver = None
        stage.claim()


def _closed(stage: Stage) -> set[tuple[GateScope, GateKind]]:
    return {
        (gate.scope, gate.kind)
        for gate in standing_gates(stage.engine, stage.id)
        if gate.is_closed(stage.clock.now)
    }


def test_late_word_of_mass_get_does_not_undo_a_retry(stage: Stage) -> None:
    """A driver asks about a 45065 and stands still; a person settles it meanwhile, twice."""
    story(no_splits, call(UNPROVED), window_closes, person(None), retry)(stage)
    told(call(LEFT), retry)(stage)
    batch = ledger.batch(stage.engine, stage.id)
    assert batch.state is B.PLANNED

    record_outcomes.confirm(stage.engine, batch.id, 7, known=False, tuning=stage.tuning)

    assert ledger.batch(stage.engine, stage.id).state is B.PLANNED


def test_every_legal_move_has_its_story() -> None:
    legal = {(old, new) for old, news in BATCH_MOVES.items() for new in news if new != old}

    assert legal == set(BATCH_STORIES)


def test_every_phase_can_be_reached_and_left() -> None:
    assert {new for _, new in PHASE_STORIES} == set(Phase) - {Phase.UPLOADING}
    assert {old for old, _ in PHASE_STORIES} == set(Phase)


def test_every_state_that_is_shown_has_its_story() -> None:
    """Nothing waits for a second person's approval yet."""
    assert set(SHOWN_STORIES) == set(BroadcastState) - {S.AWAITING_APPROVAL}


def test_every_kind_of_gate_has_its_story() -> None:
    assert {kind for _, kind in GATE_STORIES} == set(GateKind)
    assert {scope for scope, _ in GATE_STORIES} == set(GateScope)
