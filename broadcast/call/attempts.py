"""The facts of one call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile

from broadcast.call.outcomes import Outcome, unanswered
from broadcast.frozen import frozen


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
        """Whether no reply that can be trusted ever came."""
        return unanswered(self.outcome)

    @property
    def maybe_sent(self) -> bool:
        """Whether WeChat may have taken the batch in this attempt, for all we know."""
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
