"""Retrying by hand: what WeChat definitely refused, or was never asked for, is called again.

A batch is put back only if every call of it was a definite refusal, or a person said that it was
not sent; it keeps its clientmsgid. What may have been sent is never touched here. Nor is a batch
some of whose followers were suppressed since: its repeat must be the same request, so it would
reach them. They are looked for at the retry, and once more before the call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import Connection, Engine

from broadcast.call.outcomes import content_stays_refused
from broadcast.call.retry import RetryVerdict
from broadcast.call.waits import Waits
from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.gates.gate import Gate, GateScope
from broadcast.gates.kinds import RESUME_OPENS, GateKind
from broadcast.reasons import Reason
from broadcast.reports import Did, RetryGroup
from broadcast.states import BatchState, Phase
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.engine import now
from models.ledger import due, gates, lanes, operator, quotas, records, transitions
from models.ledger.command import log_action, run
from models.ledger.reading import closed_gates, held_rows, possibly_sent, retry_verdicts
from models.ledger.reading.next_work import Work
from models.ledger.reading.retry_verdicts import Left
from models.ledger.rows import HeldBroadcast, change
from models.ledger.transaction import read, write

_AS_WECHAT = Waits()


class Goes(StrEnum):
    """Whether the broadcast itself goes on after the retry; each has its text."""

    ON = "on"  #: it had stood still, or had ended, and goes on now
    ALREADY = "already"  #: it was going on all the while
    PAUSED = "paused"  #: a person paused it, and only a resume lifts that
    HELD = "held"  #: its plan does not fit, or its time was missed: only a resume proves it anew
    REFUSED = "refused"  #: its content is refused: the rest would be refused as well
    NOTHING = "nothing"  #: nothing of it waits for a call


@frozen
class Retried:
    """What a retry did and what it left, and why."""

    placed: Sequence[RetryGroup]
    goes: Goes
    #: Of what is called again: batches whose key WeChat no longer knows, by number, each with how
    #: old its last call is that may have been taken. A wrong word sends them twice.
    forgotten: Mapping[int, timedelta]
    #: How many are suppressed by now in batches that are left alone for it, by number.
    suppressed: Mapping[int, int]

    def of(self, place: RetryVerdict) -> list[RetryGroup]:
        """Return the groups of one place."""
        return [group for group in self.placed if group.verdict is place]


def retry(
    engine: Engine,
    broadcast_id: str,
    *,
    who: str,
    why: str | None = None,
    waits: Waits = _AS_WECHAT,
) -> Retried:
    """Put back what may be called again, with the clientmsgid that it has; idempotent.

    Raises UnknownIdError, and InputError for a cancelled broadcast: a cancel is final.
    """
    with read(engine) as connection:
        found = retry_verdicts.of(connection, broadcast_id)
    kept = retry_verdicts.suppressed(engine, broadcast_id, found)

    def work(connection: Connection, broadcast: HeldBroadcast) -> Retried:
        closed = closed_gates.of(connection, broadcast.account, broadcast.id)
        own = [gate for gate in closed if gate.scope is GateScope.BROADCAST]
        if any(gate.kind is GateKind.CANCEL for gate in own):
            raise InputError("error.retry.cancelled", id=broadcast.id)
        left = retry_verdicts.heeding(retry_verdicts.of(connection, broadcast.id), kept)
        again = [batch.row.id for batch in left if batch.place is RetryVerdict.AGAIN]
        for batch_id in again:
            batch = held_rows.batch(connection, batch_id)
            transitions.move_batch(
                connection, batch, BatchState.PLANNED, who=who, why=why, reason=None, errcode=None,
                errmsg=None, not_before=None, begins_anew=True,
            )  # fmt: skip
            # Unproved, as a submit while WeChat is away; but no other plan counts on this call.
            quotas.give_back(connection, batch, calls=1)
        if again:
            transitions.touch(connection, broadcast.id)
        goes = _go_on(connection, broadcast, left, own=own, who=who, why=why)
        if again or goes is Goes.ON:
            log_action(connection, broadcast, Did.RETRY, who=who, why=why, batches=len(again))
        due.refresh(connection, broadcast.account)
        return Retried(
            placed=retry_verdicts.grouped(left), goes=goes,
            forgotten=possibly_sent.forgotten(
                connection, broadcast.id, Batch.id.in_(again), waits=waits
            ),
            suppressed={one.row.n: kept[one.row.id] for one in left
                        if one.place is RetryVerdict.SUPPRESSED},
        )  # fmt: skip

    return run(engine, broadcast_id, work)


def leave(engine: Engine, work: Work) -> bool:
    """Refuse a batch again that waits for its call since a retry; return whether it still did.

    Somebody in it was suppressed meanwhile. Where only a person said that it was not sent, that
    stays the reason.
    """

    def refuse(connection: Connection) -> bool:
        batch = records.lock(connection, work.batch_id)
        if batch.state is not BatchState.PLANNED or batch.attempts != work.attempts:
            return False
        reason = Reason.SAID_NOT_SENT if batch.any_denied else Reason.SUPPRESSED_SINCE
        transitions.move_batch(
            connection, batch, BatchState.REFUSED, reason=reason, not_before=None,
            begins_anew=False,
        )  # fmt: skip
        quotas.release(connection, batch.broadcast_id, calls=1)
        transitions.end_if_at_rest(connection, batch.broadcast_id)
        due.refresh(connection, batch.account)
        return True

    return write(engine, refuse)


def _go_on(
    connection: Connection,
    broadcast: HeldBroadcast,
    left: Sequence[Left],
    *,
    own: Sequence[Gate],
    who: str,
    why: str | None,
) -> Goes:
    there = {batch.place for batch in left}
    ended = broadcast.phase is Phase.ENDED
    mine = [gate for gate in own if gate.kind in RESUME_OPENS]
    if not ended and not mine:
        if RetryVerdict.AGAIN in there:
            operator.count_anew(connection, broadcast)
        # Its lane may have been driven to its end already; the sweep looks at once.
        lanes.wake(connection, broadcast.account)
        return Goes.ALREADY
    goes_on = {RetryVerdict.AGAIN, RetryVerdict.NEVER_CALLED, RetryVerdict.WAITS}
    if broadcast.phase is not Phase.PLANNING and not there & goes_on:
        return Goes.NOTHING
    if ended:
        _reopen(connection, broadcast)
    if any(gate.kind is GateKind.PAUSE for gate in mine):
        return Goes.PAUSED
    if any(gate.kind in {GateKind.HOLD, GateKind.DRAFT} for gate in mine):
        return Goes.HELD
    if any(content_stays_refused(gate.reason, gate.errcode) for gate in mine):
        return Goes.REFUSED
    gates.open_(connection, broadcast.account, mine, who=who, why=why)
    operator.count_anew(connection, broadcast)
    return Goes.ON


def _reopen(connection: Connection, broadcast: HeldBroadcast) -> None:
    """Let the calls of a broadcast that had ended be made again."""
    moment = now(connection)
    change(
        connection,
        BroadcastRow,
        broadcast.id,
        phase=Phase.SENDING,
        result=None,
        finished_at=None,
        moved_at=moment,
        version=BroadcastRow.version + 1,
    )
