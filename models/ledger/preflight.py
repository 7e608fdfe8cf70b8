"""Before a call: what keeps the lane, or one broadcast, from calling WeChat at all."""

from __future__ import annotations

from sqlalchemy import Connection, Engine

from broadcast.accounts import Account
from broadcast.call import preflight
from broadcast.call.result import NoAnswer
from broadcast.call.waits import Waits
from broadcast.gates.kinds import GateKind
from broadcast.reasons import Reason
from models.engine import now
from models.ledger import due, gates, lanes
from models.ledger.command import run
from models.ledger.gates import Closing
from models.ledger.rows import HeldBroadcast
from models.ledger.transaction import WORKER, write


def meet(engine: Engine, account: Account, result: NoAnswer, *, waits: Waits) -> bool:
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


def wait_for_redis(engine: Engine, account: Account) -> None:
    """Let the lane of *account* wait because Redis gives neither token nor pace."""

    def work(connection: Connection) -> None:
        lanes.know(connection, account)
        lanes.hold(connection, account.name)
        until = now(connection) + preflight.REDIS_AWAY
        lanes.wait(connection, account.name, until=until, reason=Reason.REDIS_AWAY)
        due.refresh(connection, account.name)

    write(engine, work)


def cannot_be_made(engine: Engine, broadcast_id: str, problem: str) -> None:
    """Hold a broadcast of which no request can be made here: no call, and no word of WeChat's."""

    def work(connection: Connection, broadcast: HeldBroadcast) -> None:
        held = Closing(
            kind=GateKind.HOLD, who=WORKER, broadcast_id=broadcast_id,
            reason=Reason.REQUEST_NOT_MADE, errmsg=problem,
        )  # fmt: skip
        gates.close(connection, broadcast.account, held)

    run(engine, broadcast_id, work)
