"""Random histories of one audience: people ask out, leave and come back while it is being sent."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.plan import selection as selections
from broadcast.rules.plan.selection import Removal, Sample, seed_of
from broadcast.rules.reports import SKIPS
from broadcast.rules.states import BatchState, Phase
from broadcast.rules.suppressions import SuppressionKind, SuppressionSource
from models.engine import now
from models.ledger.lane import leases
from models.ledger.lists import recipients, suppressions
from models.ledger.plan import late_opt_outs, plans, removals, subtract
from models.ledger.rows.transaction import read
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from tests.integration.models.words import findings
from tests.kit import follows, ledger
from tests.kit.ledger import Driver, said
from tests.kit.openids import split

PEOPLE = ledger.openids(60)
WORD = SuppressionSource(kind=SuppressionKind.PERSON, who="tests")
GIVEN_BACK = CallResult(outcome=Outcome.NOT_CALLED)
#: Looks at the whole; four things happen before each.
STEPS = 8


@dataclass
class History:
    """A broadcast to sixty, in batches of six, and what is known beside the ledger."""

    engine: Engine
    dice: random.Random
    moment: datetime
    suppressed: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)
    #: Who was in a batch at the first call of it that left.
    frozen: dict[int, list[str]] = field(default_factory=dict)
    #: Who had asked out or left when that was looked for last.
    out: set[str] = field(default_factory=set)
    id: str = ""

    def some(self) -> list[str]:
        """Return a few people, often neighbours."""
        start, size = self.dice.randrange(60), self.dice.choice([1, 2, 6, 11])
        return PEOPLE[start : start + size]

    def tick(self) -> datetime:
        """Return a moment of WeChat's clock behind all others."""
        self.moment += timedelta(seconds=1)
        return self.moment

    def suppress(self) -> None:
        people = self.some()
        suppressions.suppress(self.engine, people, WORD)
        self.suppressed |= set(people)

    def lift(self) -> None:
        people = self.some()
        suppressions.lift(self.engine, people, who="tests")
        self.suppressed -= set(people)

    def leave(self) -> None:
        for one in self.some():
            follows.left(self.engine, "default", one, at=self.tick())
            self.left.add(one)

    def follow(self) -> None:
        for one in self.some():
            follows.followed(self.engine, "default", one, at=self.tick())
            self.left.discard(one)

    def plan(self, sample: Sample | None) -> None:
        """Plan it as the worker does, without those who are suppressed."""
        row = plans.to_plan(self.engine, self.id)
        assert row is not None
        late_opt_outs.begin_opt_outs(self.engine, self.id)
        out: list[Removal] = removals.removals_of(
            self.engine, "default", selections.EVERYBODY, given=removals.CallerLists()
        )
        if subtract.subtract(self.engine, row, ledger.account(), removals=out, sample=sample):
            ledger.planned(self.engine, self.id)
        self.out = set(self.suppressed)

    def resume(self) -> None:
        if broadcast_reports.report(self.engine, self.id).phase is Phase.ENDED:
            return
        operator.pause(self.engine, self.id, who="tests")
        operator.resume(self.engine, self.id, who="tests", quota=ledger.PLENTY)
        wanted = late_opt_outs.due_opt_outs(self.engine, self.id)
        if wanted is not None:
            late_opt_outs.remove(self.engine, self.id, wanted)
            self.out = self.suppressed | self.left

    def call(self) -> None:
        """Make the next call, if any may be made; some are refused, and are made again later."""
        if broadcast_reports.report(self.engine, self.id).state not in {"waiting", "sending"}:
            return
        driver = Driver(self.engine)
        work = driver.next()
        if work.kind == "call":
            people = self.people()[work.n]
            if work.n not in self.frozen:
                assert not self.out & set(people)
            # The month's quota pauses it; the batch keeps its call. A claim that is given back
            # keeps nobody.
            accepted = said(0, msg_id=1_000 + work.n)
            fact = self.dice.choice([said(45028), GIVEN_BACK, *[accepted] * 3])
            if fact is not GIVEN_BACK:
                # Whoever was called once is called again as they were.
                assert people == self.frozen.setdefault(work.n, people)
            driver.call(fact)
        leases.release(self.engine, driver.lease)

    def people(self) -> dict[int, list[str]]:
        """Return who is in each batch."""
        each = recipients.portions(self.engine, self.id, "waiting", "accepted")
        return {portion.n: list(split(portion.openids)) for portion in each}

    def adds_up(self, listed: int) -> None:
        told = broadcast_reports.report(self.engine, self.id)
        assert told.audience["read"] == listed
        planned = told.audience["planned"] or 0
        assert listed == planned + sum(told.audience[name] or 0 for name in SKIPS)
        everywhere = list(itertools.chain(*self.people().values()))
        assert len(everywhere) == len(set(everywhere))
        assert len(everywhere) == planned - (told.recipients["cancelled"] or 0)
        for batch in ledger.batches(self.engine, self.id):
            if batch.state is BatchState.ACCEPTED:
                assert self.people()[batch.n] == self.frozen[batch.n]
        assert findings(self.engine) == set()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("seed", range(6))
def test_whoever_asks_out_and_comes_back_the_sums_hold_and_no_call_changes(
    engine: Engine, seed: int
) -> None:
    dice = random.Random(seed)
    with read(engine) as connection:
        history = History(engine, dice, now(connection))
    for _ in range(3):
        dice.choice([history.suppress, history.leave])()
    history.id = ledger.published(engine, ledger.body(size=60), size=60, batches=10)
    size = dice.choice([None, "40", "50%"])
    seed_of_key = seed_of(appid="wx", key=str(seed))
    history.plan(None if size is None else Sample(size=size, seed=seed_of_key))
    steps = [history.call] * 3 + [history.resume] * 2
    steps += [history.suppress, history.lift, history.leave, history.follow]

    for _ in range(STEPS):
        for _ in range(4):
            dice.choice(steps)()
        history.adds_up(60)
