"""Before a call: what keeps the lane, or one broadcast, from calling WeChat at all."""

from __future__ import annotations

from sqlalchemy import Connection, Engine, select

from broadcast.accounts import Account
from broadcast.call import preflight
from broadcast.call.result import NoAnswer
from broadcast.call.waits import Waits
from broadcast.gates.kinds import GateKind
from broadcast.reasons import Reason
from broadcast.states import Phase
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger import due, gates, lanes, records
from models.ledger.gates import Closing
from models.ledger.reading.next_work import Work
from models.ledger.transaction import WORKER, write

#: What is raised where a row holds what nobody can read: bad JSON, no such kind, a gap in a list.
UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def problem_of(error: Exception) -> str:
    """Return in one line what could not be read of a broadcast."""
    words = " ".join(f"{type(error).__name__}: {error}".split())
    return f"its stored content or audience cannot be read: {words}"[:400]


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


def cannot_be_made(engine: Engine, work: Work, problem: str) -> None:
    """Hold the broadcast of a call of which no request can be made here.

    Not where the batch has changed since it was read: then its list may be another by now.
    """

    def hold(connection: Connection) -> None:
        batch = records.lock(connection, work.batch_id)
        key = select(Batch.clientmsgid).where(Batch.id == batch.id)
        if connection.scalar(key) == work.clientmsgid:
            _hold(connection, batch.account, batch.broadcast_id, problem=problem)

    write(engine, hold)


def cannot_be_planned(engine: Engine, account: str, broadcast_id: str, *, problem: str) -> None:
    """Hold a broadcast of which no plan can be made here, unless somebody else planned it."""

    def hold(connection: Connection) -> None:
        lanes.hold(connection, account)
        phase = select(BroadcastRow.phase).where(BroadcastRow.id == broadcast_id)
        if connection.scalar(phase) is Phase.PLANNING:
            _hold(connection, account, broadcast_id, problem=problem)

    write(engine, hold)


def _hold(connection: Connection, account: str, broadcast_id: str, *, problem: str) -> None:
    held = Closing(
        kind=GateKind.HOLD, who=WORKER, broadcast_id=broadcast_id,
        reason=Reason.REQUEST_NOT_MADE, errmsg=problem,
    )  # fmt: skip
    gates.close(connection, account, held)
