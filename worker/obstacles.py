"""What keeps WeChat from being asked at all: no token to be had, quota/get refused.

No call of a batch was made, so no batch moves; the lane waits or stands still.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, Engine

from broadcast.accounts import Account
from broadcast.attempts import Reason
from broadcast.outcomes import Outcome
from broadcast.waits import MINUTE, Waits
from models.engine import now
from models.ledger import lanes, stops
from models.ledger.records import Fact
from models.ledger.transaction import write

#: Pause before WeChat is asked again for a token or a quota.
NOT_READY = timedelta(seconds=5)

#: Outcomes that only a human can mend.
_STOPS = {
    Outcome.STOP_ACCOUNT,
    Outcome.STOP_BROADCAST,  # a request of ours that is malformed: asking again changes nothing
    Outcome.TOKEN,  # a token that WeChat has just given and does not take
    Outcome.QUOTA_MONTH,
}


def meet(engine: Engine, account: Account, fact: Fact, *, waits: Waits) -> None:
    """Let the lane of *account* wait, or stop it, for what *fact* says."""

    def work(connection: Connection) -> None:
        lanes.know(connection, account)
        moment = now(connection)
        if fact.outcome in _STOPS:
            stops.stop(
                connection, account.name, reason=Reason.ACCOUNT_STOPPED, errcode=fact.errcode,
                errmsg=fact.errmsg,
            )  # fmt: skip
        elif fact.outcome is Outcome.QUOTA_TODAY:
            until = waits.next_day(moment)
            lanes.wait(connection, account.name, until=until, reason=Reason.QUOTA_TODAY)
        else:
            throttled = fact.outcome is Outcome.THROTTLED
            pause = waits.scaled(MINUTE if throttled else NOT_READY)
            reason = Reason.THROTTLED if throttled else Reason.WECHAT_NOT_READY
            lanes.wait(connection, account.name, until=moment + pause, reason=reason)

    write(engine, work)
