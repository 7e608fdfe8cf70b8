"""Drafts of broadcasts: what a look at them showed, and the gate that follows.

A look asks WeChat, and a claim never does: the lane looks when one is due, what it saw is ruled on
here under the lane's lock, and the claim reads the gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, exists, or_, select

from broadcast.frozen import frozen
from broadcast.rules import content as contents
from broadcast.rules import drafts
from broadcast.rules.calls import waits as waits_module
from broadcast.rules.calls.attempts import NoAnswer, storable
from broadcast.rules.calls.waits import Waits
from broadcast.rules.drafts import LastLook, Look, Marks, Ruling, StoredDraft
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.plan.submission import Body
from broadcast.rules.reports import DraftView
from broadcast.rules.states import OPEN_PHASES
from models.base import change, insert_row, value_of
from models.batch_tables import Batch
from models.broadcast_tables import BroadcastRow, DraftRow, Submission
from models.engine import now
from models.ledger.gates import gate_changes
from models.ledger.gates.gate_changes import Closing
from models.ledger.rows import closed_gates, lane_rows, locked_rows
from models.ledger.rows.transaction import WORKER, every_row, first, reading, selected, writing


@frozen
class Unread:
    """A draft that nobody has read yet."""

    broadcast_id: str
    media_id: str


def begin(connection: Connection, broadcast_id: str, body: Body, *, moment: datetime) -> None:
    """Store the draft of a broadcast at its submit; of other contents nothing."""
    media_id = contents.draft_of(body.content)
    if media_id is None:
        return
    insert_row(
        connection,
        DraftRow,
        broadcast_id=broadcast_id,
        media_id=media_id,
        approved=body.draft,
        seen=body.draft,
        looked_at=None if body.draft is None else moment,
    )


@reading
def draft_to_read(connection: Connection, broadcast_id: str) -> str | None:
    """Return the media_id of a draft at which must be looked before a call; None: not now."""
    mine = DraftRow.broadcast_id == broadcast_id
    row = connection.execute(select(DraftRow.media_id, DraftRow.looked_at).where(mine)).first()
    if row is None:
        return None
    broadcast = locked_rows.locked_broadcast(connection, broadcast_id)
    looked = LastLook(
        at=row.looked_at,
        opened_at=closed_gates.last_opened_at(connection, broadcast),
        called=broadcast.started_at is not None,
    )
    return row.media_id if drafts.is_due(looked, broadcast.now) else None


@writing
def record_look(connection: Connection, broadcast_id: str, look: Look, *, waits: Waits) -> bool:
    """Store the result of a look and rule on it; return whether calls may go on.

    Nothing is ruled on a broadcast that has ended.
    """
    account = lane_rows.lock_unless_ended(connection, broadcast_id)
    if account is None:
        return False
    ruling = drafts.ruling_of(_stored_draft(connection, broadcast_id), look)
    _store_content(connection, broadcast_id, ruling)
    if ruling.reason is None:
        return True
    gate_changes.close(
        connection, account, _closing(connection, broadcast_id, ruling, look=look, waits=waits)
    )
    lane_rows.refresh_due(connection, account)
    return False


@writing
def seen_by_person(connection: Connection, broadcast_id: str, marks: Marks | None) -> None:
    """Store what the draft says while a person looks at it: what a resume then lets go out.

    None: WeChat has it no more.
    """
    change(connection, DraftRow, broadcast_id, seen=marks)


def accept_seen(connection: Connection, broadcast_id: str) -> None:
    """Accept the draft as it was seen last; what could not be read is not compared any more."""
    change(connection, DraftRow, broadcast_id, approved=DraftRow.seen)


def accept(connection: Connection, broadcast_id: str, marks: Marks | None) -> None:
    """Accept the draft as an operator was shown it, whatever was seen since; as above."""
    change(connection, DraftRow, broadcast_id, approved=marks)


@reading
def unread_accounts(connection: Connection, *, waits: Waits) -> Sequence[str]:
    """Return the accounts with drafts that nobody has read, and that were not tried of late."""
    query = select(BroadcastRow.account).distinct().order_by(BroadcastRow.account)
    return list(connection.scalars(_unread(connection, query, waits)))


@reading
def unread(connection: Connection, account: str, *, most: int, waits: Waits) -> Sequence[Unread]:
    """Return up to *most* of these drafts of one account."""
    query = selected(Unread, DraftRow).where(BroadcastRow.account == account)
    some = _unread(connection, query.order_by(BroadcastRow.published_at).limit(most), waits)
    return every_row(connection, some, Unread)


def _unread(connection: Connection, query: Select[Any], waits: Waits) -> Select[Any]:
    before = now(connection) - waits.scaled(waits_module.UNANSWERED_PAUSE)
    return (
        query.join_from(DraftRow, BroadcastRow, BroadcastRow.id == DraftRow.broadcast_id)
        .where(DraftRow.looked_at.is_(None), BroadcastRow.phase.in_(OPEN_PHASES))
        .where(or_(DraftRow.tried_at.is_(None), DraftRow.tried_at < before))
    )


@writing
def read_first(connection: Connection, broadcast_id: str, look: Look) -> None:
    """Store the first look at a draft, made before any call is due; without an answer only that.

    A lane that has looked meanwhile knows better.
    """
    account = lane_rows.lock_unless_ended(connection, broadcast_id)
    if account is None or value_of(connection, broadcast_id, DraftRow.looked_at) is not None:
        return
    if isinstance(look, NoAnswer):
        change(connection, DraftRow, broadcast_id, tried_at=now(connection))
    else:
        _store_content(
            connection,
            broadcast_id,
            drafts.ruling_of(_stored_draft(connection, broadcast_id), look),
        )


def _stored_draft(connection: Connection, broadcast_id: str) -> StoredDraft:
    taken = exists().where(Batch.broadcast_id == broadcast_id, Batch.state.in_(drafts.TAKEN))
    query = selected(StoredDraft, DraftRow, accepted=taken)
    stored = first(connection, query.where(DraftRow.broadcast_id == broadcast_id), StoredDraft)
    if stored is None:
        raise LookupError(f"broadcast {broadcast_id} sends no draft")
    return stored


def _store_content(connection: Connection, broadcast_id: str, ruling: Ruling) -> None:
    known, moment = ruling.known, now(connection)
    values: dict[str, object] = {
        "approved": known.approved,
        "seen": known.seen,
        "tries": known.tries,
        "tried_at": moment,
    }
    if not ruling.waits:
        values["looked_at"] = moment
    change(connection, DraftRow, broadcast_id, **values)


def _closing(
    connection: Connection, broadcast_id: str, ruling: Ruling, *, look: Look, waits: Waits
) -> Closing:
    fact = storable(look) if isinstance(look, NoAnswer) else None
    until = now(connection) + waits.scaled(waits_module.UNANSWERED_PAUSE) if ruling.waits else None
    return Closing(
        kind=GateKind.LOOK if ruling.waits else GateKind.DRAFT,
        who=WORKER,
        broadcast_id=broadcast_id,
        reason=ruling.reason,
        until=until,
        errcode=fact.errcode if fact else None,
        errmsg=fact.errmsg if fact else None,
    )


def draft_of_broadcast(connection: Connection, broadcast_id: str) -> DraftView | None:
    """Return it; None where the broadcast sends no draft."""
    return first(connection, _DRAFT.filter_by(broadcast_id=broadcast_id), DraftView)


@reading
def under_key(connection: Connection, account: str, key: str) -> DraftView | None:
    """Return the draft of the broadcast that was submitted under this key, if there is one."""
    mine = _DRAFT.join(Submission, Submission.broadcast_id == DraftRow.broadcast_id)
    mine = mine.where(Submission.account == account, Submission.key == key)
    return first(connection, mine, DraftView)


_DRAFT = selected(DraftView, DraftRow)
