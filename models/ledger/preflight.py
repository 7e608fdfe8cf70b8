"""Before a call: what keeps the lane, or one broadcast, from calling WeChat at all."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from broadcast.accounts import Account
from broadcast.call.attempts import Reason
from broadcast.call.result import CallResult
from broadcast.call.waits import Waits
from broadcast.gates import preflight
from models.engine import now
from models.ledger import lanes, stops, transitions
from models.ledger.transaction import write


def meet(engine: Engine, account: Account, fact: CallResult, *, waits: Waits) -> None:
    """Let the lane of *account* wait, or stop it, for what *fact* says."""

    def work(connection: Connection) -> None:
        lanes.know(connection, account)
        met = preflight.weigh(fact.outcome, now=now(connection), waits=waits)
        if met.until is None:
            stops.stop(
                connection, account.name, reason=met.reason, errcode=fact.errcode,
                errmsg=fact.errmsg,
            )  # fmt: skip
        else:
            lanes.wait(connection, account.name, until=met.until, reason=met.reason)

    write(engine, work)


def cannot_be_made(engine: Engine, broadcast_id: str, problem: str) -> None:
    """Pause a broadcast of which no request can be made here: no call, and no word of WeChat's."""

    def work(connection: Connection) -> None:
        transitions.pause(
            connection, broadcast_id, reason=Reason.REQUEST_NOT_MADE, errcode=None, errmsg=problem
        )

    write(engine, work)
