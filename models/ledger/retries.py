"""Retrying by hand: what WeChat definitely refused, or was never asked for, is called again.

A batch is put back only if every call of it was a definite refusal, or a person said that it was
not sent; it keeps its clientmsgid. What may have been sent is never touched here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import Connection, Engine, update

from broadcast.call.attempts import Reason
from broadcast.call.outcomes import MAY_PASS
from broadcast.call.retry import RetryVerdict
from broadcast.call.waits import Waits
from broadcast.errors import InputError
from broadcast.reports import Did
from broadcast.states import BatchState, BroadcastState
from models.account import Lane
from models.batch import Batch
from models.ledger import held, operator, transitions
from models.ledger.reading import pauses, possibly_sent, retry_verdicts
from models.ledger.reading.retry_verdicts import Left, RetryGroup
from models.ledger.transaction import AnyRow

S = BroadcastState
_AS_WECHAT = Waits()


class Goes(StrEnum):
    """Whether the broadcast itself goes on after the retry; each has its text."""

    ON = "on"  #: it had stood still, or had ended, and goes on now
    ALREADY = "already"  #: it was going on all the while
    PAUSED = "paused"  #: a person paused it, and only a resume lifts that
    REFUSED = "refused"  #: its content is refused: the rest would be refused as well
    NOTHING = "nothing"  #: nothing of it waits for a call


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """What a retry did and what it left, and why."""

    placed: Sequence[RetryGroup]
    goes: Goes
    #: Of what is called again: batches whose key WeChat no longer knows, by number, each with how
    #: old its last call is that may have been taken. A wrong word sends them twice.
    forgotten: Mapping[int, timedelta]

    def of(self, place: RetryVerdict) -> list[RetryGroup]:
        """Return the groups of one place."""
        return [group for group in self.placed if group.place is place]


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

    def work(connection: Connection, row: AnyRow) -> Retried:
        if row.cancelled_at is not None:
            raise InputError("error.retry.cancelled", id=row.id)
        batches = retry_verdicts.of(connection, row.id)
        for batch in batches:
            if batch.place is RetryVerdict.AGAIN:
                transitions.move_batch(
                    connection, batch.row, BatchState.PLANNED, who=who, why=why, reason=None,
                    errcode=None, errmsg=None, not_before=None,
                )  # fmt: skip
        goes = _go_on(connection, row, batches, who=who, why=why)
        again = [batch.row.id for batch in batches if batch.place is RetryVerdict.AGAIN]
        if again or goes is Goes.ON:
            held.write_down(connection, row.id, Did.RETRY, who=who, why=why, batches=len(again))
        return Retried(
            placed=retry_verdicts.grouped(batches), goes=goes,
            forgotten=possibly_sent.forgotten(connection, row.id, Batch.id.in_(again), waits=waits),
        )  # fmt: skip

    return held.on(engine, broadcast_id, work)


def _go_on(
    connection: Connection, row: AnyRow, batches: Sequence[Left], *, who: str, why: str | None
) -> Goes:
    there = {batch.place for batch in batches}
    if row.state not in _STANDS:
        # Its lane may have been driven to its end already; the sweep looks at once.
        _ring(connection, row.account)
        return Goes.ALREADY
    uncut = row.state in {S.PAUSED, S.HELD} and row.started_at is None
    if not uncut and not there & {
        RetryVerdict.AGAIN,
        RetryVerdict.NEVER_CALLED,
        RetryVerdict.WAITS,
    }:
        return Goes.NOTHING
    if row.state is S.PAUSED and pauses.by_hand(connection, row):
        return Goes.PAUSED
    if _content_stays_refused(row):
        return Goes.REFUSED
    operator.go_on(connection, row, who=who, why=why)
    return Goes.ON


_STANDS = frozenset({S.PAUSED, S.HELD, S.COMPLETED, S.PARTIAL, S.FAILED})


def _content_stays_refused(row: AnyRow) -> bool:
    refused = row.state is S.PAUSED and row.reason is Reason.CONTENT_REFUSED
    return refused and row.reason_errcode not in MAY_PASS


def _ring(connection: Connection, account: str) -> None:
    connection.execute(update(Lane).where(Lane.account == account).values(woken_at=None))
