"""An audit of a healthy ledger finds nothing, whatever happened to its broadcasts."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, update

from broadcast.errors import InputError, UnknownIdError
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.operator_verdict import NotSent, OperatorVerdict, Sent
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.waits import Waits
from broadcast.rules.states import BatchState
from models.engine import now
from models.every_table import Lane
from models.ledger.audit import audit_run, case
from models.ledger.lane import claims, leases, next_work, record_outcomes
from models.ledger.lane.claims import Claim
from models.ledger.lane.next_work import Kind
from models.ledger.outcomes import recorded_ends, resolves
from models.ledger.plan import plans
from models.ledger.rows import lane_rows
from models.ledger.steer import operator, retries, sweeps
from models.ledger.submit import submits
from tests.integration.models.tampering import ON_SQLITE
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

pytestmark = pytest.mark.every_database

SOON = timedelta(seconds=3)
OVER = lane_rows.LEASE + timedelta(seconds=1)
WHO = "a person"
WAITS = Waits()


def healthy(engine: Engine) -> audit_run.Audit:
    """Audit everything; nothing may be found."""
    done = audit_run.audit_all(engine, waits=WAITS)
    assert done.findings == []
    return done


def later(engine: Engine) -> None:
    """Let a repeat fall due; the lease holds, however slow this machine is."""
    ledger.pass_time(engine, timedelta(seconds=3))
    with engine.begin() as connection:
        connection.execute(update(Lane).values(leased_until=now(connection) + timedelta(hours=1)))


def replaced(driver: Driver) -> Driver:
    """Let the lease run out and another driver take the lane over."""
    ledger.pass_time(driver.engine, OVER)
    return Driver(driver.engine, owner="the next one")


@ON_SQLITE
def test_empty_database_has_nothing_to_find(engine: Engine) -> None:
    done = healthy(engine)
    assert (done.broadcasts, done.openids, done.batches, done.calls) == (0, 0, 0, 0)


@ON_SQLITE
def test_unknown_id_is_told(engine: Engine) -> None:
    with pytest.raises(UnknownIdError):
        audit_run.audit(engine, "20990101-abcdef", waits=WAITS)


def test_broadcast_is_healthy_from_its_upload_to_its_end(engine: Engine) -> None:
    text = ledger.body(size=60)
    broadcast_id = ledger.upload(engine, text, size=60)
    assert healthy(engine).broadcasts == 0
    skipped = {"malformed": (2, [(3, "x"), (4, "y")]), "duplicate": (1, [(9, "z")])}
    submits.publish(
        engine,
        broadcast_id,
        text,
        figures=ledger.figures(size=60, batches=3, **skipped),
        terms=ledger.terms(size=60, batches=3),
        quota=None,
    )
    healthy(engine)
    ledger.planned(engine, broadcast_id)
    driver = Driver(engine)
    for msg_id in (1, 2, 3):
        claim = driver.claim()
        healthy(engine)
        driver.record(claim, said(0, msg_id=msg_id))
        healthy(engine)

    done = healthy(engine)
    assert (done.broadcasts, done.openids, done.batches, done.calls) == (1, 60, 3, 3)
    assert audit_run.audit(engine, broadcast_id, waits=WAITS).findings == []


@ON_SQLITE
def test_refused_split_and_doubtful_batches_are_healthy(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=64, batches=4)
    driver = Driver(engine)
    for fact in (said(40003), said(40130), said(45065), said(0, msg_id=4), said(40003)):
        driver.call(fact)
        healthy(engine)

    there = ledger.states(engine, broadcast_id)
    assert {BatchState.SPLIT, BatchState.REFUSED, BatchState.IN_DOUBT} <= set(there)


@ON_SQLITE
def test_lost_reply_and_its_repeat_are_healthy(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(LOST)
    healthy(engine)
    later(engine)
    driver.call(said(45065, msg_id=7))

    assert healthy(engine).calls == 2
    assert ledger.batch(engine, broadcast_id).state is BatchState.ACCEPTED


@ON_SQLITE
@pytest.mark.parametrize("word", [operator.pause, operator.cancel])
def test_word_while_a_call_is_in_flight_is_healthy(engine: Engine, word: object) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    claim = driver.claim()
    assert callable(word)
    word(engine, broadcast_id, who=WHO)
    healthy(engine)
    driver.record(claim, LOST)
    healthy(engine)
    if word is operator.pause:
        operator.resume(engine, broadcast_id, who=WHO)
        later(engine)
        driver.call(said(45065, msg_id=2))
        healthy(engine)


@ON_SQLITE
def test_halt_and_what_lifts_it_are_healthy(engine: Engine) -> None:
    ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(said(48001))
    healthy(engine)
    operator.unhalt(engine, None, who=WHO)
    driver.call(said(0, msg_id=1))
    operator.halt(engine, None, who=WHO)
    ledger.pass_time(engine, timedelta(hours=1))
    assert audit_run.audit_all(engine, waits=WAITS).counts == {}
    operator.unhalt(engine, None, who=WHO)
    driver = replaced(driver)
    driver.call(said(0, msg_id=2))

    healthy(engine)


@ON_SQLITE
def test_orphan_its_repeat_and_the_late_reply_of_its_driver_are_healthy(engine: Engine) -> None:
    ledger.broadcast(engine)
    first = Driver(engine)
    orphan = first.claim()
    second = replaced(first)
    healthy(engine)
    repeat = second.claim()
    first.record(orphan, said(0, msg_id=7))
    healthy(engine)
    second.record(repeat, said(45065, msg_id=7))
    second.call(said(0, msg_id=8))

    healthy(engine)


@ON_SQLITE
def test_late_reply_that_ends_a_doubt_is_no_overlap(engine: Engine) -> None:
    """The end of an attempt is then later than the beginning of the next one."""
    ledger.broadcast(engine)
    driver = Driver(engine)
    claim = driver.claim()
    driver.record(claim, LOST)
    later(engine)
    repeat = driver.claim()
    ledger.pass_time(engine, timedelta(seconds=1))
    driver.record(claim, said(0, msg_id=7))
    driver.record(repeat, said(45065, msg_id=7))

    healthy(engine)


@ON_SQLITE
def test_contradicting_replies_are_evidence_and_no_finding(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=40, batches=4)
    driver = Driver(engine)
    driver.call(LOST)
    later(engine)
    lie = driver.claim()
    driver.record(lie, said(0, msg_id=1))
    driver.call(said(0, msg_id=2))
    driver.call(said(0, msg_id=2))

    assert ledger.batch(engine, broadcast_id, 3).state is BatchState.IN_DOUBT
    healthy(engine)


@ON_SQLITE
def test_days_of_polls_and_the_word_of_the_review_are_healthy(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    driver.call(said(0, msg_id=2))
    ledger.pass_time(engine, timedelta(hours=30))
    for batch, word in zip(
        ledger.batches(engine, broadcast_id), ["SEND_SUCCESS", "SEND_FAIL"], strict=True
    ):
        recorded_ends.record_status(engine, batch, word, waits=WAITS)

    healthy(engine)


@ON_SQLITE
def test_scheduled_paused_and_half_planned_broadcasts_are_healthy(engine: Engine) -> None:
    at = datetime.now(UTC) + timedelta(days=2)
    broadcast_id = ledger.published(engine, ledger.body(size=40, at=at), size=40, batches=4)
    operator.pause(engine, broadcast_id, who=WHO)
    ledger.pass_time(engine, timedelta(days=1))
    healthy(engine)
    ledger.pass_time(engine, timedelta(days=1, seconds=9))
    assert sweeps.launch_due(engine) == [broadcast_id]
    row = plans.to_plan(engine, broadcast_id)
    assert row is not None
    cuts = plans.cuts_of(engine, row)
    assert plans.add_batches(engine, row, ledger.account(), cuts=cuts[:2])
    assert healthy(engine).batches == 2
    operator.resume(engine, broadcast_id, who=WHO)
    healthy(engine)
    operator.cancel(engine, broadcast_id, who=WHO)

    assert healthy(engine).batches == 0


@ON_SQLITE
@pytest.mark.parametrize("seed", range(6))
def test_any_story_is_healthy_at_every_step(engine: Engine, seed: int) -> None:
    story = Story(engine, random.Random(seed))
    for _ in story.steps(28):
        healthy(engine)
        if story.one:
            assert audit_run.audit(engine, story.one, waits=WAITS).findings == []


class Story:
    """Random replies, lost ones, late ones, crashes, and people who change their minds."""

    def __init__(self, engine: Engine, dice: random.Random) -> None:
        self.engine, self.dice = engine, dice
        self.ids = [ledger.broadcast(engine, size=64, batches=4) for _ in range(2)]
        self.driver = Driver(engine)
        self.open: list[Claim] = []
        self.one = ""

    def steps(self, count: int) -> Iterator[None]:
        """Do one thing after the other."""
        acts = [self.call, self.call, self.call, self.word, self.late, self.crash, self.wait]
        for _ in range(count):
            self.dice.choice(acts)()
            self.one = self.dice.choice(["", *self.ids])
            sweeps.due(self.engine)
            sweeps.doubt_expired(self.engine)
            yield

    def fact(self, work_id: int) -> CallResult:
        """Return what a call may end as; most are accepted."""
        good = said(0, msg_id=work_id)
        return self.dice.choice(
            [
                good,
                good,
                good,
                LOST,
                said(-1),
                said(40003),
                said(40130),
                said(45009),
                said(45011),
                said(40001),
                said(48001),
                said(40007),
                said(45065),
                said(45065, msg_id=work_id),
                said(45066),
                said(0, msg_id=1),
                CallResult(outcome=Outcome.NOT_CALLED),
            ]
        )

    def call(self) -> None:
        work = self.driver.next()
        if work.kind is Kind.VERIFY:
            msg_id = next_work.reported_msg_id(self.engine, work.batch_id)
            assert msg_id is not None
            known = self.dice.random() < 0.5
            record_outcomes.confirm(self.engine, work.batch_id, msg_id, known=known)
        if work.kind is not Kind.CALL:
            return
        claim = claims.claim(self.engine, self.driver.lease, work)
        if claim is None:
            return
        if self.dice.random() < 0.8:
            fact = self.fact(work.batch_id)
            self.driver.record(claim, fact)
            if fact is LOST:
                self.open.append(claim)
            return
        self.open.append(claim)
        self.crash()

    def word(self) -> None:
        one = self.dice.choice(self.ids)
        match self.dice.randrange(8):
            case 0:
                operator.pause(self.engine, one, who=WHO)
            case 1:
                resume(self.engine, one)
            case 2 if self.dice.random() < 0.2:
                operator.cancel(self.engine, one, who=WHO)
            case 3:
                operator.halt(self.engine, None, who=WHO)
            case 4 | 5:
                msg_id = 5_000 + self.dice.randrange(1_000)
                said_so: list[OperatorVerdict] = [NotSent(), Sent(), Sent(msg_id)]
                with contextlib.suppress(InputError):
                    n = self.dice.randrange(1, 7)
                    resolves.resolve(
                        self.engine, one, n, verdict=self.dice.choice(said_so), who=WHO
                    )
            case 6:
                with contextlib.suppress(InputError):
                    retries.retry(self.engine, one, who=WHO)
            case _:
                operator.unhalt(self.engine, None, who=WHO)

    def late(self) -> None:
        """A reply comes of a call whose driver was given up."""
        if self.open:
            claim = self.open.pop(self.dice.randrange(len(self.open)))
            self.driver.record(claim, self.fact(claim.attempt_id + 1_000))

    def crash(self) -> None:
        """The driver is gone; another one comes when the lease has run out."""
        ledger.pass_time(self.engine, OVER)
        self.driver = Driver(self.engine, owner="the next one")

    def wait(self) -> None:
        if self.dice.random() < 0.5:
            leases.release(self.engine, self.driver.lease)
        ledger.pass_time(self.engine, timedelta(seconds=self.dice.choice([3, 70, 4_000, 90_000])))
        sweeps.due(self.engine)
        leases.release(self.engine, self.driver.lease)
        ledger.pass_time(self.engine, SOON)
        self.driver = Driver(self.engine, owner="the next one")


def resume(engine: Engine, broadcast_id: str) -> None:
    """Resume a broadcast, unless there is nothing to resume."""
    with contextlib.suppress(InputError):
        operator.resume(engine, broadcast_id, who=WHO)


def test_audit_beside_working_drivers_raises_no_alarm(engine: Engine) -> None:
    """Claims, records and words are committed while it reads."""
    ids = [ledger.broadcast(engine, size=80, batches=20) for _ in range(2)]
    ended = threading.Event()
    found: list[case.Finding] = []

    def look() -> None:
        while not ended.is_set():
            found.extend(audit_run.audit_all(engine, waits=WAITS).findings)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        driver = Driver(engine)
        for msg_id in range(1, 31):
            driver.call(said(0, msg_id=msg_id))
            if msg_id % 7 == 0:
                operator.pause(engine, ids[0], who=WHO)
            if msg_id % 9 == 0:
                resume(engine, ids[0])
        operator.cancel(engine, ids[1], who=WHO)
    finally:
        ended.set()
        looking.join()

    assert found == []
