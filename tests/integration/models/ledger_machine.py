"""Everything that can happen to a lane, in any order: drivers, facts, people, time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import Engine

from broadcast.call.outcomes import Endpoint, Outcome, of_send
from broadcast.call.result import CallResult
from broadcast.call.retry import RetryVerdict
from broadcast.call.rules import DEFAULT_RULES
from broadcast.errors import InputError
from broadcast.states import BROADCAST_AT_REST, BROADCAST_RUNNING, BatchState, BroadcastState
from models.ledger import claims, lanes, operator, records, results, retries, sweeps
from models.ledger.audit.findings import Check
from models.ledger.audit.run import audit_all
from models.ledger.reading import next_work
from models.ledger.reading.next_work import Kind, Work
from tests.integration.models.ledger_world import (
    ACCOUNT,
    BroadcastModel,
    DriverModel,
    InFlight,
    LedgerWorld,
)
from tests.integration.models.mass_send_twin import REFUSALS, Reply
from tests.integration.models.reference import WINDOW, WITH_WECHAT
from tests.integration.models.still_clock import StillClock
from tests.kit import ledger
from tests.kit.ledger import LOST

B, S = BatchState, BroadcastState
T = TypeVar("T")
WHO = "tests"
TICK = timedelta(milliseconds=1)
#: A person's words; what goes on is said more often than what ends.
WORDS = [
    "submit", "plan", "plan", "pause", "resume", "resume", "retry", "retry", "cancel", "cancel",
    "halt", "unhalt", "unhalt",
]  # fmt: skip
PASSING = [1, 3, 7, 61, 600, 3_000, 3_600, 43_200, 80_000, 90_000]
MOST_BROADCASTS = 3

#: Which of several; taken modulo their number, so that shrinking finds the first.
picks = st.integers(0, 99)
#: What a WeChat that lies may answer; msg_ids are few, so that they meet.
lies = st.builds(
    lambda errcode, msg_id: CallResult(
        outcome=of_send(Endpoint.MASS_SEND, errcode, msg_id=msg_id),
        errcode=errcode,
        msg_id=msg_id,
        errmsg="words",
    ),
    st.sampled_from([0, 0, 45065, 45065, 45066, -1, 987654, *REFUSALS]),
    st.sampled_from([None, 1, 2, 3]),
) | st.just(LOST)
#: The way to WeChat was closed: nothing left.
NOT_SENT = CallResult(outcome=Outcome.WAIT, transport="connect")


class LedgerMachine(RuleBasedStateMachine):
    """One account's lane under three drivers, people who pause and cancel, and a clock."""

    honest = True
    #: Checks of the audit that tell what WeChat said, not what was done.
    evidence: frozenset[Check] = frozenset()

    def __init__(self, engine: Engine, clock: StillClock) -> None:
        """Begin anew."""
        super().__init__()
        self.world = LedgerWorld(engine, clock)
        self.engine = engine

    @initialize()
    def first_driver(self) -> None:
        self.world.submit()
        self.acquire(0)

    def submit(self, _: BroadcastModel) -> None:
        if len(self.world.broadcasts) < MOST_BROADCASTS:
            self.world.submit()

    # --- drivers -----------------------------------------------------------------------------

    @rule(pick=picks, what=st.sampled_from(["acquire", "run_out", "run_out", "renew", "release"]))
    def lane_changes(self, pick: int, what: str) -> None:
        getattr(self, what)(pick % len(self.world.drivers))

    def acquire(self, who: int) -> None:
        world, driver = self.world, self.world.drivers[who]
        held = leases.acquire(self.engine, ACCOUNT, driver.name)
        assert (held is not None) == world.lane_is_free
        if held is not None:
            assert held.fence == world.fence + 1
            world.fence, world.leased_until = held.fence, world.now + lanes.LEASE
            driver.held, driver.work, driver.flight = held, None, None
            for batch in world.batches.values():
                # What a driver left without a fact is unknown from now on.
                batch.calling = False

    def run_out(self, who: int) -> None:
        """Let the lease of a driver who may be dead run out, and another one come."""
        self.world.clock.pass_(lanes.LEASE)
        self.acquire(who)

    def renew(self, who: int) -> None:
        world, held = self.world, self.world.drivers[who].held
        if held is not None:
            lives = held.fence == world.fence and not world.lane_is_free
            assert leases.renew(self.engine, [held]) == (set() if lives else {ACCOUNT})
            if lives:
                world.leased_until = world.now + lanes.LEASE

    def release(self, who: int) -> None:
        world, driver = self.world, self.world.drivers[who]
        if driver.held is not None and driver.flight is None:  # it leaves no call of its own
            leases.release(self.engine, driver.held)
            if driver.held.fence == world.fence:
                world.leased_until = None
            driver.held = driver.work = None

    @precondition(lambda self: self.world.idle())
    @rule(pick=picks, known=st.booleans())
    def driver_looks_or_acts_on_what_it_saw(self, pick: int, known: bool) -> None:
        """Look now, claim at some other time: much may happen in between."""
        driver = one_of(self.world.ready() or self.world.idle(), pick)
        seen, driver.work = driver.work, None
        if seen is not None:
            self._claim(driver, seen)
            return
        work = self._next(driver)
        if work.kind is Kind.VERIFY:
            self._verify(work, known=known)
        driver.work = work if work.kind is Kind.CALL else None

    def call_begins(self, pick: int) -> InFlight | None:
        """Do what a driver mostly does, up to the claim, when it is due."""
        driver = self._at_work(pick)
        work = self._next(driver)
        if work.kind is Kind.WAIT and work.until is not None:
            self.world.clock.pass_(work.until - self.world.now)
            driver = self._at_work(pick)
            work = self._next(driver)
        return self._claim(driver, work) if work.kind is Kind.CALL else None

    def _at_work(self, pick: int) -> DriverModel:
        """Return the driver who has the lane and waits for nothing; else another takes over."""
        world = self.world
        for driver in world.idle():
            mine = driver.held is not None and driver.held.fence == world.fence
            if mine and not world.lane_is_free:
                return driver
        who = pick % len(world.drivers)
        self.run_out(who)
        self.the_promise_holds()
        return world.drivers[who]

    def _next(self, driver: DriverModel) -> Work:
        assert driver.held is not None
        work = next_work.next_work(self.engine, driver.held.account)
        if work.kind in {Kind.CALL, Kind.VERIFY}:
            running = {b.id for b in self.world.broadcasts.values() if b.state in BROADCAST_RUNNING}
            doubts = {
                batch.id
                for batch in self.world.batches.values()
                if batch.was is B.UNKNOWN and batch.broadcast_id in running
            }
            assert not doubts or work.batch_id in doubts, "a doubtful batch goes before all"
            assert not self.world.halted
            assert work.broadcast_id in running
        return work

    def _verify(self, work: Work, *, known: bool) -> None:
        msg_id = self.world.batches[work.batch_id].taken[0].msg_id
        assert msg_id is not None
        assert next_work.said_msg_id(self.engine, work.batch_id) == msg_id
        # mass/get may not know a fresh msg_id yet; it never knows one that is not there.
        known = known and (not self.honest or self.world.wechat.knows(msg_id))
        records.confirm(self.engine, work.batch_id, msg_id, known=known)
        for call in self.world.batches[work.batch_id].calls:
            if call.msg_id == msg_id:
                call.confirmed = known

    def _claim(self, driver: DriverModel, work: Work) -> InFlight | None:
        world, batch = self.world, self.world.batches[work.batch_id]
        assert driver.held is not None
        forbidden = world.forbids(driver, work)
        claim = claims.claim(self.engine, driver.held, work)
        if claim is None:
            # The window may be counted from a call that was refused, which is on the safe side.
            old = batch.calls and batch.calls[0].started_at + WINDOW <= world.now
            assert forbidden or old, "nothing forbade the call"
            return None
        assert not forbidden, forbidden
        batch.begin(claim.number, world.now)
        world.leased_until = world.now + lanes.LEASE
        driver.flight = InFlight(claim=claim, batch=batch, started_at=world.now)
        world.flights.append(driver.flight)
        return driver.flight

    # --- facts -------------------------------------------------------------------------------

    @precondition(lambda self: self.world.told())
    @rule(pick=picks)
    def fact_is_told_again(self, pick: int) -> None:
        flight = one_of(self.world.told(), pick)
        self._tell(flight, one_of(flight.told, pick))

    @precondition(lambda self: self.world.uncalled())
    @rule(pick=picks, gives_back=st.booleans())
    def nothing_leaves(self, pick: int, gives_back: bool) -> None:
        """Give the claim back before the call, or find the way to WeChat closed."""
        flight = one_of(self.world.uncalled(), pick)
        call = flight.batch.calls[flight.claim.number - 1]
        flight.dead = True
        if not gives_back:
            self._tell(flight, NOT_SENT)
            return
        assert records.give_back(self.engine, flight.claim.claim) == call.learn(GIVEN_BACK)
        flight.batch.calling &= call is not flight.batch.calls[-1]
        self._landed(flight)

    def _tell(self, flight: InFlight, fact: CallResult) -> None:
        self.world.record(flight, fact)
        self._landed(flight)

    def _landed(self, flight: InFlight) -> None:
        for driver in self.world.drivers:
            driver.flight = None if driver.flight is flight else driver.flight

    # --- people ------------------------------------------------------------------------------

    @rule(pick=picks, word=st.sampled_from(WORDS))
    def person_says(self, pick: int, word: str) -> None:
        getattr(self, word)(one_of(list(self.world.broadcasts.values()), pick))

    def pause(self, broadcast: BroadcastModel) -> None:
        news = broadcast.may_pause
        assert operator.pause(self.engine, broadcast.id, who=WHO) == news
        broadcast.paused |= news

    def resume(self, broadcast: BroadcastModel) -> None:
        state = broadcast.state
        if state in BROADCAST_AT_REST - {S.PAUSED}:
            with pytest.raises(InputError):
                operator.resume(self.engine, broadcast.id, who=WHO)
            return
        assert operator.resume(self.engine, broadcast.id, who=WHO) == (state is S.PAUSED)
        broadcast.stands = broadcast.paused = False

    def plan(self, _: BroadcastModel | None = None) -> None:
        for broadcast in self.world.broadcasts.values():
            if broadcast.state is S.PLANNING:
                ledger.planned(self.engine, broadcast.id)

    def retry(self, broadcast: BroadcastModel) -> None:
        if broadcast.cancelled:
            with pytest.raises(InputError):
                retries.retry(self.engine, broadcast.id, who=WHO)
            return
        done = retries.retry(self.engine, broadcast.id, who=WHO)
        broadcast.stands &= broadcast.paused or done.goes is not retries.Goes.ON
        for batch in self.world.batches.values():
            mine = batch.broadcast_id == broadcast.id
            assert not (mine and batch.taken and batch.n in _again(done)), batch

    def cancel(self, broadcast: BroadcastModel) -> None:
        ended = broadcast.cancelled or broadcast.state in ENDED
        assert operator.cancel(self.engine, broadcast.id, who=WHO) != ended
        if not ended:
            broadcast.cancelled = broadcast.stands = True
            for batch in self.world.batches.values():
                batch.cancelled |= batch.broadcast_id == broadcast.id

    def halt(self, _: BroadcastModel | None = None) -> None:
        news = [] if self.world.halted else [ACCOUNT]
        assert operator.halt(self.engine, ACCOUNT, who=WHO) == news
        self.world.halted = True

    def unhalt(self, _: BroadcastModel | None = None) -> None:
        stood = self.world.halted or self.world.stopped
        assert operator.unhalt(self.engine, None, who=WHO) == ([ACCOUNT] if stood else [])
        self.world.halted = self.world.stopped = False

    # --- time, sweeps, polls -----------------------------------------------------------------

    @rule(seconds=st.sampled_from(PASSING), swept=st.booleans())
    def time_passes(self, seconds: int, swept: bool) -> None:
        self.world.clock.pass_(timedelta(seconds=seconds))
        if swept:
            self._sweep()

    def _sweep(self) -> None:
        world = self.world
        wakes = sweeps.due(self.engine)
        assert not wakes.lanes or world.lane_is_free
        sweeps.hold_expired(self.engine)
        world.observe()
        for batch in world.batches.values():
            ends = batch.repeat_ends()
            late = ends is not None and ends <= world.now
            assert not (late and batch.was is B.UNKNOWN), "it waits for a repeat that never comes"

    @precondition(lambda self: self.world.standing(*WITH_WECHAT))
    @rule(pick=picks, status=st.sampled_from([None, "SENDING", "SEND_SUCCESS", "SEND_FAIL"]))
    def poll(self, pick: int, status: str | None) -> None:
        batch = one_of(self.world.standing(*WITH_WECHAT), pick)
        [row] = [r for r in ledger.batches(self.engine, batch.broadcast_id) if r.id == batch.id]
        results.heard(self.engine, row, status, waits=DEFAULT_RULES.waits)
        batch.reviewed = status == "SEND_FAIL"

    # --- what must hold ----------------------------------------------------------------------

    @invariant()
    def the_promise_holds(self) -> None:
        if not self.world.broadcasts:
            return
        self.world.check(honest=self.honest)
        self.world.clock.pass_(TICK)

    def teardown(self) -> None:
        """Let everybody go on and WeChat be well: everything must come to rest, rightly."""
        if sys.exc_info()[0] is not None:
            # It broke before its end; what comes now would hide where.
            return
        self.unhalt()
        self._let_all_go_on()
        for _ in range(MOST_SLICES):
            if not self._slice():
                break
            self.the_promise_holds()
        states = {broadcast.state for broadcast in self.world.broadcasts.values()}
        assert states <= BROADCAST_AT_REST, "it never comes to rest"
        found = audit_all(self.engine, waits=DEFAULT_RULES.waits).findings
        wrong = [one for one in found if one.found.check not in self.evidence]
        assert not wrong, wrong

    def _let_all_go_on(self) -> None:
        for broadcast in self.world.broadcasts.values():
            if broadcast.state is S.PAUSED:
                operator.resume(self.engine, broadcast.id, who=WHO)
                broadcast.stands = broadcast.paused = False
        self.the_promise_holds()
        self.plan()
        self.world.clock.pass_(lanes.LEASE + TICK)
        self.the_promise_holds()

    def _slice(self) -> bool:
        """Do one thing of a lane that is well; return whether there was one."""
        world, driver = self.world, self.world.drivers[0]
        if world.lane_is_free or driver.held is None or driver.held.fence != world.fence:
            world.clock.pass_(lanes.LEASE + TICK)
            self.acquire(0)
            self.the_promise_holds()
        driver.flight = None
        work = self._next(driver)
        match work.kind:
            case Kind.REST:
                self.unhalt()
                standing = [b for b in world.broadcasts.values() if b.state is S.PAUSED]
                self._let_all_go_on()
                return bool(standing)
            case Kind.WAIT:
                assert work.until is not None
                world.clock.pass_(work.until - world.now + TICK)
            case Kind.VERIFY:
                self._verify(work, known=True)
            case Kind.CALL:
                flight = self._claim(driver, work)
                if flight is not None:
                    self.answer_well(flight)
        return True

    def answer_well(self, flight: InFlight) -> None:
        """Let WeChat take a call and tell."""
        batch, wechat = flight.batch, self.world.wechat
        flight.reply = wechat.call(
            batch.key, batch.broadcast_id, self.world.openids(batch), now=self.world.now,
            reply=Reply.TRUE,
        )  # fmt: skip
        self._tell(flight, flight.reply)


ENDED = {S.COMPLETED, S.PARTIAL, S.FAILED, S.CANCELLED}
GIVEN_BACK = CallResult(outcome=Outcome.NOT_CALLED)
MOST_SLICES = 200


def one_of(several: Sequence[T], pick: int) -> T:
    """Return one of several."""
    return several[pick % len(several)]


def _again(done: retries.Retried) -> set[int]:
    return {n for group in done.of(RetryVerdict.AGAIN) for n in group.numbers}
