"""Every legal move, phase, gate, result and shown state comes of the ledger's own verbs.

Each has a story of its own. A move without a story, or a story without its move, fails: what
nothing can do does not stand in the tables, where it would only be one more thing to reckon with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from broadcast.call.operator_verdict import NotSent, Sent
from broadcast.call.outcomes import Outcome, Scope
from broadcast.call.result import CallResult, NoAnswer
from broadcast.call.rules import DEFAULT_RULES, Rules
from broadcast.drafts.mark import Mark, Marks
from broadcast.drafts.watch import Look
from broadcast.errors import InputError
from broadcast.events import EventKind
from broadcast.gates.gate import GateScope
from broadcast.gates.kinds import GateKind
from broadcast.plan import Quota
from broadcast.reasons import Reason
from broadcast.states import BATCH_MOVES, BatchState, BroadcastState, Phase
from models import Base, BroadcastRow, Event
from models.engine import open_engine
from models.ledger import (
    claims,
    drafts,
    lanes,
    leases,
    operator,
    records,
    resolves,
    results,
    retries,
    submits,
    sweeps,
    transitions,
)
from models.ledger.claims import Claim
from models.ledger.reading import held_rows, reports
from models.ledger.transaction import write
from tests.integration.models.ledger_world import empty
from tests.integration.models.still_clock import StillClock
from tests.integration.models.stories import standing_gates
from tests.kit import ledger
from tests.kit.ledger import LOST, PLENTY, Driver, said

B, S = BatchState, BroadcastState
WHO = "tests"
NO_SPLITS = Rules(split_depth=0)
DAY = timedelta(hours=24)
NO_CALLS_LEFT = Quota(daily_limit=100, used=100, remain=0)


class Stage:
    """One broadcast, one driver, and what happens to them; each word may be said to it in turn."""

    def __init__(self, engine: Engine, clock: StillClock) -> None:
        """Begin with nothing."""
        self.engine, self.clock = engine, clock
        self.id = ""
        self.claims: list[Claim] = []
        self.claimed: list[tuple[BatchState, BatchState]] = []
        self.driver: Driver | None = None
        self.rules = DEFAULT_RULES
        self.phases: list[Phase] = []

    def look(self) -> None:
        """Note in which phase the broadcast is by now."""
        with self.engine.connect() as connection:
            query = select(BroadcastRow.phase).where(BroadcastRow.id == self.id)
            phase = connection.scalar(query)
        if phase is not None and self.phases[-1:] != [phase]:
            self.phases.append(phase)

    def upload(
        self,
        *,
        batches: int = 1,
        at: timedelta | None = None,
        late_by: timedelta = 365 * DAY,
        draft: Marks | None = None,
    ) -> None:
        """Store a broadcast that nobody sees yet."""
        self.body = ledger.body(at=self.clock.now + at if at else None)
        if draft is not None:
            self.body = ledger.of_draft(self.body, draft)
        self.figures = ledger.figures(size=20, batches=batches)
        self.terms = replace(ledger.terms(batches=batches), late_by=late_by)
        self.id = ledger.upload(self.engine, self.body)

    def publish(self) -> None:
        """Flip it into sight."""
        submits.publish(
            self.engine, self.id, self.body, figures=self.figures, terms=self.terms, quota=PLENTY,
        )  # fmt: skip

    def plan(self, *, quota: Quota = PLENTY) -> None:
        """Cut it into batches and open it for calls."""
        ledger.planned(self.engine, self.id, quota=quota)

    def begin(self, *, batches: int = 1) -> None:
        """Do all that comes before the first call."""
        self.upload(batches=batches)
        self.look()
        self.publish()
        self.look()
        self.plan()

    def claim(self) -> None:
        """Claim the next call; a driver comes if there is none."""
        self.driver = self.driver or Driver(self.engine, rules=self.rules)
        self.claimed.append((self.driver.next().state, B.CALLING))
        self.claims.append(self.driver.claim())
        assert ledger.states(self.engine, self.id)[B.CALLING] == 1

    def record(self, fact: CallResult, *, call: int = -1) -> None:
        """Store what a call ended as, the newest if no other is named."""
        records.record(self.engine, self.claims[call].attempt_id, fact, rules=self.rules)

    def call(self, fact: CallResult) -> None:
        """Claim and record; wait before, if it must."""
        self.clock.pass_(timedelta(seconds=3))
        self.claim()
        self.record(fact)

    def sees(self, look: Look) -> None:
        """Look at the draft, which keeps the broadcast from being called."""
        assert not drafts.looked(self.engine, self.id, look, waits=self.rules.waits)

    def take_over(self) -> None:
        """Let the driver die and another one come."""
        self.clock.pass_(lanes.LEASE)
        self.driver = Driver(self.engine, owner="second", rules=self.rules)

    def orphan(self) -> None:
        """Make a call of which nobody ever hears."""
        self.claim()
        self.take_over()

    def window_closes(self) -> None:
        """Let WeChat forget the key."""
        self.clock.pass_(DAY)
        assert sweeps.hold_expired(self.engine)
        self.driver = None

    def in_doubt(self) -> None:
        """Make a call that nobody hears of for a day."""
        self.orphan()
        self.window_closes()

    def word(self, msg_id: int | None, *, n: int = 1) -> None:
        """Let a person say whether it was sent."""
        resolves.resolve(
            self.engine, self.id, n, verdict=NotSent() if msg_id is None else Sent(msg_id), who=WHO
        )

    def not_sent(self) -> None:
        """Let a doubt end by a person's word that it was not sent."""
        self.in_doubt()
        self.word(None)

    def again(self) -> None:
        """Put the batch back on the context after that word, with a late reply still to come."""
        self.not_sent()
        self.retry()

    def retry(self) -> None:
        """Let a person try again what was refused."""
        retries.retry(self.engine, self.id, who=WHO)

    def pause(self) -> None:
        """Let a person pause it."""
        assert operator.pause(self.engine, self.id, who=WHO)

    def resume(self) -> None:
        """Let a person resume it."""
        assert operator.resume(self.engine, self.id, who=WHO)

    def cancel(self) -> None:
        """Let a person cancel it."""
        assert operator.cancel(self.engine, self.id, who=WHO)

    def hear(self, status: str, *, n: int = 1) -> None:
        """Let mass/get tell of a batch."""
        batch = ledger.batch(self.engine, self.id, n)
        results.heard(self.engine, batch, status, waits=DEFAULT_RULES.waits)

    def another_has(self, fact: CallResult) -> None:
        """Let another broadcast's batch be accepted before."""
        other = Stage(self.engine, self.clock)
        other.begin()
        other.call(fact)
        assert other.driver is not None
        leases.release(self.engine, other.driver.held)

    def made(self, kind: EventKind) -> list[tuple[str | None, str]]:
        """Return the moves of the broadcast, or of its batches, that the history has."""
        with self.engine.connect() as connection:
            query = select(Event.detail).where(Event.broadcast_id == self.id, Event.kind == kind)
            told = [json.loads(detail) for detail in connection.scalars(query.order_by(Event.id))]
        return [(detail["old"], detail["new"]) for detail in told]

    def shown(self) -> BroadcastState:
        """Return what a reader is shown of it."""
        return reports.report(self.engine, self.id).state


Story = Callable[[Stage], Any]
OK, OTHER = said(0, msg_id=7), said(0, msg_id=8)
TOO_FAST, BLAMED, LEFT, CONTENT = said(45011), said(40003), said(43004), said(40007)
UNPROVED = said(45065, msg_id=7)


def told(*steps: Story) -> Story:
    """Return the story of these steps."""

    def tell(stage: Stage) -> None:
        for step in steps:
            step(stage)
            stage.look()

    return tell


def story(*steps: Story, batches: int = 1) -> Story:
    """Return a story that begins with a broadcast that waits for its first call."""
    return told(lambda stage: stage.begin(batches=batches), *steps)


def published(*steps: Story) -> Story:
    """Return a story that begins with a broadcast that waits for its plan."""
    return told(Stage.upload, Stage.publish, *steps)


def scheduled(*steps: Story) -> Story:
    """Return a story that begins with a broadcast whose time has not come."""
    return told(lambda stage: stage.upload(at=timedelta(hours=1)), Stage.publish, *steps)


def beside(tale: Story) -> Story:
    """Return the story after another batch got the msg_id that this one will be told."""
    return told(lambda stage: stage.another_has(OK), tale)


def call(fact: CallResult) -> Story:
    """Return the step of a whole call."""
    return lambda stage: stage.call(fact)


def late(fact: CallResult, of: int = 0) -> Story:
    """Return the step in which the reply of a call, the first if not said, arrives."""
    return lambda stage: stage.record(fact, call=of)


def heard(status: str) -> Story:
    """Return the step in which mass/get tells of the first batch."""
    return lambda stage: stage.hear(status)


def person(msg_id: int | None, n: int = 1) -> Story:
    """Return the step in which a person settles a batch."""
    return lambda stage: stage.word(msg_id, n=n)


def no_splits(stage: Stage) -> None:
    """Let no batch be halved from here on."""
    stage.rules = NO_SPLITS


def launch(stage: Stage) -> None:
    """Let the broadcast's time come."""
    stage.clock.pass_(timedelta(hours=1))
    assert sweeps.launch_due(stage.engine) == [stage.id]


def cancelled_once(stage: Stage) -> None:
    """Cancel the batch as it was done before a person's "not sent" counted in it."""
    batch_id = ledger.batch(stage.engine, stage.id).id
    write(
        stage.engine,
        lambda c: transitions.move_batch(
            c, held_rows.batch(c, batch_id), B.CANCELLED, who=WHO, reason=Reason.BY_HAND
        ),
    )
    stage.cancel()


def too_large(stage: Stage) -> None:
    """Find no calls left for it."""
    stage.plan(quota=NO_CALLS_LEFT)


def halt(stage: Stage) -> None:
    """Let a person stop the account."""
    assert operator.halt(stage.engine, None, who=WHO) == ["default"]


def unhalt(stage: Stage) -> None:
    """Let a person lift all that stops the account."""
    assert operator.unhalt(stage.engine, None, who=WHO) == ["default"]
    stage.driver = None


def missed(*steps: Story) -> Story:
    """Return a story that begins with a broadcast whose first call would come too late."""

    def begin(stage: Stage) -> None:
        stage.upload(late_by=timedelta(minutes=15))
        stage.publish()
        stage.plan()
        stage.clock.pass_(DAY)
        driver = Driver(stage.engine)
        assert claims.claim(stage.engine, driver.held, driver.next()) is None
        leases.release(stage.engine, driver.held)

    return told(begin, *steps)


def own_quotas(stage: Stage) -> None:
    """Let each interface have calls of its own."""
    stage.rules = replace(stage.rules, shared_quota=False)


def articles(*steps: Story) -> Story:
    """Return a story that begins with articles whose draft was read at the submit."""

    def begin(stage: Stage) -> None:
        stage.upload(draft=(Mark(title="submitted"),))
        stage.publish()
        stage.plan()

    return told(begin, *steps)


def look(seen: Look) -> Story:
    """Return the step of a look at the draft."""
    return lambda stage: stage.sees(seen)


def in_minutes(stage: Stage) -> None:
    """Let a look come again."""
    stage.clock.pass_(timedelta(minutes=2))


def another_day(stage: Stage) -> None:
    """Let the day turn."""
    stage.clock.pass_(DAY)
    stage.driver = None


NO_WORD = NoAnswer(outcome=Outcome.WAIT, scope=Scope.PATH, errcode=-1)
STOPS_ALL, NO_PERMISSION, USED_UP = said(40164), said(48001), said(45009)
OWN, ACCOUNT, PATH = GateScope.BROADCAST, GateScope.ACCOUNT, GateScope.PATH
claim, orphan, again, not_sent = Stage.claim, Stage.orphan, Stage.again, Stage.not_sent
in_doubt, window_closes = Stage.in_doubt, Stage.window_closes
cancel, pause, resume, retry = Stage.cancel, Stage.pause, Stage.resume, Stage.retry

BATCH_STORIES: dict[tuple[BatchState, BatchState], Story] = {
    # An acceptance that comes after a person's "not sent" and `retry` still counts.
    (B.PLANNED, B.CALLING): story(claim),
    (B.PLANNED, B.CANCELLED): story(cancel),
    (B.PLANNED, B.REFUSED): story(again, cancel),
    (B.PLANNED, B.IN_DOUBT): beside(story(again, late(OK))),
    (B.PLANNED, B.ACCEPTED): story(again, late(OK)),
    (B.PLANNED, B.UNKNOWN): story(again, late(UNPROVED)),
    (B.CALLING, B.PLANNED): story(call(TOO_FAST)),
    (B.CALLING, B.UNKNOWN): story(call(LOST)),
    (B.CALLING, B.ACCEPTED): story(call(OK)),
    (B.CALLING, B.REFUSED): story(call(CONTENT)),
    (B.CALLING, B.IN_DOUBT): story(call(LOST), call(BLAMED)),
    (B.CALLING, B.SPLIT): story(call(BLAMED)),
    (B.UNKNOWN, B.CALLING): story(call(LOST), call(LOST)),
    (B.UNKNOWN, B.ACCEPTED): story(orphan, late(OK)),
    (B.UNKNOWN, B.IN_DOUBT): story(in_doubt),
    (B.UNKNOWN, B.PLANNED): story(orphan, late(TOO_FAST)),
    (B.UNKNOWN, B.REFUSED): story(orphan, late(CONTENT)),
    (B.UNKNOWN, B.SPLIT): story(orphan, late(BLAMED)),
    (B.ACCEPTED, B.FINISHED): story(call(OK), heard("SEND_SUCCESS")),
    (B.ACCEPTED, B.REFUSED): story(call(OK), heard("SEND_FAIL")),
    (B.ACCEPTED, B.IN_DOUBT): story(orphan, call(OK), late(OTHER)),
    (B.FINISHED, B.REFUSED): story(call(OK), heard("SEND_SUCCESS"), heard("SEND_FAIL")),
    (B.FINISHED, B.IN_DOUBT): story(orphan, call(OK), heard("SEND_SUCCESS"), late(OTHER)),
    (B.REFUSED, B.PLANNED): story(again),
    (B.REFUSED, B.ACCEPTED): story(not_sent, late(OK)),
    (B.REFUSED, B.IN_DOUBT): beside(story(not_sent, late(OK))),
    # Only a cancel of an earlier version left a batch there of which a call may still be answered.
    (B.CANCELLED, B.ACCEPTED): story(again, cancelled_once, late(OK)),
    (B.CANCELLED, B.IN_DOUBT): beside(story(again, cancelled_once, late(OK))),
    (B.IN_DOUBT, B.ACCEPTED): story(in_doubt, person(7)),
    (B.IN_DOUBT, B.REFUSED): story(not_sent),
}


#: One batch accepted, one refused by a person's word.
HALF = (call(OK), in_doubt, person(None, n=2))
#: From one result to another; None: it had not ended before.
RESULT_STORIES: dict[tuple[BroadcastState | None, BroadcastState], Story] = {
    (None, S.COMPLETED): story(call(OK)),
    (None, S.PARTIAL): story(no_splits, call(OK), call(BLAMED), batches=2),
    (None, S.FAILED): story(no_splits, call(BLAMED)),
    (None, S.CANCELLED): published(cancel),
    (None, S.HELD): story(in_doubt),
    (S.HELD, S.COMPLETED): story(in_doubt, person(7)),
    (S.HELD, S.PARTIAL): story(*HALF, batches=2),
    (S.HELD, S.FAILED): story(not_sent),
    (S.COMPLETED, S.PARTIAL): story(call(OK), call(OTHER), heard("SEND_FAIL"), batches=2),
    (S.COMPLETED, S.FAILED): story(call(OK), heard("SEND_FAIL")),
    (S.COMPLETED, S.HELD): story(orphan, call(OK), late(OTHER)),
    (S.PARTIAL, S.COMPLETED): story(*HALF, late(OTHER, of=1), batches=2),
    (S.PARTIAL, S.FAILED): story(*HALF, heard("SEND_FAIL"), batches=2),
    (S.PARTIAL, S.HELD): story(*HALF, late(OK, of=1), batches=2),
    (S.FAILED, S.COMPLETED): story(not_sent, late(OK)),
    (S.FAILED, S.PARTIAL): story(not_sent, in_doubt, person(None, n=2), late(OK), batches=2),
    (S.FAILED, S.HELD): beside(story(not_sent, late(OK))),
    (S.CANCELLED, S.COMPLETED): story(again, cancelled_once, late(OK)),
    (S.CANCELLED, S.HELD): beside(story(again, cancelled_once, late(OK))),
}

#: Every way from one phase to another.
PHASE_STORIES: dict[tuple[Phase, Phase], Story] = {
    (Phase.UPLOADING, Phase.PLANNING): published(),
    (Phase.PLANNING, Phase.SENDING): story(),
    (Phase.PLANNING, Phase.ENDED): published(cancel),
    (Phase.SENDING, Phase.ENDED): story(call(OK)),
    (Phase.ENDED, Phase.SENDING): story(not_sent, retry),
}

#: What a reader is shown in the end.
SHOWN_STORIES: dict[BroadcastState, list[Story]] = {
    S.UPLOADING: [told(Stage.upload)],
    S.SCHEDULED: [scheduled(), scheduled(pause, resume)],
    S.PLANNING: [published(), scheduled(launch), published(pause, resume)],
    S.WAITING: [story(), story(pause, resume), published(too_large, resume)],
    S.SENDING: [
        story(claim), story(claim, pause, resume), story(*HALF, retry, batches=2), story(again),
        story(no_splits, call(LEFT), in_doubt, retry, batches=2),
    ],
    S.PAUSED: [
        published(pause), scheduled(pause), story(pause), story(claim, pause),
        scheduled(pause, launch), story(call(OK), call(CONTENT), batches=3),
    ],
    S.HELD: [
        published(too_large), story(in_doubt), story(orphan, pause, window_closes),
        missed(), story(halt), published(halt), story(pause, halt),
    ],
    S.COMPLETED: [story(call(OK)), story(claim, pause, late(OK))],
    S.PARTIAL: [story(call(OK), call(CONTENT), batches=2)],
    S.FAILED: [story(call(CONTENT))],
    S.CANCELLED: [
        scheduled(cancel), published(cancel), published(too_large, cancel), story(cancel),
        story(claim, cancel), story(pause, cancel), story(claim, cancel, late(OK)),
        story(claim, cancel, late(BLAMED)), story(orphan, cancel), story(halt, cancel),
        story(in_doubt, cancel), missed(cancel),
    ],
}  # fmt: skip

#: How each kind of gate is closed, and its way out; None: it is final, and ends the broadcast.
GATE_STORIES: dict[tuple[GateScope, GateKind], tuple[Story, Story | None]] = {
    (OWN, GateKind.PAUSE): (story(pause), resume),
    (OWN, GateKind.BREAKER): (story(call(CONTENT), batches=2), resume),
    (OWN, GateKind.HOLD): (missed(), resume),
    (OWN, GateKind.DRAFT): (articles(look((Mark(title="edited"),))), resume),
    (OWN, GateKind.LOOK): (articles(look(NO_WORD)), in_minutes),
    (OWN, GateKind.CANCEL): (story(cancel), None),
    (OWN, GateKind.SCHEDULE): (scheduled(), launch),
    (ACCOUNT, GateKind.HALT): (story(halt), unhalt),
    (ACCOUNT, GateKind.BREAKER): (story(*(in_doubt,) * 3, batches=4), unhalt),
    (ACCOUNT, GateKind.STOP): (story(call(STOPS_ALL)), unhalt),
    (PATH, GateKind.STOP): (story(call(NO_PERMISSION)), unhalt),
    (PATH, GateKind.QUOTA): (story(own_quotas, call(USED_UP)), another_day),
}


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
    empty(still[0])
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

    records.confirm(stage.engine, batch.id, 7, known=False, rules=stage.rules)

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
