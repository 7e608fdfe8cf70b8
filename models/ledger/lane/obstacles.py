"""Before a call: what keeps the lane, or one broadcast, from calling WeChat at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection, Engine, and_, or_, select

from broadcast.rules.accounts import Account
from broadcast.rules.calls import waits as waits_module
from broadcast.rules.calls.attempts import NoAnswer, storable
from broadcast.rules.calls.outcomes import Scope
from broadcast.rules.calls.waits import Waits
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.notices import REPORTED
from broadcast.rules.states import BatchState, Phase, Reason
from models.accounts import Lane
from models.base import value_of
from models.batch_tables import OF_ACCOUNT, STANDS, Batch, GateRow
from models.broadcast_tables import BroadcastRow
from models.engine import database_now, now
from models.ledger.gates import gate_changes
from models.ledger.gates.gate_changes import Closing
from models.ledger.lane import record_outcomes
from models.ledger.lane.next_work import Work
from models.ledger.lists import recipients
from models.ledger.rows import closed_gates, lane_rows
from models.ledger.rows.transaction import WORKER, read, reading, write, writing

#: What is raised where a row cannot be read: bad JSON, no such kind, a gap in a list.
UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def problem_of(error: Exception) -> str:
    """Return in one line what could not be read of a broadcast."""
    words = " ".join(f"{type(error).__name__}: {error}".split())
    return f"its stored content or audience cannot be read: {words}"[:400]


@reading
def closed_within(
    connection: Connection,
    span: timedelta,
    *,
    account: str = "",
    broadcast_id: str = "",
    planned: bool = False,
) -> list[str]:
    """Return whose gates, of which there are notices, were closed up to *span* ago and are closed.

    Broadcasts of *account*, or of that of *broadcast_id*; "": the account itself, where that was
    *planned* now also by a gate of any age that forbids its calls.
    """
    forbids = and_(
        OF_ACCOUNT,
        or_(GateRow.path.is_(None), GateRow.path == BroadcastRow.path),
        or_(GateRow.until.is_(None), GateRow.until > database_now()),
    )
    query = (
        select(
            GateRow.broadcast_id,
            GateRow.closed_at,
            GateRow.kind.in_(REPORTED),
            forbids,
            database_now(),
        )
        .outerjoin(BroadcastRow, BroadcastRow.id == broadcast_id)
        .where(GateRow.account == (account or BroadcastRow.account), STANDS)
        .order_by(GateRow.id)
    )
    return [
        whose
        for whose, closed_at, is_reported, is_met, moment in connection.execute(query)
        if (planned and is_met) or (is_reported and closed_at >= moment - span)
    ]


@writing
def apply_no_answer(
    connection: Connection, account: Account, result: NoAnswer, *, waits: Waits
) -> bool:
    """Make the lane of *account* wait, or stop the account; return whether it waits.

    Where it is stopped already, nobody looks again before another day or an unhalt.
    """
    lane_rows.ensure_lane(connection, account)
    lane_rows.lock(connection, account.name)
    met = waits_module.classify_no_answer(
        result.outcome, errcode=result.errcode, now=now(connection), waits=waits
    )
    gates = closed_gates.gates_of(connection, account.name)
    stopped = any(gate.kind is GateKind.STOP and gate.path is None for gate in gates)
    until = waits.next_day(now(connection)) if stopped else met.until
    if until is None:
        _stop(connection, account, result)
        return False
    lane_rows.wait(connection, account.name, until=until, reason=met.reason)
    lane_rows.refresh_due(connection, account.name)
    return not stopped


def stop_unless_listed(
    engine: Engine, account: Account, ask: Callable[[], NoAnswer | None]
) -> None:
    """Stop *account* where *ask*, the last machine of the fleet, is refused an access_token too.

    Not if a stop was lifted while WeChat was asked: the operator's word is newer than the refusal.
    """
    with read(engine) as connection:
        asked_at = value_of(connection, account.name, Lane.gate_counter) or 0
    refusal = ask()
    if refusal is None:
        return

    def work(connection: Connection) -> None:
        lane_rows.ensure_lane(connection, account)
        lane_rows.lock(connection, account.name)
        lifted = (
            select(GateRow.id)
            .filter_by(account=account.name, kind=GateKind.STOP)
            .where(GateRow.opened_counter > asked_at)
        )
        if connection.scalar(lifted.limit(1)) is None:
            _stop(connection, account, refusal)

    write(engine, work)


def _stop(connection: Connection, account: Account, result: NoAnswer) -> None:
    closing = Closing(
        kind=GateKind.STOP,
        who=WORKER,
        reason=Reason.ACCOUNT_STOPPED,
        errcode=result.errcode,
        errmsg=result.errmsg,
    )
    gate_changes.close(connection, account.name, closing)


def apply_no_answer_of_account(
    engine: Engine, account: Account, result: NoAnswer, *, waits: Waits
) -> bool:
    """Apply *result* where it concerns the whole account; return whether it does.

    Without a token, or a way to WeChat, nothing could be sent either.
    """
    if result.scope is not Scope.ACCOUNT:
        return False
    apply_no_answer(engine, account, result, waits=waits)
    return True


def wait_for_redis(engine: Engine, account: Account) -> None:
    """Make the lane of *account* wait because Redis gives neither token nor pace."""
    _wait(engine, account, waits_module.REDIS_AWAY, reason=Reason.REDIS_AWAY)


def wait_for_count(engine: Engine, account: Account, *, waits: Waits) -> None:
    """Make the lane of *account* wait because nobody counts its calls of today."""
    _wait(engine, account, waits.scaled(waits_module.UNCOUNTED), reason=Reason.CALLS_UNCOUNTED)


def wait_for_opt_outs(engine: Engine, account: Account) -> None:
    """Make the lane of *account* wait because an opt-out could not be applied."""
    _wait(engine, account, waits_module.OPT_OUT_UNAPPLIED, reason=Reason.OPT_OUT_UNAPPLIED)


@writing
def _wait(connection: Connection, account: Account, pause: timedelta, *, reason: Reason) -> None:
    lane_rows.ensure_lane(connection, account)
    lane_rows.lock(connection, account.name)
    until = now(connection) + pause
    lane_rows.wait(connection, account.name, until=until, reason=reason)
    lane_rows.refresh_due(connection, account.name)


@writing
def hold_unmade_call(connection: Connection, work: Work, problem: str) -> None:
    """Put a broadcast on hold, of a call for which no request can be made here.

    Not where the batch has changed since it was read: then its list may be another by now.
    """
    batch = record_outcomes.lock(connection, work.batch_id)
    if value_of(connection, batch.id, Batch.clientmsgid) == work.clientmsgid:
        gate_changes.close(connection, batch.account, _unmade(batch.broadcast_id, problem))


def hold_unmade_plan(engine: Engine, account: str, broadcast_id: str, *, problem: str) -> None:
    """Put a broadcast on hold that cannot be planned here, unless another worker planned it."""
    _hold_unplanned(engine, account, _unmade(broadcast_id, problem))


@writing
def _hold_unplanned(connection: Connection, account: str, held: Closing) -> None:
    """Put a broadcast on hold under its lane, unless another worker planned it."""
    lane_rows.lock(connection, account)
    if value_of(connection, held.broadcast_id, BroadcastRow.phase) is Phase.PLANNING:
        gate_changes.close(connection, account, held)


def hold_if_suppressed(engine: Engine, work: Work) -> bool:
    """Put a send by WeChat's own list on hold, if somebody was suppressed since its plan.

    Returns whether it is not to be called.
    """
    if recipients.heeded(engine, work.broadcast_id) is None:
        return False

    def hold(connection: Connection) -> None:
        batch = record_outcomes.lock(connection, work.batch_id)
        if batch.state is BatchState.PLANNED:
            gate_changes.close(connection, batch.account, _suppressed(batch.broadcast_id))

    write(engine, hold)
    return True


def hold_for_suppression(engine: Engine, account: str, broadcast_id: str) -> None:
    """Hold a send by WeChat's own list, of which nobody can be left out, unless it was planned."""
    _hold_unplanned(engine, account, _suppressed(broadcast_id))


def hold_for_unanswered_tag(
    engine: Engine, account: str, broadcast_id: str, *, said: NoAnswer
) -> None:
    """Hold a broadcast with a tag of which WeChat does not say who has it, unless it is planned."""
    held = Closing(
        kind=GateKind.HOLD,
        who=WORKER,
        broadcast_id=broadcast_id,
        reason=Reason.TAG_UNANSWERED,
        errcode=said.errcode,
        errmsg=storable(said).errmsg,
    )
    _hold_unplanned(engine, account, held)


def _suppressed(broadcast_id: str) -> Closing:
    return Closing(
        kind=GateKind.HOLD, who=WORKER, broadcast_id=broadcast_id, reason=Reason.SUPPRESSION_LIST
    )


def _unmade(broadcast_id: str, problem: str) -> Closing:
    return Closing(
        kind=GateKind.HOLD,
        who=WORKER,
        broadcast_id=broadcast_id,
        reason=Reason.REQUEST_NOT_MADE,
        errmsg=problem,
    )
