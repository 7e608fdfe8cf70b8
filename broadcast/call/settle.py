"""What a decision means for a batch in its present state, and whether it changes anything.

:func:`broadcast.call.decide.decide` looks at the calls alone. The batch may have moved since they
began: a person cancelled its broadcast or settled its doubt, a newer call is on its way, WeChat's
review ended its job. Here the two meet. No clock, no I/O: the ledger brings both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from broadcast.call.attempts import Attempt
from broadcast.call.decide import Decision, Policy, Verdict, decide
from broadcast.call.outcomes import Endpoint
from broadcast.call.rules import Rules
from broadcast.call.waits import VERIFY_PAUSE
from broadcast.frozen import frozen
from broadcast.reasons import STOPPED_JOB, Reason
from broadcast.states import BATCH_AT_REST, BatchState


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
class Settled:
    """What follows from all calls of a batch, and whether the batch moves by it."""

    decision: Decision
    moves: bool


def settle(
    history: Sequence[Attempt],
    standing: Standing,
    *,
    now: datetime,
    rules: Rules,
    asked: bool = False,
) -> Settled:
    """Decide about a batch from all its calls and its state.

    *asked*: mass/get has just answered about a msg_id of it. Raises ValueError without any call.
    """
    decision = decide(history, now=now, policy=_policy(standing, rules))
    if asked and decision.verdict is Verdict.VERIFY:
        # Whatever was asked about: no answer of mass/get is followed by the next question at once.
        decision = replace(decision, not_before=now + rules.waits.scaled(VERIFY_PAUSE))
    if decision.verdict is Verdict.SPLIT and standing.cancelled:
        # Its halves would never be called.
        decision = replace(decision, verdict=Verdict.REFUSE)
    if standing.state in _NEVER_SENT and _nothing_proves(decision):
        decision = Decision(verdict=Verdict.DOUBT, reason=Reason.UNPROVED_ACCEPTANCE)
    return Settled(decision, _moves(standing, decision, history))


def _policy(standing: Standing, rules: Rules) -> Policy:
    splits_left = rules.split_depth - standing.depth
    return Policy(
        waits=rules.waits, splits_left=splits_left, size=standing.size or 0,
        endpoint=standing.endpoint,
    )  # fmt: skip


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
