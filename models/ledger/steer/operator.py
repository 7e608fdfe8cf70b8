"""Commands of an operator on a broadcast or an account, each in one transaction and logged.

Each takes the lane's row first, as claims do, so after its commit no new call starts: a claim that
was committed before is being called now (within 300 ms), and none can be committed after.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import Connection, Engine

from broadcast.errors import DatabaseAwayError, InputError
from broadcast.frozen import frozen
from broadcast.names import EventKind
from broadcast.rules.accounts import Account
from broadcast.rules.drafts import Marks
from broadcast.rules.gates.gate import (
    RESUME_OPENS,
    UNHALT_OPENS,
    Gate,
    GateKind,
    GateScope,
    traits_of,
)
from broadcast.rules.plan import proof as proof_module
from broadcast.rules.reports import Did
from broadcast.rules.states import UNCALLED_PHASES, BatchState, BroadcastState, Phase, Reason
from models.accounts import Lane
from models.base import change, change_where, delete_where
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.ledger.gates import drafts, gate_changes, quotas
from models.ledger.gates.gate_changes import Closing
from models.ledger.gates.quotas import ReservationRequest
from models.ledger.lane import transitions
from models.ledger.lists import suppressions
from models.ledger.rows import closed_gates, lane_rows
from models.ledger.rows.locked_rows import log_action, run
from models.ledger.rows.transaction import LockedBroadcast, note, writing
from models.ledger.submit import awaited_lists


def pause(engine: Engine, broadcast_id: str, *, who: str, why: str | None = None) -> bool:
    """Start no new call of a broadcast; return False if a person paused it or it ended already.

    What else forbids its calls keeps doing so after a resume, and is kept beside the pause.
    """

    def work(connection: Connection, broadcast: LockedBroadcast) -> bool:
        if broadcast.phase is Phase.ENDED or is_cancelled(connection, broadcast):
            return False
        closing = Closing(
            kind=GateKind.PAUSE, who=who, why=why, broadcast_id=broadcast.id, reason=Reason.BY_HAND
        )
        paused = gate_changes.close(connection, broadcast.account, closing)
        if paused:
            log_action(connection, broadcast, Did.PAUSE, who=who, why=why)
        return paused

    return run(engine, broadcast_id, work)


@frozen
class ShownFacts:
    """Facts that an operator was shown before the resume of a broadcast."""

    #: The ids of the gates that kept it.
    gates: Collection[int]
    #: What its draft said; None: it has none, or it is gone or was never read.
    draft: Marks | None


def resume(
    engine: Engine,
    broadcast_id: str,
    *,
    who: str,
    why: str | None = None,
    quota: proof_module.Quota | None = None,
    shared_quota: bool = True,
    shown: ShownFacts | None = None,
    maybe_sent: bool = False,
) -> bool:
    """Open those of a broadcast's own gates that a resume opens; return False if none was closed.

    Its remaining calls are proved against *quota* (None: WeChat could not be asked; *shared_quota*:
    the other interface takes of the same calls) and reserved again. Raises PlanError when the day
    has no room for them, and InputError when the broadcast has ended, is held for batches that only
    a person can settle, goes to WeChat's own list while people are suppressed, was stopped by a
    gate that was not *shown*, or may have been sent before a restore, unless *maybe_sent* says that
    it goes on all the same. Of a draft that was shown nothing newer may go out.
    """

    def work(connection: Connection, broadcast: LockedBroadcast) -> bool:
        _check_not_ended(connection, broadcast)
        mine = [gate for gate in own_gates(connection, broadcast) if gate.kind in RESUME_OPENS]
        if not mine:
            return False
        if shown is not None and any(gate.id not in shown.gates for gate in mine):
            raise InputError("error.resume.stopped_meanwhile", id=broadcast.id)
        if not maybe_sent and any(traits_of(gate.kind).maybe_sent for gate in mine):
            raise InputError("error.resume.maybe_sent", id=broadcast.id)
        if any(gate.reason is Reason.SUPPRESSION_LIST for gate in mine):
            _check_nobody_suppressed(connection, broadcast)
        reserve_remaining(connection, broadcast, quota=quota, shared_quota=shared_quota)
        gate_changes.open_(connection, broadcast.account, mine, who=who, why=why)
        if any(gate.kind is GateKind.DRAFT for gate in mine):
            _accept_draft(connection, broadcast.id, shown)
        reset_breaker(connection, broadcast)
        log_action(connection, broadcast, Did.RESUME, who=who, why=why)
        return True

    return run(engine, broadcast_id, work)


def _accept_draft(connection: Connection, broadcast_id: str, shown: ShownFacts | None) -> None:
    if shown is None:
        drafts.accept_seen(connection, broadcast_id)
    else:
        drafts.accept(connection, broadcast_id, shown.draft)


def _check_not_ended(connection: Connection, broadcast: LockedBroadcast) -> None:
    if broadcast.result is BroadcastState.HELD and not is_cancelled(connection, broadcast):
        raise InputError("error.broadcast.in_doubt", id=broadcast.id)
    if broadcast.phase is Phase.ENDED or is_cancelled(connection, broadcast):
        raise InputError("error.broadcast.ended", id=broadcast.id)


def _check_nobody_suppressed(connection: Connection, broadcast: LockedBroadcast) -> None:
    """Refuse a resume that would be held again at once."""
    count = suppressions.count_in(connection, broadcast.account)
    if count:
        raise InputError(
            f"error.resume.suppressed{'' if count > 1 else '_one'}",
            id=broadcast.id,
            account=broadcast.account,
            count=count,
        )


def own_gates(connection: Connection, broadcast: LockedBroadcast) -> list[Gate]:
    """Return the broadcast's own gates that nobody opened."""
    there = closed_gates.gates_of(connection, broadcast.account, broadcast.id)
    return [gate for gate in there if gate.scope is GateScope.BROADCAST]


def reserve_remaining(
    connection: Connection,
    broadcast: LockedBroadcast,
    *,
    quota: proof_module.Quota | None,
    shared_quota: bool,
) -> None:
    """Prove the remaining calls of a planned broadcast, and reserve them. Raises PlanError."""
    if broadcast.phase is not Phase.SENDING:
        return
    wanted = ReservationRequest(
        account=broadcast.account,
        path=broadcast.path,
        broadcast_id=broadcast.id,
        at=None,
        calls=quotas.remaining(connection, broadcast.id),
        spread=broadcast.spread_days,
        shared=shared_quota,
    )
    proof = quotas.prove(connection, wanted, quota=quota)
    proof_module.check_fits(proof)
    quotas.reserve(connection, wanted, proof, quota=quota)


def reset_breaker(connection: Connection, broadcast: LockedBroadcast) -> None:
    """Reset the circuit breaker, after an operator resumed the broadcast."""
    counter = gate_changes.raise_counter(connection, broadcast.account)
    change(connection, BroadcastRow, broadcast.id, breaker_since=counter, woken_at=None)
    lane_rows.wake(connection, broadcast.account)


def is_cancelled(connection: Connection, broadcast: LockedBroadcast) -> bool:
    """Return whether a person cancelled the broadcast."""
    return any(gate.kind is GateKind.CANCEL for gate in own_gates(connection, broadcast))


def cancel(engine: Engine, broadcast_id: str, *, who: str, why: str | None = None) -> bool:
    """Never call the rest of a broadcast; return False if it had ended or was cancelled already.

    Batches that may have been sent end in doubt, never cancelled; one of which a person said that
    it was not sent is refused by that word; one in flight ends by its reply. One whose list is
    still to come never has one. Raises UnknownIdError.
    """

    def work(connection: Connection, broadcast: LockedBroadcast) -> tuple[bool, bool]:
        was_uploading = broadcast.phase is Phase.UPLOADING
        if was_uploading:
            awaited_lists.revoke_awaited_list(connection, broadcast.id)
        changed = _cancel(connection, broadcast, who=who, why=why)
        if was_uploading:
            awaited_lists.schedule_list_removal(connection, broadcast.id)
        return changed, was_uploading

    changed, was_uploading = run(engine, broadcast_id, work, uploading=True)
    if was_uploading:
        # With the database away a sweep does it.
        with contextlib.suppress(DatabaseAwayError):
            awaited_lists.clear_unlisted(engine, broadcast_id)
    return changed


def _cancel(
    connection: Connection, broadcast: LockedBroadcast, *, who: str, why: str | None
) -> bool:
    in_doubt = broadcast.result is BroadcastState.HELD
    has_ended = broadcast.phase is Phase.ENDED and not in_doubt
    if has_ended or is_cancelled(connection, broadcast):
        return False
    closing = Closing(
        kind=GateKind.CANCEL, who=who, why=why, broadcast_id=broadcast.id, reason=Reason.BY_HAND
    )
    gate_changes.close(connection, broadcast.account, closing)
    transitions.cancel_remaining(connection, broadcast.id, who=who, why=why)
    quotas.free(connection, broadcast.id)
    log_action(connection, broadcast, Did.CANCEL, who=who, why=why)
    if broadcast.phase in UNCALLED_PHASES:
        # Some of its batches may be there, and nobody saw them: its list alone says who was to
        # get it.
        delete_where(connection, Batch, Batch.broadcast_id == broadcast.id)
        transitions.end(connection, broadcast.id, BroadcastState.CANCELLED)
    transitions.end_if_at_rest(connection, broadcast.id)
    lane_rows.refresh_due(connection, broadcast.account)
    return True


@writing
def halt(
    connection: Connection,
    account: str | None,
    *,
    who: str,
    why: str | None = None,
    known: Iterable[Account] = (),
) -> list[str]:
    """Start no new call of an account, or of all; return the accounts that were running.

    *known* are accounts that may never have been used: they are halted as well.
    """
    configured = [one for one in known if account in {None, one.name}]
    for one in configured:
        lane_rows.ensure_lane(connection, one)
    closing = Closing(kind=GateKind.HALT, who=who, why=why, reason=Reason.BY_HAND)
    halted = [
        name
        for name in lane_rows.lock_lanes(connection, account)
        if gate_changes.close(connection, name, closing)
    ]
    _log(connection, halted, Did.HALT, who=who, why=why)
    return halted


@writing
def unhalt(
    connection: Connection, account: str | None, *, who: str, why: str | None = None
) -> list[str]:
    """Open an account's halt, circuit breaker and stops, and end its wait for tomorrow's calls.

    Return the accounts that were off or waited so. If WeChat has not raised or cleared the quota,
    it refuses the next call, and the account waits again.
    """
    lifted = []
    for name in lane_rows.lock_lanes(connection, account):
        moment = now(connection)
        mine = [
            gate
            for gate in closed_gates.gates_of(connection, name)
            if gate.kind in UNHALT_OPENS
            and gate.scope is not GateScope.BROADCAST
            and gate.is_closed(moment)
        ]
        if mine or lane_rows.waits_for_quota(connection, name):
            lane_rows.lift(connection, name)
            _call_today(connection, name, moment)
            gate_changes.open_(connection, name, mine, who=who, why=why)
            lane_rows.refresh_due(connection, name)
            _reset_doubt_count(connection, name)
            lifted.append(name)
    _log(connection, lifted, Did.UNHALT, who=who, why=why)
    return lifted


def _call_today(connection: Connection, account: str, moment: datetime) -> None:
    """Allow at once the calls that WeChat's quota of today refused."""
    waiting = Batch.state.in_([BatchState.PLANNED, BatchState.UNKNOWN])
    change_where(
        connection,
        Batch,
        Batch.account == account,
        Batch.reason == Reason.QUOTA_TODAY,
        waiting,
        Batch.not_before > moment,
        not_before=moment,
    )


def _reset_doubt_count(connection: Connection, account: str) -> None:
    change(connection, Lane, account, breaker_since=Lane.gate_counter)


def _log(connection: Connection, names: list[str], did: Did, *, who: str, why: str | None) -> None:
    for name in names:
        note(connection, EventKind.OPERATOR_ACTION, who=who, why=why, account=name, did=did)
