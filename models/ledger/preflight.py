"""WeChat could not be asked at all: the lane waits for that, or its account is stopped."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from broadcast.accounts import Account
from broadcast.call.result import CallResult
from broadcast.call.waits import Waits
from broadcast.gates import preflight
from broadcast.gates.gate import GateKind
from models.engine import now
from models.ledger import due, gates, lanes
from models.ledger.gates import Closing
from models.ledger.transaction import WORKER, write


def meet(engine: Engine, account: Account, result: CallResult, *, waits: Waits) -> bool:
    """Let the lane of *account* wait, or stop the account; return whether it waits."""

    def work(connection: Connection) -> bool:
        lanes.know(connection, account)
        lanes.hold(connection, account.name)
        met = preflight.weigh(result.outcome, now=now(connection), waits=waits)
        if met.until is None:
            stop = Closing(
                kind=GateKind.STOP, who=WORKER, reason=met.reason, errcode=result.errcode,
                errmsg=result.errmsg,
            )  # fmt: skip
            gates.close(connection, account.name, stop)
            return False
        lanes.wait(connection, account.name, until=met.until, reason=met.reason)
        due.refresh(connection, account.name)
        return True

    return write(engine, work)
