"""Claims: a call is written down and committed before it is made.

The claim asks, under the lane's lock and in the one transaction that writes it, all that forbids
the call, in this order:

- the lease and its fence;
- the phase, every gate and every wait (:func:`broadcast.rules.gates.gate.may_call`);
- lateness: a broadcast whose first call would be late is held (:func:`hold_if_late`);
- of an unknown batch, the window of 23 hours and rows of a newer release
  (:func:`broadcast.rules.calls.decide.window_end`);
- of a batch of which no call left, today's share of a broadcast over several days
  (:func:`~models.ledger.gates.quotas.defer_to_its_day`);
- whether the batch is still as it was when its request was made.

What was claimed and has no recorded outcome is *unknown*, never "not called"; only the claimer
itself, which knows that it did not call, may give a claim back.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from datetime import datetime

from sqlalchemy import Connection, Engine, bindparam, func, insert, or_, select, update

from broadcast.crashpoints import Point, failpoint
from broadcast.errors import DatabaseAwayError
from broadcast.frozen import frozen
from broadcast.rules.calls.waits import DEFAULT_TUNING, Tuning
from broadcast.rules.gates.gate import GateKind, Situation, may_call
from broadcast.rules.gates.lateness import SILENCE, is_late, silence, unattended
from broadcast.rules.states import OPEN_PHASES, BatchState, Reason
from models.accounts import Lane
from models.base import change
from models.batch_tables import AttemptRow, Batch
from models.broadcast_tables import BroadcastRow
from models.ledger.gates import gate_changes, quotas
from models.ledger.gates.gate_changes import Closing
from models.ledger.lane import record_outcomes
from models.ledger.lane.leases import Lease
from models.ledger.lane.next_work import Work
from models.ledger.rows import closed_gates, lane_rows, locked_rows
from models.ledger.rows.lane_rows import LEASE
from models.ledger.rows.transaction import WORKER, LockedBroadcast, LockedLane, write


@frozen
class Claim:
    """A call that may be made now, and only now."""

    attempt_id: int
    claim: str
    number: int
    #: Which claim of its lane it is, from 1; a restored database counts again from an older one.
    lane_number: int
    #: ``time.monotonic()`` when the last thing that could forbid the call had been read; only the
    #: commit came after.
    read_at: float


def claim(
    engine: Engine, lease: Lease, work: Work, *, tuning: Tuning = DEFAULT_TUNING
) -> Claim | None:
    """Write the call down and commit; return None where something forbids it by now.

    The name of the claim is made here, so that after a commit whose answer was lost
    :func:`~models.ledger.lane.record_outcomes.give_back` can find it.
    """
    name = secrets.token_hex(12)
    try:
        made = write(engine, lambda c: _claim(c, lease, work, name=name, tuning=tuning))
    except BaseException:
        # Nothing was called. Whether the claim was committed is not known, so it is given back by
        # its name; if that fails too, the batch is unknown to the next driver of the lane.
        with contextlib.suppress(DatabaseAwayError):
            record_outcomes.give_back(engine, name, tuning=tuning)
        raise
    if made is not None:
        failpoint(Point.CLAIM_COMMITTED)
    return made


def _claim(
    connection: Connection, lease: Lease, work: Work, *, name: str, tuning: Tuning
) -> Claim | None:
    lane = lane_rows.lock(connection, lease.account)
    broadcast = locked_rows.locked_broadcast(connection, work.broadcast_id)
    moment = broadcast.now  # after the wait for the lane: the lease may have run out in it
    if lane.fence != lease.fence or not lane.leased_until or lane.leased_until <= moment:
        return None
    # Read under the lock that holds everything still that forbids a call until the commit.
    situation = Situation(
        phase=broadcast.phase,
        path=work.path,
        gates=closed_gates.gates_of(connection, broadcast.account, broadcast.id)
        if broadcast.has_gates
        else (),
        lane_waits_until=lane.not_before,
        batch_waits_until=work.not_before,
        is_repeat=work.state is BatchState.UNKNOWN,
    )
    if not may_call(situation, moment):
        return None
    if _put_off(connection, broadcast, lane, work=work, situation=situation, tuning=tuning):
        return None
    number = work.attempts + 1
    if not _begin_call(connection, work, number=number, moment=moment):
        return None
    count_silence(connection, broadcast, lane, work=work, situation=situation)
    attempt_id = _write_down(
        connection, lease, work, gate_counter=lane.gate_counter, name=name, moment=moment
    )
    failpoint(Point.CLAIM_WRITTEN)
    return Claim(
        attempt_id=attempt_id,
        claim=name,
        number=number,
        lane_number=lane.claims + 1,
        read_at=time.monotonic(),
    )


def _put_off(
    connection: Connection,
    broadcast: LockedBroadcast,
    lane: LockedLane,
    *,
    work: Work,
    situation: Situation,
    tuning: Tuning,
) -> bool:
    """Put off a call that is too late, may not be repeated, or is more than today's share.

    Returns whether it was put off: by a gate, or as a doubt.
    """
    if hold_if_late(connection, broadcast, lane, situation=situation):
        return True
    if work.state is BatchState.UNKNOWN:
        return _doubt_if_window_over(connection, work, tuning)
    return work.untouched and quotas.defer_to_its_day(connection, broadcast)


def _doubt_if_window_over(connection: Connection, work: Work, tuning: Tuning) -> bool:
    """Put an unknown batch in doubt after its window; return whether it is not to be repeated.

    Nor is one with rows of a newer release, which is left as it is.
    """
    batch = locked_rows.locked_batch(connection, work.batch_id)
    if record_outcomes.has_stranger(connection, batch):
        return True
    return record_outcomes.expire_locked(connection, batch, tuning=tuning)


def _begin_call(connection: Connection, work: Work, *, number: int, moment: datetime) -> bool:
    """Move the batch to *calling* if it is still as it was read; return whether it did."""
    seen = {
        "b_id": work.batch_id,
        "b_state": work.state,
        "b_attempts": work.attempts,
        "b_not_before": work.not_before,
        "b_clientmsgid": work.clientmsgid,
        "b_renewal": work.renewal,
    }
    values = {
        "state": BatchState.CALLING,
        "attempts": number,
        "not_before": None,
        "begins_anew": False,
    }
    return connection.execute(_TAKE, {**seen, **values, "moment": moment}).rowcount == 1


def _write_down(
    connection: Connection,
    lease: Lease,
    work: Work,
    *,
    gate_counter: int,
    name: str,
    moment: datetime,
) -> int:
    attempt = {
        "claim": name,
        "batch_id": work.batch_id,
        "number": work.attempts + 1,
        "account": lease.account,
        "path": work.path,
        "fence": lease.fence,
        "owner": lease.owner,
        "clientmsgid": work.clientmsgid,
        "gate_counter": gate_counter,
        "begins_anew": work.begins_anew,
        "started_at": moment,
    }
    made = connection.execute(_ATTEMPT, attempt).inserted_primary_key
    connection.execute(
        _RENEW,
        {"b_account": lease.account, "leased_until": moment + LEASE, "claimed_at": moment},
    )
    connection.execute(_BEGIN, {"b_id": work.broadcast_id, "b_moment": moment})
    quotas.use_reserved_call(connection, work.broadcast_id, work.path, moment=moment)
    return made[0] if made else 0


# Built once: building a statement costs as much as running it. The columns are those of the
# parameters that these are run with.
_TAKE = (
    update(Batch)
    .filter_by(id=bindparam("b_id"), state=bindparam("b_state"), attempts=bindparam("b_attempts"))
    # It may have shrunk since: then what was made ready goes to somebody who is not in it.
    .where(Batch.clientmsgid == bindparam("b_clientmsgid"))
    # The same where its files were uploaded again.
    .where(Batch.renewal == bindparam("b_renewal"))
    # A late reply may have said meanwhile that it is not to be repeated so soon.
    .where(Batch.not_before.is_not_distinct_from(bindparam("b_not_before")))
    .values(first_called_at=func.coalesce(Batch.first_called_at, bindparam("moment")))
)
_ATTEMPT = insert(AttemptRow)
_RENEW = update(Lane).filter_by(account=bindparam("b_account")).values(claims=Lane.claims + 1)
_BEGIN = (
    update(BroadcastRow)
    .filter_by(id=bindparam("b_id"))
    .values(
        version=BroadcastRow.version + 1,
        started_at=func.coalesce(BroadcastRow.started_at, bindparam("b_moment")),
    )
)


def hold_if_late(
    connection: Connection,
    broadcast: LockedBroadcast,
    lane: LockedLane,
    *,
    situation: Situation,
) -> bool:
    """Put a broadcast on hold whose first call would be late; return whether it was."""
    attended = closed_gates.attended_since(lane, situation.gates, situation.path)
    first = closed_gates.first_call_of(broadcast, attended)
    if not is_late(first, broadcast.now):
        return False
    opened = closed_gates.last_opened_at(connection, broadcast)
    if not is_late(closed_gates.first_call_of(broadcast, attended, opened=opened), broadcast.now):
        return False
    if closed_gates.is_begun(connection, broadcast.id):
        return False
    missed = Closing(
        kind=GateKind.HOLD, who=WORKER, broadcast_id=broadcast.id, reason=Reason.MISSED_TIME
    )
    gate_changes.close(connection, broadcast.account, missed)
    return True


def count_silence(
    connection: Connection,
    broadcast: LockedBroadcast,
    lane: LockedLane,
    *,
    work: Work,
    situation: Situation,
) -> None:
    """Count, for each broadcast that waits for a first call, the gap that a claim ends."""
    attended = closed_gates.attended_since(lane, situation.gates, situation.path)
    if work.not_before is not None:
        attended.append(work.not_before)
    if attended and broadcast.now - max(attended) <= SILENCE:
        return
    # The one that is called may be newer than they are, and wait for nobody.
    for other in _queued(connection, broadcast):
        due_since = closed_gates.last_opened_at(connection, other)
        first = closed_gates.first_call_of(other, attended, opened=due_since)
        if silence(first, broadcast.now) > SILENCE:
            change(
                connection,
                BroadcastRow,
                other.id,
                unattended_s=int(unattended(first, broadcast.now).total_seconds()),
                unattended_at=broadcast.now,
            )


def _queued(connection: Connection, broadcast: LockedBroadcast) -> list[LockedBroadcast]:
    """Return the account's other broadcasts that have not begun, and were due before the gap."""
    before = broadcast.now - SILENCE
    scheduled = BroadcastRow.scheduled_at
    ids = connection.scalars(
        select(BroadcastRow.id)
        .where(BroadcastRow.account == broadcast.account, BroadcastRow.id != broadcast.id)
        .where(BroadcastRow.phase.in_(OPEN_PHASES), ~closed_gates.BEGUN)
        .where(BroadcastRow.published_at < before, or_(scheduled.is_(None), scheduled < before))
    ).all()
    return [locked_rows.locked_broadcast(connection, one) for one in ids]
