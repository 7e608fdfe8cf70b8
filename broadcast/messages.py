"""The messages that an account may send, which are not its calls (WeChat page Batch_Sends)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from broadcast import day
from broadcast.accounts import AccountKind
from broadcast.frozen import frozen


@frozen
class Allowance:
    """How many of WeChat's own sends there are, and in what time."""

    most: int
    #: In one month by Shanghai's calendar; else in one day.
    a_month: bool
    #: Sends to a tag count as well as those to everybody.
    tags_count: bool

    def begins(self, moment: datetime) -> datetime:
        """Return when the day or month began in which *moment* lies."""
        return day.month_start(moment) if self.a_month else day.start(moment)

    def ends(self, moment: datetime) -> datetime:
        """Return from when there are new ones."""
        return day.month_turn(moment) if self.a_month else day.turn(moment)


#: A service account's sends to OpenIDs and tags are limited per follower, by WeChat's filter.
ALLOWANCES: Final = {
    AccountKind.SERVICE: Allowance(most=4, a_month=True, tags_count=False),
    AccountKind.SUBSCRIPTION: Allowance(most=1, a_month=False, tags_count=True),
}
