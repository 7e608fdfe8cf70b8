"""Resolving a doubt: an operator, who looked in WeChat's console, says whether a batch was sent.

The verdict closes the batch; it sends nothing. "Not sent" marks each call that it speaks of as
denied, so that the decision over the whole history agrees with it, until a reply comes that knows
better. "Sent" denies no call without a reply: one of them was taken. What nothing confirms since
may be said anew: a msg_id is easily mistyped, and then stands where another batch's is to stand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, func, null, select

from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.rules.calls import operator_verdict
from broadcast.rules.calls.attempts import LARGEST_MSG_ID, Attempt
from broadcast.rules.calls.operator_verdict import NotSent, OperatorVerdict, Sent
from broadcast.rules.calls.outcomes import SAID_ACCEPTED, Outcome
from broadcast.rules.calls.waits import DEFAULT_TUNING, Tuning
from broadcast.rules.jobs import fits, went_to_nobody
from broadcast.rules.reports import Did
from broadcast.rules.states import STOPPED_JOB, BatchState, Reason
from models.base import change_where
from models.batch_tables import AttemptRow, Batch
from models.engine import now
from models.ledger.campaigns import unconfirmed_runs
from models.ledger.lane import call_history, record_outcomes, transitions
from models.ledger.lane.apply_decision import FIRST_POLL
from models.ledger.outcomes import job_lookup
from models.ledger.rows import locked_rows
from models.ledger.rows.locked_rows import log_action, run
from models.ledger.rows.transaction import LockedBatch, LockedBroadcast

_TO_CALL = frozenset({BatchState.PLANNED, BatchState.CALLING, BatchState.UNKNOWN})


@frozen
class Resolved:
    """Result of an operator's verdict on a batch."""

    n: int
    size: int | None
    state: BatchState
    #: "Sent", and WeChat's review refused the job that was named: it stands as refused.
    reviewed: bool = False
    #: As which job it was sent; None: not sent, or nobody knows.
    msg_id: int | None
    #: False: the same had been said before.
    changed: bool
    #: Its broadcast was cancelled, so nothing of it is ever called again.
    cancelled: bool
    #: "Sent", and nothing that WeChat answered forbids to correct it to "not sent".
    deniable: bool = False
    #: How old its last call is that may have been taken, where WeChat no longer knows its key.
    forgotten: timedelta | None = None


@frozen
class _Speaker:
    """Author and reason of a verdict, and the tuning of calls."""

    who: str
    why: str | None
    tuning: Tuning


def resolve(
    engine: Engine,
    broadcast_id: str,
    n: int,
    *,
    verdict: OperatorVerdict,
    who: str,
    why: str | None = None,
    tuning: Tuning = DEFAULT_TUNING,
) -> Resolved:
    """Close batch *n*, which is in doubt, or correct what an operator said of it before.

    "Sent" without a msg_id takes the one that a reply named, if exactly one was. Batches that wait
    for a msg_id which is given back are decided anew. Raises UnknownIdError, and InputError for a
    batch that is not there or of which nothing can be said, for "not sent" where WeChat answered
    with 0, for "sent" without a msg_id where replies named several, and for a msg_id that another
    batch has, that WeChat named for another, that it cannot have given, or whose job, by its
    report, cannot be the batch.
    """
    msg_id = verdict.msg_id if isinstance(verdict, Sent) else None
    if msg_id is not None and not 0 < msg_id <= LARGEST_MSG_ID:
        raise InputError("error.resolve.msg_id", text=msg_id)
    speaker = _Speaker(who=who, why=why, tuning=tuning)

    def work(connection: Connection, row: LockedBroadcast) -> Resolved:
        batch = _batch(connection, row, n)
        stands = call_history.batch_history(connection, batch)
        corrects = operator_verdict.corrects(verdict, stands, now=batch.now)
        changed = corrects or batch.state is BatchState.IN_DOUBT
        if changed:
            _carry_out(connection, row, batch, verdict=verdict, speaker=speaker)
        elif not operator_verdict.is_repeated(verdict, stands):
            raise _refusal(row, batch)
        return _resolved(connection, batch, verdict, changed=changed, tuning=tuning)

    return run(engine, broadcast_id, work)


def _resolved(
    connection: Connection,
    batch: LockedBatch,
    verdict: OperatorVerdict,
    *,
    changed: bool,
    tuning: Tuning,
) -> Resolved:
    stands = call_history.batch_history(connection, locked_rows.locked_batch(connection, batch.id))
    mine = (connection, batch.broadcast_id, Batch.n == batch.n)
    return Resolved(
        n=batch.n,
        size=batch.size,
        changed=changed,
        cancelled=batch.cancelled,
        state=BatchState.REFUSED if isinstance(verdict, NotSent) else BatchState.ACCEPTED,
        reviewed=isinstance(verdict, Sent) and stands.reason in STOPPED_JOB,
        msg_id=stands.msg_id,
        deniable=operator_verdict.is_deniable(stands, now=batch.now),
        forgotten=call_history.forgotten(*mine, waits=tuning.waits).get(batch.n),
    )


def _refusal(row: LockedBroadcast, batch: LockedBatch) -> InputError:
    again = batch.state in _TO_CALL and batch.any_denied
    name = "error.resolve.called_again" if again else "error.resolve.not_in_doubt"
    return InputError(name, id=row.id, n=batch.n, state=batch.state)


def _carry_out(
    connection: Connection,
    row: LockedBroadcast,
    batch: LockedBatch,
    *,
    verdict: OperatorVerdict,
    speaker: _Speaker,
) -> None:
    unnamed = batch.state is BatchState.ACCEPTED and batch.msg_id is None
    adds = unnamed and isinstance(verdict, Sent)
    unsettled = batch.state is BatchState.IN_DOUBT or adds
    doubt = batch if unsettled else _taken_back(connection, batch, speaker)
    msg_id = None
    if isinstance(verdict, Sent):
        msg_id = _close_as_sent(connection, doubt, verdict, speaker=speaker)
    else:
        _close_as_not_sent(connection, doubt, speaker)
    log_action(
        connection,
        row,
        Did.RESOLVE,
        who=speaker.who,
        why=speaker.why,
        n=batch.n,
        sent=isinstance(verdict, Sent),
        msg_id=msg_id,
    )
    transitions.end_if_at_rest(connection, row.id)
    unconfirmed_runs.follow(connection, batch.id, path=batch.path)
    _give_back(connection, batch, speaker.tuning)


def _batch(connection: Connection, row: LockedBroadcast, n: int) -> LockedBatch:
    batch_id = connection.scalar(select(Batch.id).filter_by(broadcast_id=row.id, n=n))
    if batch_id is None:
        raise InputError("error.resolve.no_batch", id=row.id, n=n, doubts=_doubts(connection, row))
    return locked_rows.locked_batch(connection, batch_id)


def _doubts(connection: Connection, row: LockedBroadcast) -> str:
    """Return the numbers of the batches that are in doubt."""
    numbers = connection.scalars(
        select(Batch.n)
        .filter_by(broadcast_id=row.id, state=BatchState.IN_DOUBT)
        .order_by(Batch.n)
        .limit(10)
    )
    return ", ".join(map(str, numbers)) or "-"


def _taken_back(connection: Connection, batch: LockedBatch, speaker: _Speaker) -> LockedBatch:
    """Take a verdict back, so that the history shows both; return the batch as it stands."""
    transitions.move_batch(
        connection,
        batch,
        BatchState.IN_DOUBT,
        who=speaker.who,
        why=speaker.why,
        reason=Reason.BY_HAND,
        msg_id=None,
        msg_data_id=None,
        msg_status=None,
        poll_at=None,
    )
    return locked_rows.locked_batch(connection, batch.id)


def _give_back(connection: Connection, batch: LockedBatch, tuning: Tuning) -> None:
    """Decide anew about what WeChat said has the msg_id that the batch had until now."""
    if batch.msg_id is None:
        return
    for batch_id in job_lookup.doubts_naming(connection, batch, batch.msg_id):
        record_outcomes.accept_by_replies(connection, batch_id, tuning=tuning)


def _close_as_not_sent(connection: Connection, batch: LockedBatch, speaker: _Speaker) -> None:
    if batch.reason is Reason.ADMINISTRATOR_UNKNOWN:
        # WeChat took the call, so nothing is denied, and its key is not called again.
        transitions.move_batch(
            connection,
            batch,
            BatchState.REFUSED,
            who=speaker.who,
            why=speaker.why,
            poll_at=None,
            reason=Reason.UNCONFIRMED,
            **_verdict_columns(batch),
        )
        return
    job_lookup.check_never_accepted(connection, batch)
    _deny(connection, batch.id, call_history.MAYBE)
    transitions.move_batch(
        connection,
        batch,
        BatchState.REFUSED,
        who=speaker.who,
        why=speaker.why,
        msg_id=None,
        poll_at=None,
        reason=Reason.SAID_NOT_SENT,
        **_verdict_columns(batch),
    )


def _close_as_sent(
    connection: Connection, batch: LockedBatch, verdict: Sent, *, speaker: _Speaker
) -> int | None:
    """Close a batch as sent; return as which job, None: nobody knows."""
    msg_id = verdict.msg_id or _named_by_wechat(connection, batch)
    # An earlier "not sent" is taken back: one of these calls was taken after all.
    said = AttemptRow.outcome.in_(SAID_ACCEPTED)
    unnamed = said & AttemptRow.msg_id.is_(None)
    _deny(connection, batch.id, call_history.UNANSWERED | unnamed, denied=None)
    if msg_id is not None:
        give_msg_id(
            connection,
            batch,
            msg_id,
            tuning=speaker.tuning,
            who=speaker.who,
            why=speaker.why,
            reason=Reason.SAID_SENT,
            **_verdict_columns(batch) | {"msg_status": verdict.msg_status},
        )
        return msg_id
    _deny(connection, batch.id, said & AttemptRow.msg_id.is_not(None))
    # Without a msg_id there is nothing that mass/get could be asked about.
    transitions.move_batch(
        connection,
        batch,
        BatchState.ACCEPTED,
        who=speaker.who,
        why=speaker.why,
        msg_id=None,
        msg_data_id=None,
        poll_at=None,
        reason=Reason.SAID_SENT,
        **_verdict_columns(batch),
    )
    return None


def give_msg_id(
    connection: Connection,
    batch: LockedBatch,
    msg_id: int,
    *,
    tuning: Tuning,
    who: str,
    why: str | None = None,
    **values: Any,
) -> None:
    """Make a batch accepted as the job *msg_id*, about which mass/get is asked from now on.

    It was in doubt, or sent without anybody knowing as which job. *values* as of
    :func:`~models.ledger.lane.transitions.move_batch`. Raises InputError for a msg_id of another
    batch, or of a job that cannot be this one.
    """
    job_lookup.check_of_no_other(connection, batch, msg_id)
    check_fits_job(connection, batch, msg_id)
    said = AttemptRow.outcome.in_(SAID_ACCEPTED)
    _deny(connection, batch.id, said & (AttemptRow.msg_id != msg_id))
    # It agrees with a reply that an earlier verdict denied.
    _deny(connection, batch.id, said & (AttemptRow.msg_id == msg_id), denied=None)
    transitions.move_batch(
        connection,
        batch,
        BatchState.ACCEPTED,
        who=who,
        why=why,
        msg_id=msg_id,
        msg_data_id=_data_id(connection, batch.id, msg_id),
        poll_at=now(connection) + tuning.waits.scaled(FIRST_POLL),
        **values,
    )
    transitions.apply_finish_event(connection, batch.id)


def _named_by_wechat(connection: Connection, batch: LockedBatch) -> int | None:
    """Return the one msg_id that replies to the batch named, unless it may be another batch's.

    Raises InputError where they named several, or where an operator gave it to another batch.
    """
    history = call_history.attempts_of(connection, batch.id)
    for msg_id in operator_verdict.named_msg_ids(history, of_another=True):
        job_lookup.check_not_mistyped(connection, batch, msg_id)
    candidates = operator_verdict.named_msg_ids(history)
    if len(candidates) > 1:
        listed = ", ".join(map(str, candidates))
        raise InputError("error.resolve.several", id=batch.broadcast_id, n=batch.n, msg_ids=listed)
    if not candidates or _may_be_anothers(connection, batch, candidates[0], history=history):
        return None
    return candidates[0]


def _may_be_anothers(
    connection: Connection, batch: LockedBatch, msg_id: int, *, history: Sequence[Attempt]
) -> bool:
    accepted = any(a.outcome is Outcome.ACCEPTED and a.msg_id == msg_id for a in history)
    return not accepted and job_lookup.is_contested(connection, batch, msg_id)


def _verdict_columns(batch: LockedBatch) -> dict[str, Any]:
    """Return what a verdict writes of a batch, whichever it is."""
    return {
        "errcode": None,
        "errmsg": None,
        "not_before": None,
        "polls": 0,
        "msg_status": None,
        "settled_after": batch.attempts,
    }


def _deny(
    connection: Connection,
    batch_id: int,
    which: ColumnElement[bool],
    *,
    denied: bool | None = True,
) -> None:
    """Write a verdict on the calls that it speaks of; None takes an earlier one back."""
    change_where(
        connection,
        AttemptRow,
        AttemptRow.batch_id == batch_id,
        which,
        denied=null() if denied is None else denied,
    )


def _data_id(connection: Connection, batch_id: int, msg_id: int) -> int | None:
    """Return the msg_data_id that a reply named together with the msg_id."""
    return connection.scalar(
        select(func.max(AttemptRow.msg_data_id)).filter_by(batch_id=batch_id, msg_id=msg_id)
    )


def check_fits_job(connection: Connection, batch: LockedBatch, msg_id: int) -> None:
    """Raise InputError for a job that, by WeChat's report of its end, cannot be this batch.

    What a reply named to the batch is WeChat's own word, and stands against its report.
    """
    job = job_lookup.row_of_job(connection, batch.account, msg_id)
    if job is None:
        return
    history = call_history.attempts_of(connection, batch.id)
    if operator_verdict.is_named(history, msg_id):
        return
    facts = {"id": batch.broadcast_id, "n": batch.n, "msg_id": msg_id}
    if went_to_nobody(job.event(), batch.size):
        raise InputError("error.resolve.to_nobody", size=batch.size, **facts)
    called = [attempt.started_at for attempt in history]
    if not fits(called, job.ended_at):
        raise InputError(
            "error.resolve.other_time", at=job.ended_at, first=min(called, default="-"), **facts
        )


def of_other_time(
    connection: Connection, ended: Mapping[int, datetime], *which: ColumnElement[bool]
) -> Collection[int]:
    """Return the batches whose job an operator alone named, and no call of theirs can have begun.

    *ended*: when the job of each batch ended, by the batch's id. *which* narrows the batches.
    """
    by_word = Batch.reason.in_([Reason.SAID_SENT, *STOPPED_JOB])
    rows = connection.execute(
        select(AttemptRow.batch_id, AttemptRow.started_at, AttemptRow.msg_id == Batch.msg_id)
        .join(Batch, Batch.id == AttemptRow.batch_id)
        .where(by_word, *which)
    )
    called: dict[int, list[datetime]] = defaultdict(list)
    named = set()
    for batch_id, started_at, is_named in rows:
        called[batch_id].append(started_at)
        if is_named:
            named.add(batch_id)
    return {
        batch_id
        for batch_id, calls in called.items()
        if batch_id in ended and batch_id not in named and not fits(calls, ended[batch_id])
    }
