"""Claims: a call is written down and committed before it is made.

The claim reads, in the one transaction that writes it, everything that could forbid the call:
lease and fence, halt and stop, the broadcast's state. What was claimed and has no recorded outcome
is *unknown*, never "not called"; only the claimer itself, who knows that it did not call, may give
a claim back.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, bindparam, func, insert, update

from broadcast.call.rules import DEFAULT_RULES, Rules
from broadcast.crashpoints import Point, passing
from broadcast.errors import DatabaseAwayError
from broadcast.states import BROADCAST_RUNNING, BatchState, BroadcastState
from models.account import Lane
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger import lanes, records, transitions
from models.ledger.lanes import LEASE, Lease
from models.ledger.reading.next_work import Work
from models.ledger.transaction import write


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A call that may be made now, and only now."""

    attempt_id: int
    claim: str
    number: int
    #: ``time.monotonic()`` when the last thing that could forbid the call had been read; only the
    #: commit came after.
    read_at: float


def claim(engine: Engine, held: Lease, work: Work, *, rules: Rules = DEFAULT_RULES) -> Claim | None:
    """Write the call down and commit; return None where something forbids it by now.

    The name of the claim is made here, so that after a commit whose answer was lost
    :func:`~models.ledger.records.give_back` can find it.
    """
    name = secrets.token_hex(12)
    try:
        made = write(engine, lambda c: _claim(c, held, work, name=name, rules=rules))
    except BaseException:
        # Nothing was called. Whether the claim was committed is not known, so it is given back by
        # its name; if that fails too, the batch is unknown to whoever takes the lane over.
        with contextlib.suppress(DatabaseAwayError):
            records.give_back(engine, name, rules=rules)
        raise
    if made is not None:
        passing(Point.CLAIM_COMMITTED)
    return made


def _claim(
    connection: Connection, held: Lease, work: Work, *, name: str, rules: Rules
) -> Claim | None:
    moment = _may_call(connection, held, work)
    if moment is None:
        return None
    if work.state is BatchState.UNKNOWN and _expired(connection, work, rules):
        return None
    number = work.attempts + 1
    if not _take(connection, work, number=number, moment=moment):
        return None
    attempt = {
        "claim": name, "batch_id": work.batch_id, "number": number, "account": held.account,
        "fence": held.fence, "owner": held.owner, "clientmsgid": work.clientmsgid,
        "started_at": moment,
    }  # fmt: skip
    attempt_id = connection.execute(_ATTEMPT, attempt).inserted_primary_key
    connection.execute(_RENEW, {"b_account": held.account, "leased_until": moment + LEASE})
    passing(Point.CLAIM_WRITTEN)
    return Claim(
        attempt_id=attempt_id[0] if attempt_id else 0, claim=name, number=number,
        read_at=time.monotonic(),
    )  # fmt: skip


def _expired(connection: Connection, work: Work, rules: Rules) -> bool:
    return records.expire_held(connection, records.lock(connection, work.batch_id), rules=rules)


def _take(connection: Connection, work: Work, *, number: int, moment: datetime) -> bool:
    """Move the batch to *calling* if it still stands as it was read; return whether it did."""
    seen = {
        "b_id": work.batch_id, "b_state": work.state, "b_attempts": work.attempts,
        "b_not_before": work.not_before,
    }  # fmt: skip
    values = {"state": BatchState.CALLING, "attempts": number, "not_before": None}
    return connection.execute(_TAKE, {**seen, **values, "moment": moment}).rowcount == 1


# Built once: building a statement costs as much as running it. The columns are those of the
# parameters that these are run with.
_TAKE = (
    update(Batch)
    .where(Batch.id == bindparam("b_id"), Batch.state == bindparam("b_state"))
    .where(Batch.attempts == bindparam("b_attempts"))
    # A late reply may have said meanwhile that it is not to be repeated so soon.
    .where(Batch.not_before.is_not_distinct_from(bindparam("b_not_before")))
    .values(first_called_at=func.coalesce(Batch.first_called_at, bindparam("moment")))
)
_ATTEMPT = insert(AttemptRow)
_RENEW = update(Lane).where(Lane.account == bindparam("b_account"))


def _may_call(connection: Connection, held: Lease, work: Work) -> datetime | None:
    """Read everything that forbids a call, under the locks that hold it still until the commit.

    Returns the moment of the reading, or None where something forbids it.
    """
    lane = lanes.hold(connection, held.account)
    moment = now(connection)  # after the wait for the row: the lease may have run out in it
    ours = lane.fence == held.fence and lane.leased_until and lane.leased_until > moment
    closed = lane.halted_at or lane.stopped_at or (lane.not_before and lane.not_before > moment)
    if not ours or closed:
        return None
    state = transitions.hold(connection, work.broadcast_id)
    if state not in BROADCAST_RUNNING:
        return None
    if state is BroadcastState.WAITING:
        transitions.move_broadcast(
            connection, work.broadcast_id, BroadcastState.SENDING,
            started_at=func.coalesce(BroadcastRow.started_at, moment),
        )  # fmt: skip
    return moment
