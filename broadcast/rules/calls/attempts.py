"""Attempts: the facts of one call, as they are stored, and what several in a row show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import takewhile

from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import Outcome, Scope, unanswered


@frozen
class Attempt:
    """One call of a batch, as the ledger has it. ``outcome`` None: claimed, nothing recorded."""

    number: int
    outcome: Outcome | None
    started_at: datetime
    #: When the last word on it was stored.
    outcome_recorded_at: datetime | None = None
    errcode: int | None = None
    msg_id: int | None = None
    msg_data_id: int | None = None
    #: mass/get knows this msg_id (True), said 40059 (False), or was not asked (None).
    confirmed: bool | None = None
    #: Another batch of the account owns this msg_id.
    owned_elsewhere: bool = False
    #: Of the access_token, where that was refused.
    token_fingerprint: str | None = None
    #: A person said that WeChat did not take it, or not as the reply had it. A reply that can be
    #: trusted and comes later takes the place of that word.
    denied: bool = False

    @property
    def unanswered(self) -> bool:
        """True if no reply that can be trusted ever came."""
        return unanswered(self.outcome)

    @property
    def maybe_sent(self) -> bool:
        """True if WeChat may have taken the batch in this attempt, for all we know."""
        return self.unanswered and not self.denied


#: How often one token may be refused in a row before that is taken for more than bad luck.
SAME_TOKEN_TRIES = 5


def tokens_are_refused(history: Sequence[Attempt]) -> bool:
    """Return whether the last calls show that WeChat refuses the account, and not a token.

    That is so when it refused two tokens in a row. One that was refused again shows only that
    no process replaced it in between: the worker died just then, or Redis was away.
    """
    called = [a for a in history if a.outcome is not Outcome.NOT_CALLED]
    row = list(takewhile(lambda a: a.outcome is Outcome.TOKEN, reversed(called)))
    prints = [a.token_fingerprint for a in row]
    # Which one it was is not known of a refusal from before it was written down.
    tokens = len(set(prints) - {None}) + prints.count(None)
    return tokens > 1 or len(row) > SAME_TOKEN_TRIES


def same_in_a_row(history: Sequence[Attempt]) -> int:
    """Count how many of the last attempts ended like the last one."""
    called = [a for a in history if a.outcome is not Outcome.NOT_CALLED] or list(history)
    last, row = called[-1].outcome, 0
    for attempt in reversed(called):
        if attempt.outcome != last:
            break
        row += 1
    return row


#: Widest values of the attempts' columns. WeChat's msg_id has 32 bits and a few.
_INT32, LARGEST_MSG_ID = 2**31 - 1, 2**63 - 1
#: Characters of a batch's ``msg_status``. WeChat's longest word has 12.
LONGEST_MSG_STATUS = 32


@frozen
class CallResult:
    """Result of one call."""

    outcome: Outcome
    errcode: int | None = None
    errmsg: str | None = None
    rid: str | None = None
    msg_id: int | None = None
    msg_data_id: int | None = None
    http_status: int | None = None
    transport: str | None = None
    elapsed_ms: int | None = None
    #: Of the access_token, where that was refused.
    token_fingerprint: str | None = None


@frozen
class NoAnswer(CallResult):
    """Reason why a question (a token, quota/get, mass/get) got no answer, and whom it concerns."""

    scope: Scope

    @property
    def keeps_the_lane(self) -> bool:
        """True if the account's calls wait for it as well; else the question alone is refused."""
        return self.scope is Scope.ACCOUNT or self.outcome in {Outcome.WAIT, Outcome.THROTTLED}


def storable_status(msg_status: str) -> str:
    """Return mass/get's word as every database takes it; no other word becomes one of WeChat's."""
    plain = "".join(c if c.isascii() and c.isprintable() else "?" for c in msg_status)
    return plain[:LONGEST_MSG_STATUS]


def storable(fact: CallResult) -> CallResult:
    """Return *fact* as every database takes it.

    A reply that could not be stored would leave its attempt unknown and be asked for again and
    again. Figures that no column holds are no answer that can be trusted.
    """
    wild = abs(fact.errcode or 0) > _INT32 or not 0 <= (fact.msg_id or 0) <= LARGEST_MSG_ID
    if wild:
        fact = replace(fact, outcome=Outcome.UNKNOWN, errcode=None, msg_id=None)
    data_id = fact.msg_data_id if 0 <= (fact.msg_data_id or 0) <= LARGEST_MSG_ID else None
    return replace(
        fact, errmsg=plain_text(fact.errmsg, 512), rid=plain_text(fact.rid, 64), msg_data_id=data_id
    )


def plain_text(text: str | None, longest: int) -> str | None:
    """Return *text* without what PostgreSQL or UTF-8 refuses, cut to *longest* characters."""
    if text is None:
        return None
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")[:longest]
