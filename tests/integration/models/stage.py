"""A broadcast of the ledger on which every move is played, by a clock that stands still."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Engine, select

from broadcast.names import EventKind
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.operator_verdict import NotSent, Sent
from broadcast.rules.calls.waits import DEFAULT_TUNING, Tuning
from broadcast.rules.drafts import Look, Marks
from broadcast.rules.plan.proof import Quota
from broadcast.rules.states import BatchState, BroadcastState, Phase
from models.every_table import BroadcastRow, Event
from models.ledger.gates import drafts
from models.ledger.lane import leases, record_outcomes
from models.ledger.lane.claims import Claim
from models.ledger.outcomes import recorded_ends, resolves
from models.ledger.rows import lane_rows
from models.ledger.steer import operator, retries, sweeps
from models.ledger.submit import submits
from models.ledger.views import broadcast_reports
from tests.integration.models.still_clock import StillClock
from tests.kit import ledger
from tests.kit.ledger import PLENTY, Driver

B = BatchState

WHO = "tests"
NO_SPLITS = Tuning(split_depth=0)
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
        self.tuning = DEFAULT_TUNING
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
            self.engine,
            self.id,
            self.body,
            figures=self.figures,
            terms=self.terms,
            quota=PLENTY,
        )

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
        self.driver = self.driver or Driver(self.engine, tuning=self.tuning)
        self.claimed.append((self.driver.next().state, B.CALLING))
        self.claims.append(self.driver.claim())
        assert ledger.states(self.engine, self.id)[B.CALLING] == 1

    def record(self, fact: CallResult, *, call: int = -1) -> None:
        """Store what a call ended as, the newest if no other is named."""
        record_outcomes.record(self.engine, self.claims[call].attempt_id, fact, tuning=self.tuning)

    def call(self, fact: CallResult) -> None:
        """Claim and record; wait before, if it must."""
        self.clock.pass_(timedelta(seconds=3))
        self.claim()
        self.record(fact)

    def sees(self, look: Look) -> None:
        """Look at the draft, which keeps the broadcast from being called."""
        assert not drafts.record_look(self.engine, self.id, look, waits=self.tuning.waits)

    def take_over(self) -> None:
        """Let the driver die and another one come."""
        self.clock.pass_(lane_rows.LEASE)
        self.driver = Driver(self.engine, owner="second", tuning=self.tuning)

    def orphan(self) -> None:
        """Make a call of which nobody ever hears."""
        self.claim()
        self.take_over()

    def window_closes(self) -> None:
        """Let WeChat forget the key."""
        self.clock.pass_(DAY)
        assert sweeps.doubt_expired(self.engine)
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
        recorded_ends.record_status(self.engine, batch, status, waits=DEFAULT_TUNING.waits)

    def another_has(self, fact: CallResult) -> None:
        """Let another broadcast's batch be accepted before."""
        other = Stage(self.engine, self.clock)
        other.begin()
        other.call(fact)
        assert other.driver is not None
        leases.release(self.engine, other.driver.lease)

    def made(self, kind: EventKind) -> list[tuple[str | None, str]]:
        """Return the moves of the broadcast, or of its batches, that the history has."""
        with self.engine.connect() as connection:
            query = select(Event.detail).where(Event.broadcast_id == self.id, Event.kind == kind)
            told = [json.loads(detail) for detail in connection.scalars(query.order_by(Event.id))]
        return [(detail["old"], detail["new"]) for detail in told]

    def shown(self) -> BroadcastState:
        """Return what a reader is shown of it."""
        return broadcast_reports.report(self.engine, self.id).state
