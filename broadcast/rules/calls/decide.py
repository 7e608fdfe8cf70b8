"""The decision about one batch from its whole history: the rule of the delivery promise.

:func:`decide` takes the whole history of attempts, never the last reply alone. Once an attempt may
have sent the batch, only a reply 0, an "already accepted" that can be about it, a matched result
or a person settles it; every later refusal is evidence, because WeChat checks quota and permission
before it looks at the clientmsgid. No clock, no I/O: *now* and the history come from the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from broadcast.frozen import frozen
from broadcast.rules.calls.attempts import Attempt, tokens_are_refused
from broadcast.rules.calls.outcomes import (
    SAID_ACCEPTED,
    SAME_KEY_RUNNING,
    SPLITTABLE,
    Endpoint,
    Outcome,
    Scope,
    scope_of,
)
from broadcast.rules.calls.waits import (
    REPEAT_WINDOW,
    UNKNOWN_TRIES,
    VERIFY_FOR,
    VERIFY_PAUSE,
    Tuning,
    Waits,
)
from broadcast.rules.plan.cut import LARGEST, SMALLEST
from broadcast.rules.states import BATCH_AT_REST, STOPPED_JOB, BatchState, Reason

#: Next state of the batch.
Verdict = StrEnum(
    "Verdict",
    [
        "ACCEPT",
        "REPEAT_UNKNOWN",  #: with its own key, at ``not_before``
        "REPEAT",  #: nothing was sent so far; called again at ``not_before``
        "VERIFY",  #: ask mass/get about ``msg_id`` before anything else
        "REFUSE",
        "SPLIT",
        "DOUBT",
    ],
)


@frozen
class Decision:
    """Next change of the ledger."""

    verdict: Verdict
    reason: Reason = Reason.NONE
    msg_id: int | None = None
    msg_data_id: int | None = None
    not_before: datetime | None = None
    #: BROADCAST: it is paused with this reason. PATH, ACCOUNT: the account's calls of this
    #: endpoint, or all of them, wait until ``not_before``, or, without one, until a person acts.
    scope: Scope = Scope.BATCH
    #: Why the lane waits, where that is not why the batch goes.
    lane_reason: Reason | None = None
    errcode: int | None = None


@frozen
class Policy:
    """Inputs of the decision beside the history."""

    waits: Waits = field(default_factory=Waits)
    #: How often this batch may still be halved.
    splits_left: int = 0
    size: int = LARGEST
    #: What its calls are made to; all of them to the same.
    endpoint: Endpoint = Endpoint.MASS_SEND

    def scope(self, last: Attempt) -> Scope:
        """Return whom the outcome of *last* concerns."""
        if last.outcome is None:
            return Scope.BATCH
        return scope_of(self.endpoint, last.outcome, last.errcode)


def decide(history: Sequence[Attempt], *, now: datetime, policy: Policy) -> Decision:
    """Decide about a batch from all its attempts, oldest first. Raises ValueError if there is none.

    The order of the rules is the promise: acceptance beats unknown, unknown beats refusal.
    """
    if not history:
        raise ValueError("a batch without an attempt has nothing to decide")
    return (
        _by_acceptance(history, now, policy)
        or _by_unknown(history, now, policy)
        or _by_refusal(history, now, policy)
    )


def _by_acceptance(history: Sequence[Attempt], now: datetime, policy: Policy) -> Decision | None:
    """Settle what WeChat said it took; None if it never said so."""
    said = [a for a in history if a.outcome in SAID_ACCEPTED and not a.denied]
    if not said:
        return None
    if any(a.owned_elsewhere for a in said):
        return Decision(verdict=Verdict.DOUBT, reason=Reason.FOREIGN_MSG_ID)
    ids = {a.msg_id for a in said if a.msg_id is not None}
    if len(ids) > 1:
        return Decision(verdict=Verdict.DOUBT, reason=Reason.TWO_MSG_IDS)
    msg_id = next(iter(ids), None)
    if any(a.outcome is Outcome.ACCEPTED for a in said) or _can_be_about_us(history, said[0]):
        data_ids = [a.msg_data_id for a in history if a.msg_data_id is not None]
        return Decision(
            verdict=Verdict.ACCEPT, msg_id=msg_id, msg_data_id=max(data_ids, default=None)
        )
    return _unproved(said, now, policy)


def _can_be_about_us(history: Sequence[Attempt], said: Attempt) -> bool:
    """Return whether an "already accepted" can be about an earlier attempt, or mass/get proved it.

    It can also be about one with the verdict "not sent", because WeChat knows better.
    """
    earlier = any(a.unanswered for a in history if a.number < said.number)
    return earlier or bool(said.confirmed)


def _unproved(said: Sequence[Attempt], now: datetime, policy: Policy) -> Decision:
    """Ask mass/get about a 45065 on a first call; what nobody can prove is in doubt.

    WeChat gave 45065 on first calls whose message went out (its own retry), and gives it also for
    another batch's job, so neither "accepted" nor "not sent" may be assumed.
    """
    first = said[0]
    asked_for = now - (first.outcome_recorded_at or first.started_at)
    if first.msg_id is None or asked_for > policy.waits.scaled(VERIFY_FOR):
        return Decision(verdict=Verdict.DOUBT, reason=Reason.UNPROVED_ACCEPTANCE)
    pause = timedelta(0) if first.confirmed is None else policy.waits.scaled(VERIFY_PAUSE)
    return Decision(verdict=Verdict.VERIFY, msg_id=first.msg_id, not_before=now + pause)


def _by_unknown(history: Sequence[Attempt], now: datetime, policy: Policy) -> Decision | None:
    """Repeat a batch that may have been sent, with its own key, inside WeChat's window."""
    doubtful = [a for a in history if a.maybe_sent]
    if not doubtful:
        return None
    last = history[-1]
    if last.outcome in _NO_USE_TO_REPEAT:
        return Decision(
            verdict=Verdict.DOUBT,
            reason=Reason.REFUSED_AFTER_UNKNOWN,
            scope=policy.scope(last),
            errcode=last.errcode,
        )
    if last.outcome is Outcome.TOKEN and tokens_are_refused(history):
        return Decision(
            verdict=Verdict.DOUBT,
            reason=Reason.REFUSED_AFTER_UNKNOWN,
            scope=Scope.ACCOUNT,
            errcode=last.errcode,
        )
    counted = [a for a in doubtful if a.errcode != SAME_KEY_RUNNING]
    if len(counted) > UNKNOWN_TRIES:
        return Decision(verdict=Verdict.DOUBT, reason=Reason.TOO_OFTEN_UNKNOWN)
    at, reason = policy.waits.after(history, now)
    scope = policy.scope(last)
    if at >= window_end(history, policy.waits):
        # What forbids the repeat may forbid the lane's other calls until then, too.
        return Decision(
            verdict=Verdict.DOUBT,
            reason=Reason.WINDOW_CLOSED,
            scope=scope,
            not_before=at,
            lane_reason=reason,
        )
    return Decision(
        verdict=Verdict.REPEAT_UNKNOWN,
        reason=reason,
        not_before=at,
        scope=scope,
        errcode=last.errcode,
    )


#: After an unknown attempt these replies say that a repeat cannot answer either.
_NO_USE_TO_REPEAT = frozenset(
    {
        Outcome.STOP_ACCOUNT,
        Outcome.STOP_BROADCAST,
        Outcome.QUOTA_MONTH,
        Outcome.BAD_RECIPIENTS,
    }
)


def window_end(history: Sequence[Attempt], at_scale: Waits) -> datetime:
    """Return from when on a batch that may have been sent may not be repeated any more.

    WeChat counts its 24 h from the call that it took, so 23 h are counted from the first one that
    it may have taken, or of which it said that it had the job, proved or not: a definite refusal
    (no calls left today) before it began nothing, and neither did a call of which a person said
    that it was not sent. Where no call may have been taken, they are counted from the earliest one
    that is left, or from the claim of a call that was not made. Raises ValueError if there is no
    attempt.
    """
    if not history:
        raise ValueError("a batch without an attempt has no window")
    called = [a for a in history if a.outcome is not Outcome.NOT_CALLED and not a.denied]
    taken = [a for a in called if a.maybe_sent or a.outcome in SAID_ACCEPTED]
    return (taken or called or history)[0].started_at + at_scale.scaled(REPEAT_WINDOW)


def _by_refusal(history: Sequence[Attempt], now: datetime, policy: Policy) -> Decision:
    """Follow the last reply: no attempt of this batch can have been sent."""
    last = history[-1]
    match last.outcome:
        case Outcome.STOP_BROADCAST:
            return Decision(
                verdict=Verdict.REFUSE,
                reason=Reason.CONTENT_REFUSED,
                scope=policy.scope(last),
                errcode=last.errcode,
            )
        case Outcome.BAD_RECIPIENTS:
            return _by_refused_recipients(history, policy)
        case Outcome.QUOTA_MONTH:
            return _stop_without_refusing(Reason.QUOTA_MONTH, policy.scope(last), last)
        case Outcome.STOP_ACCOUNT:
            return _stop_without_refusing(Reason.ACCOUNT_STOPPED, policy.scope(last), last)
        case Outcome.TOKEN if tokens_are_refused(history):
            return _stop_without_refusing(Reason.TOKEN_REFUSED, Scope.ACCOUNT, last)
    at, reason = policy.waits.after(history, now)
    return Decision(
        verdict=Verdict.REPEAT,
        reason=reason,
        not_before=at,
        scope=policy.scope(last),
        errcode=last.errcode,
    )


def _stop_without_refusing(reason: Reason, scope: Scope, last: Attempt) -> Decision:
    """Leave the batch as never sent; what *scope* names is stopped until an operator acts."""
    return Decision(verdict=Verdict.REPEAT, reason=reason, scope=scope, errcode=last.errcode)


def _by_refused_recipients(history: Sequence[Attempt], policy: Policy) -> Decision:
    last = history[-1]
    # Halves have keys of their own: if the person was wrong who took an earlier call for not sent,
    # nothing would keep them from going out a second time.
    halves_are_safe = not any(a.denied for a in history)
    halves_are_legal = policy.size >= 2 * SMALLEST and policy.splits_left > 0
    if last.errcode in SPLITTABLE and halves_are_legal and halves_are_safe:
        return Decision(
            verdict=Verdict.SPLIT, reason=Reason.RECIPIENTS_REFUSED, errcode=last.errcode
        )
    return Decision(verdict=Verdict.REFUSE, reason=Reason.RECIPIENTS_REFUSED, errcode=last.errcode)


@frozen
class Standing:
    """The state of a batch when something is learned of one of its calls."""

    state: BatchState
    reason: Reason | None
    #: OpenIDs in it; None where the list is WeChat's.
    size: int | None
    #: How often it was halved to get here.
    depth: int
    #: Its broadcast was cancelled.
    cancelled: bool
    #: As which job it counts as taken; None: nobody knows.
    msg_id: int | None = None
    #: What its calls are made to.
    endpoint: Endpoint = Endpoint.MASS_SEND


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Result of all calls of a batch, and whether the batch moves by it."""

    decision: Decision
    moves: bool


def conclude(
    history: Sequence[Attempt],
    standing: Standing,
    *,
    now: datetime,
    tuning: Tuning,
    asked: bool = False,
) -> Conclusion:
    """Decide about a batch from all its calls and its state.

    *asked*: mass/get has just answered about a msg_id of it. Raises ValueError without any call.
    """
    decision = decide(history, now=now, policy=_policy(standing, tuning))
    if asked and decision.verdict is Verdict.VERIFY:
        # Whatever was asked about: no answer of mass/get is followed by the next question at once.
        decision = replace(decision, not_before=now + tuning.waits.scaled(VERIFY_PAUSE))
    if decision.verdict is Verdict.SPLIT and standing.cancelled:
        # Its halves would never be called.
        decision = replace(decision, verdict=Verdict.REFUSE)
    if standing.state in _NEVER_SENT and _nothing_proves(decision):
        decision = Decision(verdict=Verdict.DOUBT, reason=Reason.UNPROVED_ACCEPTANCE)
    return Conclusion(decision, _moves(standing, decision, history))


def _policy(standing: Standing, tuning: Tuning) -> Policy:
    splits_left = tuning.split_depth - standing.depth
    return Policy(
        waits=tuning.waits,
        splits_left=splits_left,
        size=standing.size or 0,
        endpoint=standing.endpoint,
    )


#: They count as not sent, and nothing is asked about them any more.
_NEVER_SENT = frozenset({BatchState.REFUSED, BatchState.CANCELLED})


def _nothing_proves(decision: Decision) -> bool:
    """Return whether WeChat said "already accepted" and that may be about another batch."""
    unproved = decision.reason is Reason.UNPROVED_ACCEPTANCE
    return decision.verdict is Verdict.VERIFY or (decision.verdict is Verdict.DOUBT and unproved)


def _moves(standing: Standing, decision: Decision, history: Sequence[Attempt]) -> bool:
    """Return whether the decision changes anything now.

    While a newer attempt is in flight, only an acceptance or a contradiction is news: the newer
    attempt's own reply decides about the rest. A batch at rest is moved only by such news as well;
    it may rest there by a person's verdict, and WeChat's review comes after its acceptance. One
    that counts as not sent is not left there by an "already accepted", proved or not. The review
    of one job says nothing of another: an operator can have named the wrong one.
    """
    if standing.state is BatchState.SPLIT:
        return False
    if standing.reason in STOPPED_JOB:
        return decision.verdict is Verdict.ACCEPT and decision.msg_id not in {None, standing.msg_id}
    contradiction = decision.reason in {Reason.TWO_MSG_IDS, Reason.FOREIGN_MSG_ID}
    unproved = standing.state in _NEVER_SENT and _nothing_proves(decision)
    in_flight = history[-1].outcome is None
    if in_flight or standing.state in BATCH_AT_REST:
        return decision.verdict is Verdict.ACCEPT or contradiction or unproved
    return True
