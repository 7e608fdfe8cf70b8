"""Driving a lane: the calls of one account, one at a time, for one slice.

The order is the promise's: token ready, a look at the draft and at the media, the limiter's slot, a
look at the audience, then the claim, which is committed before the call and reads everything that
could forbid it, then the call, then the record. What a slice leaves behind, the next one, here or
on another machine, takes up from the database.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

from sqlalchemy import Engine

from broadcast import openid
from broadcast.crashpoints import Point, failpoint
from broadcast.errors import OutOfReachError, RedisAwayError
from broadcast.frozen import frozen
from broadcast.logs import log_facts
from broadcast.rules.accounts import Account
from broadcast.rules.calls.attempts import CallResult, NoAnswer
from broadcast.rules.calls.decide import Decision, Verdict
from broadcast.rules.calls.outcomes import Outcome, Scope
from broadcast.rules.calls.waits import SendBy, Tuning, clocks
from broadcast.rules.plan.audience import Everyone, Tag
from broadcast.tokens.token_service import Token
from models.ledger.lane import claims, leases, next_work, obstacles, record_outcomes
from models.ledger.lane.claims import Claim
from models.ledger.lane.next_work import CallContent, Kind, Work
from models.ledger.lane.record_outcomes import Called
from models.ledger.plan import renewals
from worker.delivery import metrics
from worker.delivery.heartbeat import Heartbeat, KeptLease
from worker.delivery.ports import Counter, Gateway, MassCall, Pace
from worker.delivery.prefetch import Prefetch
from worker.delivery.watches import AudienceWatch, DraftWatch, MediaWatch

log = logging.getLogger(__name__)

SLICE_S = 10.0
#: A claim that could not be followed by its call within this is given back: the promise.
CALL_WITHIN_S = 0.3
#: Pause before the next request to a part that is out of reach.
AWAY_PAUSE_S = 1.0
#: How long a fact is offered to a database that is away before it is left as unknown: half the time
#: after which the broker gives this slice's message to somebody else.
RECORD_FOR_S = 300.0
#: The same from when this process is asked to end, which has a minute for it.
RECORD_AT_END_S = 20.0


@frozen
class LaneContext:
    """The parts that drive a lane."""

    engine: Engine
    account: Account
    gateway: Gateway
    pace: Pace
    counter: Counter
    heartbeat: Heartbeat
    tuning: Tuning
    owner: str
    #: Set when this process is asked to stop.
    stopping: Event

    def apply_no_answer(self, answer: NoAnswer) -> bool:
        """Make the lane wait, or stop its account; return whether it waits."""
        return obstacles.apply_no_answer(self.engine, self.account, answer, waits=self.tuning.waits)


@dataclass(slots=True, kw_only=True)
class Slice:
    """The result of one slice."""

    #: One line a call: batch number, and that of the last one, outcome, errcode, milliseconds.
    lines: list[dict[str, Any]] = field(default_factory=list)
    doubted: list[str] = field(default_factory=list)  #: Broadcasts that mass/get left in doubt.
    #: There is more to do now, or soon: wake again.
    again: bool = False
    #: Another driver has the lane.
    busy: bool = False


def drive(lane: LaneContext, *, seconds: float = SLICE_S) -> Slice:
    """Drive the lane of ``lane.account`` for about *seconds*, or until there is nothing to do."""
    done = Slice()
    try:
        acquired = leases.acquire(
            lane.engine, lane.account.name, lane.owner, breaker=lane.tuning.breaker
        )
    except OutOfReachError as error:
        log.warning("account %s: calls wait: %s", lane.account.name, error)
        lane.stopping.wait(AWAY_PAUSE_S)
        done.again = True
        return done
    if acquired is None:
        done.busy = True
        return done
    failpoint(Point.LANE_LEASED)
    with lane.heartbeat.keep(acquired) as lease:
        try:
            _Drive(lane, lease, done, until=time.monotonic() + seconds).run()
        finally:
            # Inside the heartbeat, so that no beat renews what was given back.
            _release(lane, lease)
    failpoint(Point.SLICE_ENDED)
    if lease.lost:
        # Where no thread can be started, the next slice would be as short.
        lane.stopping.wait(AWAY_PAUSE_S)
    done.again = done.again or _has_work(lane, lease)
    return done


def _release(lane: LaneContext, lease: KeptLease) -> None:
    try:
        leases.release(lane.engine, lease.acquired)
    except OutOfReachError as error:
        log.warning(
            "account %s: the lane's lease was not given back, it expires within seconds: %s",
            lane.account.name,
            error,
        )


def _has_work(lane: LaneContext, lease: KeptLease) -> bool:
    """Return whether work is left: a driver woken while this slice held the lane found it busy."""
    try:
        work = next_work.next_work(lane.engine, lease.acquired.account)
    except OutOfReachError as error:
        log.warning("account %s: the sweep looks for its next call: %s", lane.account.name, error)
        return False
    return work.kind in {Kind.CALL, Kind.VERIFY}


class _Drive:
    """One slice under way."""

    def __init__(self, lane: LaneContext, lease: KeptLease, done: Slice, *, until: float) -> None:
        self._lane = lane
        self._lease = lease
        self._done = done
        self._until = until
        self._said: dict[str, CallContent] = {}
        self._prefetch = Prefetch(self._message)
        self._audience = AudienceWatch(lane, goes_on=lambda: not self._is_stopping())
        self._drafts = DraftWatch(lane)
        self._media = MediaWatch(lane)
        #: A claim of ours may stand in the ledger without an end. Then nothing more is called here:
        #: the next driver of the lane adopts it before anything else.
        self._unsettled = False
        #: Since when the lane waits for its next call, by the monotonic clock.
        self._waits_since = time.monotonic()

    def run(self) -> None:
        """Run step after step until the slice is over; then record whether there is more."""
        with self._prefetch:
            self._done.again = self._run_slice()

    def _run_slice(self) -> bool:
        """Return whether work is left."""
        while not self._over():
            try:
                if not self._step():
                    return False
            except OutOfReachError as error:
                log.warning("account %s: calls wait: %s", self._lane.account.name, error)
                if self._unsettled:
                    break
                self._sleep(AWAY_PAUSE_S)
        return True

    def _over(self) -> bool:
        ended = time.monotonic() >= self._until and not self._audience.owes_call
        return self._is_stopping() or ended

    def _is_stopping(self) -> bool:
        return self._lease.lost or self._lane.stopping.is_set()

    def _step(self) -> bool:
        """Run the next step; return False when there is nothing left for this slice."""
        work = next_work.next_work(self._lane.engine, self._lease.acquired.account)
        match work.kind:
            case Kind.REST:
                return False
            case Kind.WAIT:
                return self._wait(work)
            case Kind.VERIFY | Kind.CALL:
                do = self._call if work.kind is Kind.CALL else self._verify
                self._with_redis(do, work)
                return True

    def _with_redis(self, do: Callable[[Work], None], work: Work) -> None:
        """Run *do*; where Redis is away before its call, store that the lane waits for it."""
        try:
            with log_facts.about(broadcast=work.broadcast_id, batch=work.n):
                do(work)
        except RedisAwayError as error:
            if self._unsettled:
                raise
            log.warning("account %s: calls wait: %s", self._lane.account.name, error)
            obstacles.wait_for_redis(self._lane.engine, self._lane.account)

    def _wait(self, work: Work) -> bool:
        """Wait inside the slice for what is due in it; leave the rest to the sweep."""
        wait_s = (work.until - work.now).total_seconds() if work.until and work.now else 0.0
        if wait_s > self._until - time.monotonic():
            return False
        self._sleep(max(wait_s, 0.0))
        return True

    def _sleep(self, seconds: float) -> None:
        self._lane.stopping.wait(max(0.0, min(seconds, self._until - time.monotonic())))

    def _verify(self, work: Work) -> None:
        """Ask mass/get about a 45065 that no attempt of ours explains."""
        msg_id = next_work.reported_msg_id(self._lane.engine, work.batch_id)
        if msg_id is None:
            raise RuntimeError(f"batch {work.batch_id} has no msg_id to verify")
        answer = self._lane.gateway.status(msg_id)
        if isinstance(answer, NoAnswer) and answer.scope is Scope.ACCOUNT:
            self._lane.apply_no_answer(answer)
            return
        known = None if isinstance(answer, NoAnswer) else answer is not None
        decision = record_outcomes.confirm(
            self._lane.engine, work.batch_id, msg_id, known=known, tuning=self._lane.tuning
        )
        if decision.verdict is Verdict.DOUBT:
            self._done.doubted.append(work.broadcast_id)

    def _call(self, work: Work) -> None:
        lane = self._lane
        token = lane.gateway.token()
        if isinstance(token, NoAnswer):
            self._lane.apply_no_answer(token)
            return
        content = self._content_of(work)
        watches = (self._drafts, self._media)
        if not all(watch.prepare_for_call(work, content) for watch in watches):
            return
        wait_s = lane.pace.take_slot()
        if wait_s > 0:
            self._sleep(wait_s)
            return
        failpoint(Point.PACE_TAKEN)
        message = self._prefetch.message(work)
        if message.problem is not None:
            log.error(
                "broadcast %s: batch %s cannot be called, the broadcast is held: %s",
                work.broadcast_id,
                work.n,
                message.problem,
            )
            obstacles.hold_unmade_call(lane.engine, work, message.problem)
            return
        # Name, TCP and TLS may take longer than a claim may be old.
        lane.gateway.warm()
        # After all that may take long: an opt-out meanwhile counts.
        if not self._audience.prepare_for_call(work):
            return
        begun = clocks()
        self._unsettled = True
        claim = claims.claim(lane.engine, self._lease.acquired, work, tuning=lane.tuning)
        if claim is None:
            self._unsettled = False
            return
        self._audience.called(work)
        metrics.LANE_WAIT_SECONDS.observe(time.monotonic() - self._waits_since)
        of = Called(batch_id=work.batch_id, account=self._lease.acquired.account)
        if self._is_counted(claim, of):
            send_by = SendBy.after(begun, moment=claim.read_at, within_s=CALL_WITHIN_S)
            message = replace(message, send_by=send_by)
            self._make(claim, work, token=token, message=message, of=of)

    def _is_counted(self, claim: Claim, of: Called) -> bool:
        """Count a claim in Redis; where that fails the claim is given back.

        Without it a database that is restored later would not be behind its calls.
        """
        counted = False
        try:
            counted = self._lane.counter.count(of.account, claim.lane_number, claim.claim)
        finally:
            if not counted:
                self._record(claim.attempt_id, CallResult(outcome=Outcome.NOT_CALLED), of=of)
        failpoint(Point.CLAIM_COUNTED)
        if not counted:
            log.warning("account %s: its calls are counted anew by the next slice", of.account)
            # The check before that says why.
            self._until = time.monotonic()
        return counted

    def _make(
        self, claim: Claim, work: Work, *, token: Token, message: MassCall, of: Called
    ) -> None:
        """Make the claimed call and record what it ended as."""
        self._prefetch.prepare_next(work)
        fact = self._send(token, message)
        if fact.outcome is Outcome.NOT_CALLED:
            # Too much may have changed since the claim was read. A commit or a connection that
            # takes this long is faulty, and a quick repeat does not help it.
            log.warning(
                "broadcast %s: batch %s was not called within %g s of its claim, called again",
                work.broadcast_id,
                work.n,
                CALL_WITHIN_S,
            )
            self._record(claim.attempt_id, fact, of=of)
            self._sleep(AWAY_PAUSE_S)
            return
        failpoint(Point.CALL_ENDED)
        decision = self._record(claim.attempt_id, fact, of=of)
        self._tell(work, claim.number, fact, decision=decision)
        with log_facts.about(attempt=claim.number, errcode=fact.errcode, rid=fact.rid):
            log.info(
                "broadcast %s: batch %s, call %s: %s",
                work.broadcast_id,
                work.n,
                claim.number,
                fact.outcome.value,
            )
        if fact.outcome is Outcome.TOKEN and (kept := self._lane.gateway.replace(token)):
            self._lane.apply_no_answer(kept)

    def _send(self, token: Token, message: MassCall) -> CallResult:
        if message.send_by is not None and message.send_by.over:
            return CallResult(outcome=Outcome.NOT_CALLED)
        fact = self._lane.gateway.send(token, message)
        if fact.outcome is Outcome.TOKEN:
            return replace(fact, token_fingerprint=token.fingerprint)
        return fact

    def _message(self, work: Work) -> MassCall:
        """Return the message of a batch, or one with the problem that keeps it from being made."""
        try:
            return self._lane.gateway.ready(self._read(work))
        except obstacles.UNREADABLE as error:
            # One bad row must not stop its account's other broadcasts.
            log.exception("broadcast %s: batch %s cannot be read", work.broadcast_id, work.n)
            problem = obstacles.problem_of(error)
            return MassCall(openids=b"", content={}, clientmsgid=work.clientmsgid, problem=problem)

    def _read(self, work: Work) -> MassCall:
        call_content = self._content_of(work)
        packed = next_work.openids(self._lane.engine, work)
        content, whom = call_content.content, call_content.audience
        if work.renewal:
            content = renewals.content_of_files(self._lane.engine, work.broadcast_id, work.renewal)
        return MassCall(
            openids=None if packed is None else openid.unpack(packed),
            filter=whom if packed is None and isinstance(whom, Tag | Everyone) else None,
            content=json.loads(content),
            clientmsgid=work.clientmsgid,
        )

    def _content_of(self, work: Work) -> CallContent:
        if work.broadcast_id not in self._said:
            self._said[work.broadcast_id] = next_work.call_content(
                self._lane.engine, work.broadcast_id
            )
        return self._said[work.broadcast_id]

    def _record(self, attempt_id: int, fact: CallResult, *, of: Called) -> Decision:
        """Store the fact, again and again while the database is away: nobody else knows it.

        What is left in the end is the log, and WeChat, which knows the batch's key when that is
        called again.
        """
        give_up, pause_s, is_ending = time.monotonic() + RECORD_FOR_S, 0.1, False
        while True:
            try:
                decision = record_outcomes.record(
                    self._lane.engine, attempt_id, fact, tuning=self._lane.tuning, of=of
                )
            except OutOfReachError as error:
                if self._lane.stopping.is_set() and not is_ending:
                    is_ending, give_up = True, min(give_up, time.monotonic() + RECORD_AT_END_S)
                if time.monotonic() > give_up:
                    log.critical(
                        "attempt %s: result %s lost (errcode %s, msg_id %s), its batch counts as "
                        "possibly sent: %s",
                        attempt_id,
                        fact.outcome,
                        fact.errcode,
                        fact.msg_id,
                        error,
                    )
                    raise
                log.warning("attempt %s: result not stored yet, tried again: %s", attempt_id, error)
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, 2.0)
            else:
                self._unsettled = False
                return decision

    def _tell(self, work: Work, number: int, fact: CallResult, *, decision: Decision) -> None:
        self._waits_since = time.monotonic()
        metrics.count_call(self._lane.account.name, fact)
        self._done.lines.append(
            {
                "broadcast": work.broadcast_id,
                "batch": work.n,
                "attempt": number,
                "outcome": fact.outcome.value,
                "errcode": fact.errcode,
                "ms": fact.elapsed_ms,
                "then": decision.verdict.value,
                "of": self._content_of(work).last_n,
            }
        )
