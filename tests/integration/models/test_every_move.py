"""Every legal move of the tables is made by the ledger's own verbs, each in a story of its own.

A move without a story, or a story without its move, fails: what nothing can do does not stand in
the tables, where it would only be one more thing to reckon with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select

from broadcast.call.attempts import Reason
from broadcast.call.result import CallResult
from broadcast.call.rules import DEFAULT_RULES, Rules
from broadcast.events import EventKind
from broadcast.plan import Quota, submission
from broadcast.states import BATCH_MOVES, BROADCAST_MOVES, BatchState, BroadcastState
from models import Base, Event
from models.engine import open_engine
from models.ledger import (
    lanes,
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
from tests.integration.models.ledger_world import empty
from tests.integration.models.still_clock import StillClock
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

    def upload(self, *, batches: int = 1, at: timedelta | None = None) -> None:
        """Store a broadcast that nobody sees yet."""
        self.body = ledger.body(at=self.clock.now + at if at else None)
        self.figures = ledger.figures(size=20, batches=batches)
        self.id = ledger.upload(self.engine, self.body, batches=batches)

    def publish(self) -> None:
        """Flip it into sight."""
        submits.publish(
            self.engine, self.id, self.body, figures=self.figures,
            terms=submission.Terms(who=WHO, again=True), quota=PLENTY,
        )  # fmt: skip

    def plan(self, *, quota: Quota = PLENTY) -> None:
        """Cut it into batches and open it for calls."""
        ledger.planned(self.engine, self.id, quota=quota)

    def begin(self, *, batches: int = 1) -> None:
        """Do all that comes before the first call."""
        self.upload(batches=batches)
        self.publish()
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
        resolves.resolve(self.engine, self.id, n, msg_id=msg_id, who=WHO)

    def not_sent(self) -> None:
        """Let a doubt end by a person's word that it was not sent."""
        self.in_doubt()
        self.word(None)

    def again(self) -> None:
        """Put the batch back on the road after that word, with a late reply still to come."""
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

    def made(self, kind: EventKind) -> set[tuple[str, str]]:
        """Return the moves of the broadcast, or of its batches, that the history has."""
        with self.engine.connect() as connection:
            query = select(Event.detail).where(Event.broadcast_id == self.id, Event.kind == kind)
            told = [json.loads(detail) for detail in connection.scalars(query)]
        return {(detail["old"], detail["new"]) for detail in told}


Story = Callable[[Stage], Any]
OK, OTHER = said(0, msg_id=7), said(0, msg_id=8)
TOO_FAST, BLAMED, LEFT, CONTENT = said(45011), said(40003), said(43004), said(40007)
UNPROVED = said(45065, msg_id=7)


def told(*steps: Story) -> Story:
    """Return the story of these steps."""

    def tell(stage: Stage) -> None:
        for step in steps:
            step(stage)

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
    batch = ledger.batch(stage.engine, stage.id)
    with stage.engine.begin() as connection:
        transitions.move_batch(connection, batch, B.CANCELLED, who=WHO, reason=Reason.BY_HAND)
    stage.cancel()


def too_large(stage: Stage) -> None:
    """Find no calls left for it."""
    stage.plan(quota=NO_CALLS_LEFT)


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
BROADCAST_STORIES: dict[tuple[BroadcastState, BroadcastState], Story] = {
    (S.UPLOADING, S.SCHEDULED): scheduled(),
    (S.UPLOADING, S.PLANNING): published(),
    (S.SCHEDULED, S.PLANNING): scheduled(launch),
    (S.SCHEDULED, S.CANCELLED): scheduled(cancel),
    (S.SCHEDULED, S.PAUSED): scheduled(pause),
    (S.PLANNING, S.WAITING): story(),
    (S.PLANNING, S.HELD): published(too_large),
    (S.PLANNING, S.CANCELLED): published(cancel),
    (S.PLANNING, S.PAUSED): published(pause),
    (S.WAITING, S.SENDING): story(claim),
    (S.WAITING, S.PAUSED): story(pause),
    (S.WAITING, S.CANCELLED): story(cancel),
    (S.SENDING, S.PAUSED): story(claim, pause),
    (S.SENDING, S.COMPLETED): story(call(OK)),
    (S.SENDING, S.PARTIAL): story(no_splits, call(OK), call(BLAMED), batches=2),
    (S.SENDING, S.FAILED): story(no_splits, call(BLAMED)),
    (S.SENDING, S.CANCELLED): story(claim, cancel),
    (S.SENDING, S.HELD): story(in_doubt),
    (S.PAUSED, S.PLANNING): story(pause, resume),
    (S.PAUSED, S.SENDING): story(claim, pause, resume),
    (S.PAUSED, S.SCHEDULED): scheduled(pause, resume),
    (S.PAUSED, S.COMPLETED): story(claim, pause, late(OK)),
    (S.PAUSED, S.PARTIAL): story(call(OK), call(CONTENT), batches=2),
    (S.PAUSED, S.FAILED): story(call(CONTENT)),
    (S.PAUSED, S.CANCELLED): story(pause, cancel),
    (S.PAUSED, S.HELD): story(orphan, pause, window_closes),
    (S.HELD, S.PLANNING): published(too_large, resume),
    (S.HELD, S.SENDING): story(no_splits, call(LEFT), in_doubt, retry, batches=2),
    (S.HELD, S.COMPLETED): story(in_doubt, person(7)),
    (S.HELD, S.PARTIAL): story(*HALF, batches=2),
    (S.HELD, S.FAILED): story(not_sent),
    (S.HELD, S.CANCELLED): published(too_large, cancel),
    (S.COMPLETED, S.PARTIAL): story(call(OK), call(OTHER), heard("SEND_FAIL"), batches=2),
    (S.COMPLETED, S.FAILED): story(call(OK), heard("SEND_FAIL")),
    (S.COMPLETED, S.HELD): story(orphan, call(OK), late(OTHER)),
    (S.PARTIAL, S.COMPLETED): story(*HALF, late(OTHER, of=1), batches=2),
    (S.PARTIAL, S.FAILED): story(*HALF, heard("SEND_FAIL"), batches=2),
    (S.PARTIAL, S.HELD): story(*HALF, late(OK, of=1), batches=2),
    (S.PARTIAL, S.SENDING): story(*HALF, retry, batches=2),
    (S.FAILED, S.COMPLETED): story(not_sent, late(OK)),
    (S.FAILED, S.PARTIAL): story(not_sent, in_doubt, person(None, n=2), late(OK), batches=2),
    (S.FAILED, S.HELD): beside(story(not_sent, late(OK))),
    (S.FAILED, S.SENDING): story(again),
    (S.CANCELLED, S.COMPLETED): story(claim, cancel, late(OK)),
    (S.CANCELLED, S.PARTIAL): story(call(OK), claim, cancel, late(BLAMED, of=-1), batches=2),
    (S.CANCELLED, S.FAILED): story(claim, cancel, late(BLAMED)),
    (S.CANCELLED, S.HELD): story(orphan, cancel),
}

MOVES = [
    *((BATCH_STORIES, EventKind.BATCH_MOVE, move) for move in BATCH_STORIES),
    *((BROADCAST_STORIES, EventKind.BROADCAST_MOVE, move) for move in BROADCAST_STORIES),
]


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


@pytest.mark.parametrize(
    ("stories", "kind", "move"), MOVES, ids=[f"{old}-{new}" for _, _, (old, new) in MOVES]
)
def test_ledger_makes_the_move(stage: Stage, stories: Any, kind: EventKind, move: Any) -> None:
    stories[move](stage)

    claimed = stage.claimed if kind is EventKind.BATCH_MOVE else []
    assert move in {*stage.made(kind), *claimed}


def test_late_word_of_mass_get_does_not_undo_a_retry(stage: Stage) -> None:
    """A driver asks about a 45065 and stands still; a person settles it meanwhile, twice."""
    story(no_splits, call(UNPROVED), window_closes, person(None), retry)(stage)
    told(call(LEFT), retry)(stage)
    batch = ledger.batch(stage.engine, stage.id)
    assert batch.state is B.PLANNED

    records.confirm(stage.engine, batch.id, 7, known=False, rules=stage.rules)

    assert ledger.batch(stage.engine, stage.id).state is B.PLANNED


@pytest.mark.parametrize(
    ("moves", "stories"),
    [(BATCH_MOVES, BATCH_STORIES), (BROADCAST_MOVES, BROADCAST_STORIES)],
    ids=["batch", "broadcast"],
)
def test_every_legal_move_has_its_story(moves: Any, stories: Any) -> None:
    legal = {(old, new) for old, news in moves.items() for new in news if new != old}

    assert legal == set(stories)
