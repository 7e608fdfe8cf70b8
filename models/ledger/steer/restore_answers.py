"""A person's answer after the database was restored, copied or moved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, exists, func, select

from broadcast.errors import InputError
from broadcast.frozen import frozen
from broadcast.rules.campaigns.launches import LaunchState, Why
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.gates.restore_guard import Counts, DatabaseFacts, restore_point
from broadcast.rules.states import BatchState, Phase
from models.accounts import Lane
from models.base import change, change_where, count_of, insert_row
from models.batch_tables import OF_ACCOUNT, STANDS, Batch, GateRow
from models.broadcast_tables import BroadcastRow
from models.campaign_tables import LaunchRow
from models.installation import Installation, RestoreRow
from models.ledger.campaigns import campaign_edits
from models.ledger.gates import gate_changes, restores
from models.ledger.gates.gate_changes import Closing
from models.ledger.rows import closed_gates, lane_rows
from models.ledger.rows.transaction import reading, writing


@frozen
class Answered:
    """Result of an answer."""

    #: Accounts whose calls go on.
    opened: list[str]
    #: Up to when the database knows what was sent; None: it was moved, and knows all.
    point: datetime | None
    #: Broadcasts that were held, and batches that are repeated with their clientmsgid.
    held: list[str]
    repeats: int
    #: Runs of campaigns that are held, as they may have been sent.
    runs: int
    #: Campaigns that were disabled.
    disabled: list[str]
    #: Claims of each account, from which on Redis counts.
    claims: Mapping[str, int]
    #: Notes of workers, likewise.
    notes: int


def _closed_at(connection: Connection) -> datetime | None:
    return connection.scalar(
        select(func.min(GateRow.closed_at)).where(
            GateRow.kind == GateKind.RESTORED, OF_ACCOUNT, STANDS
        )
    )


#: Since when the lanes are closed; None: they are not.
closed_at = reading(_closed_at)


@writing
def answer(
    connection: Connection,
    *,
    since: datetime | None,
    counts: Counts,
    who: str,
    why: str | None = None,
) -> Answered:
    """Open the lanes. *since*: up to when the database knows what was sent; None: it was moved.

    What may have been sent or called off since is held, and campaigns are disabled; a batch whose
    call had begun before is repeated with its clientmsgid. *counts*: Redis's. Raises
    InputError where *since* is to come, or a moved database is behind them.
    """
    lanes = lane_rows.lock_lanes(connection)
    facts = restores.facts_in(connection)
    moment = facts.now
    point = _point(facts, since, counts)
    before = _closed_at(connection) or moment
    held, disabled = list[str](), list[str]()
    if point is not None:
        held = _hold(connection, who=who, before=before)
        disabled = campaign_edits.disable_restored(connection, before=before, who=who)
    for name in facts.uncounted:
        lane_rows.lift(connection, name)
    opened = [name for name in lanes if _open(connection, name, who=who, why=why)]
    claims = {
        name: max(facts.lane(name).claims, counts.claims.get(name, 0))
        for name in {*facts.lanes, *facts.forgotten, *counts.claims}
    }
    for name in facts.lanes:
        unsure = {} if point is None else {"unsure_until": before}
        change(connection, Lane, name, claims=claims[name], seen_at=moment, **unsure)
    # A worker may note that it is at work meanwhile.
    behind = Installation.notes < (counts.notes or 0)
    change_where(connection, Installation, behind, notes=counts.notes)
    # Whatever is owed since Redis was emptied is answered for.
    change_where(connection, Installation, place=facts.place or None, emptied_at=None)
    forgotten = json.dumps({name: claims[name] for name in claims.keys() - facts.lanes.keys()})
    insert_row(
        connection, RestoreRow, at=moment, who=who, why=why, since=point, forgotten=forgotten
    )
    return Answered(
        opened=opened,
        point=point,
        held=held,
        disabled=disabled,
        claims=claims,
        notes=max(facts.notes, counts.notes or 0),
        repeats=0 if point is None else _unknown(connection),
        runs=0 if point is None else _held_runs(connection),
    )


def _point(facts: DatabaseFacts, since: datetime | None, counts: Counts) -> datetime | None:
    """Return up to when the database knows what was sent; None: it knows all."""
    if since is None:
        for account in facts.behind(counts):
            raise InputError("error.restored.behind", account=account)
        if facts.is_forgetful(counts):
            raise InputError("error.restored.forgetful")
        return None
    if since > facts.now:
        raise InputError("error.restored.to_come", at=since, now=facts.now)
    return restore_point(since, facts.known_until)


def _hold(connection: Connection, *, who: str, before: datetime) -> list[str]:
    """Hold whatever was asked for before a moment and has calls to make; return what was held.

    It may have been sent since the backup, or cancelled where its time is still to come.
    """
    planned = exists().where(
        Batch.broadcast_id == BroadcastRow.id, Batch.state == BatchState.PLANNED
    )
    query = (
        select(
            BroadcastRow.account,
            BroadcastRow.id,
            BroadcastRow.created_at,
            BroadcastRow.unattended_at,
            BroadcastRow.unattended_s,
        )
        .where(BroadcastRow.phase != Phase.ENDED)
        .where((BroadcastRow.created_at <= before) | (BroadcastRow.unattended_s > 0))
        .where((BroadcastRow.phase != Phase.SENDING) | planned)
        .order_by(BroadcastRow.created_at, BroadcastRow.id)
    )
    held = list[str]()
    # Read first: a gate that is closed changes its broadcast's row.
    found = connection.execute(query).all()
    for account, broadcast_id, created_at, unattended_at, unattended_s in found:
        # A request of the outbox may have been on its way while the lanes were closed.
        asked_at = unattended_at and unattended_at - timedelta(seconds=unattended_s)
        if min(created_at, asked_at or created_at) <= before:
            closing = Closing(kind=GateKind.RESTORED, who=who, broadcast_id=broadcast_id)
            gate_changes.close(connection, account, closing)
            held.append(broadcast_id)
    return held


def _open(connection: Connection, account: str, *, who: str, why: str | None) -> bool:
    mine = [
        gate
        for gate in closed_gates.gates_of(connection, account)
        if gate.kind is GateKind.RESTORED
    ]
    gate_changes.open_(connection, account, mine, who=who, why=why)
    return bool(mine)


def _unknown(connection: Connection) -> int:
    maybe_sent = Batch.state.in_([BatchState.UNKNOWN, BatchState.CALLING])
    return count_of(connection, Batch, maybe_sent)


def _held_runs(connection: Connection) -> int:
    held = LaunchRow.state == LaunchState.HELD
    return count_of(connection, LaunchRow, held, LaunchRow.why == Why.RESTORED)
