"""A small model of batches: what the promise lets a batch be, from what was ever heard of it.

It shares no rule with :mod:`broadcast.rules.calls.decide`; it says less (a set of states,
no waits), in its own words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.operator_verdict import OperatorVerdict, Sent
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.states import BatchState

B = BatchState
WINDOW = timedelta(hours=23)
TAKEN = {Outcome.ACCEPTED, Outcome.ALREADY_ACCEPTED}
DOUBTS = {None, Outcome.UNKNOWN, Outcome.UNLISTED}
ENDS = {Outcome.STOP_BROADCAST, Outcome.BAD_RECIPIENTS}
#: WeChat's job, whatever its review said later.
WITH_WECHAT = {B.ACCEPTED, B.FINISHED}


@dataclass(slots=True)
class Call:
    """One claimed call and what is known of it."""

    number: int
    started_at: datetime
    outcome: Outcome | None = None
    msg_id: int | None = None
    confirmed: bool = False
    denied: bool = False
    #: The driver said that nothing left for WeChat.
    stayed: bool = False

    def learn(self, fact: CallResult) -> bool:
        """Take in a fact; return whether it was news: the first, or a reply that ends a doubt."""
        trusted = fact.outcome not in DOUBTS | {Outcome.NOT_CALLED}
        better = trusted and self.outcome is Outcome.UNKNOWN
        if self.outcome is not None and not better:
            return False
        self.outcome, self.msg_id = fact.outcome, fact.msg_id
        away = fact.outcome is Outcome.WAIT and fact.transport == "refused"
        self.stayed = away or fact.outcome is Outcome.NOT_CALLED
        self.denied = self.denied and not trusted
        return True

    @property
    def maybe_sent(self) -> bool:
        """Whether it may have sent, and no person said that it did not."""
        return self.outcome in DOUBTS and not self.denied


@dataclass(slots=True, kw_only=True)
class BatchModel:
    """A batch as an honest clerk would keep it."""

    id: int
    n: int
    broadcast_id: str
    key: str
    size: int
    calls: list[Call] = field(default_factory=list)
    #: Where it stood when it was looked at last.
    was: BatchState = B.PLANNED
    not_before: datetime | None = None
    #: Its newest call is in flight, and its driver still has the lane.
    calling: bool = False
    #: A person said that it was sent, and under which msg_id, if under one.
    said_sent: bool = False
    said_msg_id: int | None = None
    #: A person said that it was not sent, and nothing was called since.
    said_not_sent: bool = False
    #: WeChat's review refused the job.
    reviewed: bool = False
    #: The msg_id that it has, and those of which WeChat's event says that nobody got it.
    msg_id: int | None = None
    refused_jobs: frozenset[int] = frozenset()
    #: Its broadcast was cancelled.
    cancelled: bool = False

    def begin(self, number: int, now: datetime) -> None:
        """Take in a claim."""
        assert number == len(self.calls) + 1
        self.calls.append(Call(number, now))
        self.was, self.calling, self.said_not_sent = B.CALLING, True, False

    def settle(self, verdict: OperatorVerdict, msg_id: int | None) -> None:
        """Take in a person's verdict: not sent, or sent as *msg_id*, None where nobody knows."""
        sent = isinstance(verdict, Sent)
        for call in self.calls:
            if call.outcome in TAKEN:
                call.denied = not sent or call.msg_id not in {None, msg_id}
            elif call.outcome in DOUBTS:
                call.denied = not sent
        self.said_sent, self.said_msg_id, self.said_not_sent = sent, msg_id, not sent
        self.calling = self.reviewed = False
        self.was = B.ACCEPTED if sent else B.REFUSED

    def named(self) -> set[int]:
        """Return the msg_ids that replies named, whatever a person said of them."""
        return {c.msg_id for c in self.calls if c.outcome in TAKEN and c.msg_id is not None}

    @property
    def may_change(self) -> bool:
        """Whether it waits for a call, and no call of it left."""
        return self.was is B.PLANNED and all(call.stayed for call in self.calls)

    def told(self) -> set[int]:
        """Return the msg_ids that replies named and no person denied."""
        return {call.msg_id for call in self.taken if call.msg_id is not None}

    @property
    def maybe_sent(self) -> list[Call]:
        """Calls that WeChat may have taken."""
        return [call for call in self.calls if call.maybe_sent]

    @property
    def taken(self) -> list[Call]:
        """Calls of which WeChat said that it has the job."""
        return [call for call in self.calls if call.outcome in TAKEN and not call.denied]

    def repeat_ends(self) -> datetime | None:
        """Return from when on it must not be called again; None while nothing may be sent."""
        began = [call.started_at for call in [*self.maybe_sent, *self.taken]]
        return min(began) + WINDOW if began else None

    def legal(self, others: set[int]) -> set[BatchState]:
        """Return where it may stand; *others* are msg_ids that were said of other batches."""
        if self.reviewed and not self._msg_ids() - {self.msg_id}:
            return {B.REFUSED}
        if self.reviewed:
            # A reply names another job than the refused one, and is told of it alone.
            return {B.REFUSED} | self._legal(others)
        legal = self._legal(others)
        mine = {self.msg_id, self.said_msg_id, *self._msg_ids()}
        return legal | ({B.REFUSED} if legal & WITH_WECHAT and mine & self.refused_jobs else set())

    def _legal(self, others: set[int]) -> set[BatchState]:
        if self.said_sent:
            # A contradiction that other verdicts end stays in doubt until a person has looked.
            return WITH_WECHAT | self._contradicted(others) | self._still(B.IN_DOUBT)
        if self.taken:
            return self._accepted(others)
        if self.calling:
            return {B.CALLING}
        return self._unknown() if self.maybe_sent else self._not_sent()

    def _unknown(self) -> set[BatchState]:
        return {B.IN_DOUBT} if self.cancelled else {B.UNKNOWN, B.IN_DOUBT}

    def _accepted(self, others: set[int]) -> set[BatchState]:
        if self._proved():
            doubt = self._contradicted(others)
            # A doubt that was settled by later facts stays until a person has looked at it.
            return (
                doubt
                if len(self._msg_ids()) > 1
                else WITH_WECHAT | doubt | self._still(B.IN_DOUBT if doubt else None)
            )
        # "Already accepted", and nobody knows of what: asked about, or in doubt; never the end of
        # what rests already.
        settled = WITH_WECHAT if self.was in WITH_WECHAT else set()
        in_flight = {B.CALLING} if self.calling else set()
        return (
            {B.UNKNOWN, B.IN_DOUBT}
            | settled
            | in_flight
            | self._still(
                B.REFUSED if self.said_not_sent else None, B.CANCELLED if self.cancelled else None
            )
        )

    def _proved(self) -> bool:
        first = self.taken[0]
        earlier = any(c.outcome in DOUBTS for c in self.calls if c.number < first.number)
        straight = any(call.outcome is Outcome.ACCEPTED for call in self.taken)
        return straight or earlier or first.confirmed

    def _msg_ids(self) -> set[int]:
        return {call.msg_id for call in self.taken if call.msg_id is not None}

    def _contradicted(self, others: set[int]) -> set[BatchState]:
        two, foreign = len(self._msg_ids()) > 1, self._msg_ids() & others
        return {B.IN_DOUBT} if two or foreign else set()

    def _called_off(self) -> set[BatchState]:
        """Return where a cancel leaves it: to a person's word, if only that says "not sent"."""
        if any(call.denied for call in self.calls):
            return {B.REFUSED}
        return {B.CANCELLED} | self._still(B.REFUSED)

    def _not_sent(self) -> set[BatchState]:
        """Nothing was called, every call was a definite refusal, or a person said so."""
        ended = self.said_not_sent or any(call.outcome in ENDS for call in self.calls)
        split = any(call.outcome is Outcome.BAD_RECIPIENTS for call in self.calls)
        return (
            (self._called_off() if self.cancelled else {B.PLANNED})
            | ({B.REFUSED} if ended else set())
            | ({B.SPLIT} if split else set())
            | self._still(B.IN_DOUBT if self.calls else None)
        )

    def _still(self, *states: BatchState | None) -> set[BatchState]:
        return {state for state in states if state is self.was and state is not None}
