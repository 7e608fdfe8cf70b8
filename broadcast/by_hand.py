"""Calls by hand: what a person has WeChat do beside the sends, and what became of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from broadcast.call.outcomes import MAYBE_SENT, Outcome
from broadcast.frozen import frozen


class ByHand(StrEnum):
    """The calls that are written down; questions are not."""

    PREVIEW = "preview"  #: a message to one person; WeChat counts the calls of a day
    RECALL = "recall"  #: an article's page taken away
    CLEAR_QUOTA = "clear_quota"  #: calls set back to none used; WeChat counts those of a month
    SPEED = "speed"


@frozen
class HandCall:
    """One call: what it is about."""

    kind: ByHand
    who: str
    why: str | None = None
    #: To whom a preview goes, which interface is cleared, which level is set.
    target: str | None = None
    #: Of a recall: which message, of which send, and which article; None: all of them.
    broadcast_id: str | None = None
    msg_id: int | None = None
    msg_data_id: int | None = None
    article: int | None = None


@frozen
class HandResult:
    """What a call ended as; ``outcome`` NOT_CALLED: nothing left this machine."""

    outcome: Outcome
    errcode: int | None = None
    errmsg: str | None = None

    @property
    def done(self) -> bool:
        """Whether WeChat said that it did it."""
        return self.outcome is Outcome.ACCEPTED

    @property
    def maybe(self) -> bool:
        """Whether WeChat may have done it."""
        return self.outcome in MAYBE_SENT


@frozen
class Unanswered:
    """A call that WeChat may have carried out: its reply was lost, or its command was ended."""

    at: datetime
    who: str
    target: str | None


@frozen
class Recalled:
    """A recall that WeChat carried out."""

    at: datetime
    who: str
    #: None: all of them.
    article: int | None
