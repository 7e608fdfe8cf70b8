"""Everything that can happen to a lane, in any order: drivers, facts, people, time."""

from __future__ import annotations

import sys
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.outcomes import Endpoint, Outcome, of_send
from broadcast.rules.calls.waits import DEFAULT_TUNING
from broadcast.rules.states import BatchState, BroadcastState, Phase
from models.ledger.audit.audit_run import audit_all
from models.ledger.audit.case import Check
from models.ledger.lane import claims, leases, next_work, record_outcomes
from models.ledger.lane.next_work import Kind, Work
from models.ledger.outcomes import recorded_ends
from models.ledger.rows import lane_rows
from models.ledger.steer import sweeps
from tests.integration.models.ledger_models import DriverModel, InFlight
from tests.integration.models.ledger_people import (
    PASSING,
    WORDS,
    PeopleMachine,
    one_of,
    picks,
)
from tests.integration.models.ledger_world import ACCOUNT
from tests.integration.models.mass_send_twin import REFUSALS, Reply
from tests.integration.models.reference import WINDOW, WITH_WECHAT
from tests.kit import ledger
from tests.kit.ledger import LOST

B, S = BatchState, BroadcastState
TICK = timedelta(milliseconds=1)
#: What is said while a call is under way: mostly nothing.
MEANWHILE = st.sampled_from([*[None] * len(WORDS), *WORDS])
#: A job that somebody began in WeChat's console.
CONSOLE = 2_999_999_999

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
NOT_SENT = CallResult(outcome=Outcome.WAIT, transport="refused")


class LedgerMachine(PeopleMachine):
    """One account's lane under three drivers, people who pause and cancel, and a clock."""

    honest = True
    #: Checks of the audit that tell what WeChat said, not what was done.
    evidence: frozenset[Check] = frozenset()

    @initialize()
    def first_driver(self) -> None:
        self.world.submit()
        self.acquire(0)

    def somebody_says(self, pick: int, word: str | None) -> None:
        """Let a person or WeChat say something while a call is under way."""
        if word is not None:
            getattr(self, word)(one_of(list(self.world.broadcasts.values()), pick))
            self.the_promise_holds()

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
            world.fence, world.leased_until = held.fence, world.now + lane_rows.LEASE
            driver.lease, driver.work, driver.flight = held, None, None
            for batch in world.batches.values():
                # What a driver left without a fact is unknown from now on.
                batch.calling = False

    def run_out(self, who: int) -> None:
        """Let the lease of a driver who may be dead run out, and another one come."""
        self.world.clock.pass_(lane_rows.LEASE)
        self.acquire(who)

    def renew(self, who: int) -> None:
        world, held = self.world, self.world.drivers[who].lease
        if held is not None:
            lives = held.fence == world.fence and not world.lane_is_free
            assert leases.renew(self.engine, [held]) == (set() if lives else {ACCOUNT})
            if lives:
                world.leased_until = world.now + lane_rows.LEASE

    def release(self, who: int) -> None:
        world, driver = self.world, self.world.drivers[who]
        if driver.lease is not None and driver.flight is None:  # it leaves no call of its own
            leases.release(self.engine, driver.lease)
            if driver.lease.fence == world.fence:
                world.leased_until = None
            driver.lease = driver.work = None

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

    def call_begins(self, pick: int, meanwhile: str | None = None) -> InFlight | None:
        """Do what a driver mostly does, up to the claim, when it is due.

        *meanwhile*: what is said between the look and the claim.
        """
        driver = self._at_work(pick)
        work = self._next(driver)
        if work.kind is Kind.WAIT and work.until is not None:
            self.world.clock.pass_(work.until - self.world.now)
            driver = self._at_work(pick)
            work = self._next(driver)
        if work.kind is not Kind.CALL:
            return None
        self.somebody_says(pick, meanwhile)
        return self._claim(driver, work)

    def _at_work(self, pick: int) -> DriverModel:
        """Return the driver who has the lane and waits for nothing; else another takes over."""
        world = self.world
        for driver in world.idle():
            mine = driver.lease is not None and driver.lease.fence == world.fence
            if mine and not world.lane_is_free:
                return driver
        who = pick % len(world.drivers)
        self.run_out(who)
        self.the_promise_holds()
        return world.drivers[who]

    def _next(self, driver: DriverModel) -> Work:
        assert driver.lease is not None
        work = next_work.next_work(self.engine, driver.lease.account)
        if work.kind in {Kind.CALL, Kind.VERIFY}:
            callable_ones = {
                one.id
                for one in self.world.broadcasts.values()
                if one.phase is Phase.SENDING and not self.world.forbidden_by(one)
            }
            doubts = {
                batch.id
                for batch in self.world.batches.values()
                if batch.was is B.UNKNOWN and batch.broadcast_id in callable_ones
            }
            assert not doubts or work.batch_id in doubts, "a doubtful batch goes before all"
            assert work.broadcast_id in callable_ones
        return work

    def _verify(self, work: Work, *, known: bool) -> None:
        msg_id = self.world.batches[work.batch_id].taken[0].msg_id
        assert msg_id is not None
        assert next_work.reported_msg_id(self.engine, work.batch_id) == msg_id
        # mass/get may not know a fresh msg_id yet; it never knows one that is not there.
        known = known and (not self.honest or self.world.wechat.knows(msg_id))
        record_outcomes.confirm(self.engine, work.batch_id, msg_id, known=known)
        for call in self.world.batches[work.batch_id].calls:
            if call.msg_id == msg_id:
                call.confirmed = known

    def _claim(self, driver: DriverModel, work: Work) -> InFlight | None:
        world, batch = self.world, self.world.batches[work.batch_id]
        assert driver.lease is not None
        forbidden = world.forbids(driver, work)
        claim = claims.claim(self.engine, driver.lease, work)
        if claim is None:
            # The window may be counted from a call that was refused, which is on the safe side.
            old = batch.calls and batch.calls[0].started_at + WINDOW <= world.now
            assert forbidden or old, "nothing forbade the call"
            return None
        assert not forbidden, forbidden
        batch.begin(claim.number, world.now)
        world.leased_until = world.now + lane_rows.LEASE
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
        assert record_outcomes.give_back(self.engine, flight.claim.claim) == call.learn(GIVEN_BACK)
        flight.batch.calling &= call is not flight.batch.calls[-1]
        self._landed(flight)

    def _tell(self, flight: InFlight, fact: CallResult) -> None:
        self.world.record(flight, fact)
        self._landed(flight)

    def _landed(self, flight: InFlight) -> None:
        for driver in self.world.drivers:
            driver.flight = None if driver.flight is flight else driver.flight

    # --- time, sweeps, polls -----------------------------------------------------------------

    @rule(seconds=st.sampled_from(PASSING), swept=st.booleans())
    def time_passes(self, seconds: int, swept: bool) -> None:
        self.world.clock.pass_(timedelta(seconds=seconds))
        if swept:
            self._sweep()

    def window_closes(self) -> None:
        """Let WeChat's window end, and what may have been sent be held."""
        self.world.clock.pass_(WINDOW + timedelta(hours=2))
        self._sweep()

    def _sweep(self) -> None:
        world = self.world
        world.clock.pass_(sweeps.WAKE_AGAIN + TICK)
        world.observe()
        calls, plans_due = world.next_calls(), {one.id for one in world.may_be_planned()}
        calling = world.standing(B.CALLING)
        wakes = sweeps.due(self.engine)
        assert not wakes.lanes or world.lane_is_free
        if world.lane_is_free and (calling or calls):
            # A lease that has just run out may still be being renewed.
            fresh = world.leased_until and world.now <= world.leased_until + lane_rows.GRACE
            assert wakes.lanes or (calling and fresh), "the lane is left behind"
        if all(world.stands_still(one) for one in world.broadcasts.values()) and not calling:
            assert not wakes.lanes, "a lane that stands still is woken for nothing"
        if world.lane.not_before is None or world.lane.not_before <= world.now:
            assert set(wakes.plans) == plans_due
        world.launched(sweeps.launch_due(self.engine))
        sweeps.doubt_expired(self.engine)
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
        if row.msg_id is None:
            assert row.poll_at is None, "there is nothing to ask about"
            return
        recorded_ends.record_status(self.engine, row, status, waits=DEFAULT_TUNING.waits)
        if row.msg_id not in self.world.events:
            batch.reviewed = status == "SEND_FAIL"

    @rule(pick=picks, refused=st.sampled_from([False, False, True]))
    def event_comes(self, pick: int, refused: bool) -> None:
        """Let WeChat push the end of a job: before our reply, long after it, or twice."""
        self.world.event_comes(one_of(self.ended_jobs(), pick), refused=refused)

    def ended_jobs(self) -> list[int]:
        """Return the msg_ids of which WeChat may push the end; one is its console's."""
        return [*self.world.wechat.msg_ids_taken(), CONSOLE]

    def event_overtakes(self, pick: int, msg_id: int | None) -> None:
        """Let the event of a job come before the reply that names it, now and then."""
        if msg_id is not None and not pick % 3:
            self.world.event_comes(msg_id, refused=not pick % 2)

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
        self._let_all_go_on()
        for _ in range(MOST_SLICES):
            if not self._slice():
                break
            self.the_promise_holds()
        phases = {broadcast.phase for broadcast in self.world.broadcasts.values()}
        assert phases == {Phase.ENDED}, "it never comes to rest"
        found = audit_all(self.engine, waits=DEFAULT_TUNING.waits).findings
        wrong = [one for one in found if one.found.check not in self.evidence]
        assert not wrong, wrong

    def _let_all_go_on(self) -> bool:
        """Open every gate that can be opened; return whether there was one of an open broadcast."""
        world = self.world
        stood = any(not one.ended and world.forbidden_by(one) for one in world.broadcasts.values())
        self.newer_release_opens()
        self.unhalt()
        for broadcast in world.broadcasts.values():
            if not broadcast.ended and not broadcast.cancelled:
                self.resume(broadcast)
        ends = [world.now, *world.timed()]
        world.clock.pass_(max(ends) - world.now + TICK)
        self.the_promise_holds()
        self.plan()
        world.clock.pass_(lane_rows.LEASE + TICK)
        self.the_promise_holds()
        return stood

    def _slice(self) -> bool:
        """Do one thing of a lane that is well; return whether there was one."""
        world, driver = self.world, self.world.drivers[0]
        if world.lane_is_free or driver.lease is None or driver.lease.fence != world.fence:
            world.clock.pass_(lane_rows.LEASE + TICK)
            self.acquire(0)
            self.the_promise_holds()
        driver.flight = None
        work = self._next(driver)
        match work.kind:
            case Kind.REST:
                return self._let_all_go_on()
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
            batch.key,
            batch.broadcast_id,
            self.world.openids(batch),
            now=self.world.now,
            reply=Reply.TRUE,
        )
        self._tell(flight, flight.reply)


GIVEN_BACK = CallResult(outcome=Outcome.NOT_CALLED)
MOST_SLICES = 200
