"""An operator's verdict on a batch in doubt, and when a later one may take its place.

An operator looked in WeChat's console: the batch was sent, or it was not. That can be wrong, so it
may be corrected as long as nothing that WeChat answered confirms it. No clock, no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from broadcast.frozen import frozen
from broadcast.rules.calls.attempts import Attempt
from broadcast.rules.calls.decide import Decision, Policy, Verdict, decide
from broadcast.rules.calls.outcomes import SAID_ACCEPTED, Outcome
from broadcast.rules.states import SENT, STOPPED_JOB, BatchState, Reason


@dataclass(frozen=True, slots=True)
class Sent:
    """WeChat sent it: as the job *msg_id*, or (None) as one whose number nobody knows."""

    msg_id: int | None = None
    #: What mass/get has just said of that job; None: it was not asked, or did not answer.
    msg_status: str | None = None


@dataclass(frozen=True, slots=True)
class NotSent:
    """WeChat did not send it."""


OperatorVerdict = Sent | NotSent


@frozen
class BatchHistory:
    """State of a batch, and all its calls, oldest first."""

    state: BatchState
    reason: Reason | None
    msg_id: int | None
    #: What mass/get said of the msg_id; None: nothing yet.
    msg_status: str | None
    history: Sequence[Attempt]

    @property
    def is_named(self) -> bool:
        """True if a reply that nobody denied names the msg_id that the batch has."""
        return any(a.msg_id == self.msg_id and not a.denied for a in _earlier_verdict(self.history))


def named_msg_ids(history: Sequence[Attempt], *, of_another: bool = False) -> list[int]:
    """Return the msg_ids that replies named and no other batch has, whatever was denied since.

    *of_another*: those that another batch has.
    """
    mine = (a for a in _earlier_verdict(history) if a.owned_elsewhere is of_another)
    return sorted({a.msg_id for a in mine if a.msg_id is not None})


def is_named(history: Sequence[Attempt], msg_id: int) -> bool:
    """Return whether a reply named this msg_id, whatever was denied since."""
    return any(a.msg_id == msg_id for a in _earlier_verdict(history))


def _earlier_verdict(history: Sequence[Attempt]) -> Sequence[Attempt]:
    return [a for a in history if a.outcome in SAID_ACCEPTED]


def is_repeated(verdict: OperatorVerdict, stands: BatchHistory) -> bool:
    """Return whether an earlier verdict already says the same as *verdict*."""
    if isinstance(verdict, NotSent):
        said = stands.reason in {Reason.SAID_NOT_SENT, Reason.UNCONFIRMED}
        return stands.state is BatchState.REFUSED and said
    sent = stands.state in SENT and stands.reason is Reason.SAID_SENT
    # "Sent" says nothing against a msg_id that is known.
    return sent and verdict.msg_id in {None, stands.msg_id}


def corrects(verdict: OperatorVerdict, stands: BatchHistory, *, now: datetime) -> bool:
    """Return whether *verdict* may replace an earlier one, or add the msg_id to it.

    What WeChat confirmed since is no operator's verdict any more, but for the choice between two
    msg_ids that it named.
    """
    if is_repeated(verdict, stands):
        return False
    if is_repeated(NotSent(), stands):
        return True
    if rests_on_verdict(stands, now=now):
        return isinstance(verdict, NotSent) or verdict.msg_id is not None
    if isinstance(verdict, NotSent):
        return False
    if _is_sent_by_verdict(stands):
        return _renames(verdict.msg_id, stands, now=now)
    return _refused_after_denial(stands)


def rests_on_verdict(stands: BatchHistory, *, now: datetime) -> bool:
    """Return whether a batch counts as sent by an operator's verdict alone."""
    return _is_sent_by_verdict(stands) and _confirmed(stands, now) is None


def is_deniable(stands: BatchHistory, *, now: datetime) -> bool:
    """Return whether "not sent" may replace an operator's "sent".

    Not where WeChat answered a call with 0, whatever an operator said of that reply.
    """
    accepted = any(a.outcome is Outcome.ACCEPTED for a in stands.history)
    return rests_on_verdict(stands, now=now) and not accepted


def is_misnamed(stands: BatchHistory, *, now: datetime) -> bool:
    """Return whether the msg_id of a batch is an operator's alone, and may be given back."""
    confirmed = _confirmed(stands, now)
    return _is_sent_by_verdict(stands) and (confirmed is None or confirmed.msg_id is None)


def _is_sent_by_verdict(stands: BatchHistory) -> bool:
    if stands.state is BatchState.REFUSED and stands.reason in STOPPED_JOB:
        # Its review came after the verdict, of the job that an operator named.
        return not stands.is_named
    return stands.state in SENT and stands.reason is Reason.SAID_SENT


def _confirmed(stands: BatchHistory, now: datetime) -> Decision | None:
    """Return how WeChat accepted the batch, if its answers alone prove that."""
    decision = decide(stands.history, now=now, policy=Policy())
    if decision.verdict is Verdict.ACCEPT:
        return decision
    # A reply named the job, and mass/get knows it.
    proved = stands.is_named and stands.msg_status is not None
    return Decision(verdict=Verdict.ACCEPT, msg_id=stands.msg_id) if proved else None


def _renames(msg_id: int | None, stands: BatchHistory, *, now: datetime) -> bool:
    """Return whether a batch that WeChat confirmed may get this msg_id all the same."""
    confirmed = _confirmed(stands, now)
    unnamed = confirmed is not None and confirmed.msg_id is None
    return msg_id is not None and (unnamed or msg_id in named_msg_ids(stands.history))


def _refused_after_denial(stands: BatchHistory) -> bool:
    """Return whether a refused batch has a call that only an operator called not sent.

    A retry called it again, and WeChat refused that call.
    """
    reviewed = stands.reason in STOPPED_JOB
    doubted = any(a.unanswered and a.denied for a in stands.history)
    return stands.state is BatchState.REFUSED and not reviewed and doubted
