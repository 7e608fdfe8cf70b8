"""Locked rows: a broadcast, a batch, a list of people; and commands, which lock a lane."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import (
    Connection,
    bindparam,
    exists,
    func,
    or_,
    select,
    true,
)
from sqlalchemy.orm import aliased

from broadcast.errors import ConflictError, InputError, UnknownIdError
from broadcast.names import EventKind
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.reports import Did
from broadcast.rules.states import BATCH_AT_REST, OPEN_PHASES, BroadcastState, Phase
from broadcast.rules.suppressions import ALL_ACCOUNTS
from models.accounts import Lane
from models.base import change_where, insert_row, value_of
from models.batch_tables import DENIED, OF_ACCOUNT, STANDS, AttemptRow, Batch, GateRow
from models.broadcast_tables import BroadcastRow, Submission, UploadRow
from models.engine import database_now
from models.ledger.rows import closed_gates, lane_rows
from models.ledger.rows.transaction import (
    LockedBatch,
    LockedBroadcast,
    note,
    one_row,
    reading,
    selected,
    writing,
)
from models.suppressions import ListChanges, ListName

_OTHER = aliased(Batch)
# Built once: building a statement costs as much as running it, and each record runs this one.
_BATCH = (
    selected(
        LockedBatch,
        Batch,
        gate_counter=Lane.gate_counter,
        now=database_now(),
        lane_waits_until=Lane.not_before,
        due_at=BroadcastRow.due_at,
        cancelled=closed_gates.is_cancelled(Batch.broadcast_id),
        # The last are open the longest: from the end of the index the look is a short one.
        others_open=select(_OTHER.id)
        .where(_OTHER.broadcast_id == Batch.broadcast_id, _OTHER.id != Batch.id)
        .where(_OTHER.state.not_in(list(BATCH_AT_REST)))
        .order_by(_OTHER.n.desc())
        .limit(1)
        .scalar_subquery()
        .is_not(None),
        any_denied=exists().where(AttemptRow.batch_id == Batch.id, DENIED),
    )
    .join(Lane, Lane.account == Batch.account)
    .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
    .where(Batch.id == bindparam("batch_id"))
)
_GATE = exists().where(GateRow.account == BroadcastRow.account, STANDS)
_BROADCAST = selected(
    LockedBroadcast,
    BroadcastRow,
    now=database_now(),
    has_gates=or_(
        _GATE.where(OF_ACCOUNT),
        _GATE.where(GateRow.broadcast_id == BroadcastRow.id),
    ),
).filter_by(id=bindparam("broadcast_id"))


def locked_batch(connection: Connection, batch_id: int) -> LockedBatch:
    """Return a batch whose lane the caller has locked: nobody moves it before the commit."""
    return one_row(connection, _BATCH, LockedBatch, {"batch_id": batch_id})


def locked_broadcast(connection: Connection, broadcast_id: str) -> LockedBroadcast:
    """Return a broadcast whose lane the caller has locked."""
    return one_row(connection, _BROADCAST, LockedBroadcast, {"broadcast_id": broadcast_id})


def lock_list_changes(connection: Connection, account: str, which: ListName) -> int:
    """Lock a list against changes until the commit; return the number of its last change.

    Raises IntegrityError where somebody else is the first one to lock it at once.
    """
    query = select(ListChanges.changes).filter_by(account=account, list=which)
    number: int | None = connection.scalar(query.with_for_update())
    if number is None:
        insert_row(connection, ListChanges, account=account, list=which, changes=0)
    return number or 0


def count_list_change(
    connection: Connection, account: str, which: ListName, *, change: int
) -> None:
    """Record the number of the last change of a list that is locked."""
    mine = (ListChanges.account == account, ListChanges.list == which)
    change_where(connection, ListChanges, *mine, changes=change)


@dataclass(frozen=True, slots=True)
class Changes:
    """Version numbers of an account's suppression and unsubscribe lists."""

    own: int
    of_all: int
    left: int

    def __str__(self) -> str:
        """Return them as ``OWN.ALL.LEFT``."""
        return f"{self.own}.{self.of_all}.{self.left}"

    @classmethod
    def parse(cls, text: str) -> Changes:
        """Read what was written. Raises ValueError for anything else."""
        own, of_all, left = text.split(".")
        return cls(int(own), int(of_all), int(left))


def list_changes(connection: Connection, account: str) -> Changes:
    """Return the changes that are committed."""
    query = select(ListChanges.account, ListChanges.list, ListChanges.changes)
    mine = query.where(ListChanges.account.in_([account, ALL_ACCOUNTS]))
    found = {(row.account, row.list): row.changes for row in connection.execute(mine)}
    return Changes(
        own=found.get((account, ListName.SUPPRESSED), 0),
        of_all=found.get((ALL_ACCOUNTS, ListName.SUPPRESSED), 0),
        left=found.get((account, ListName.LEFT), 0),
    )


T = TypeVar("T")


@writing
def run(
    connection: Connection,
    broadcast_id: str,
    work: Callable[[Connection, LockedBroadcast], T],
    *,
    uploading: bool = False,
) -> T:
    """Run *work* with the broadcast as it stands, in one transaction.

    The lane's row is taken first, as claims do: after the commit no new call starts that the
    command forbids. *uploading*: its list may still be to come; else ConflictError is raised where
    it is. Raises UnknownIdError, naming near ids.
    """
    account = connection.scalar(
        select(BroadcastRow.account)
        .filter_by(id=broadcast_id)
        .where(true() if uploading else BroadcastRow.phase != Phase.UPLOADING)
    )
    if account is None:
        raise not_stored(connection, broadcast_id)
    lane_rows.lock(connection, account)
    return work(connection, locked_broadcast(connection, broadcast_id))


def refuse_pruned(connection: Connection, broadcast_id: str) -> None:
    """Raise ConflictError for a broadcast whose lists and calls were removed."""
    if value_of(connection, broadcast_id, BroadcastRow.pruned_at) is not None:
        raise ConflictError("error.broadcast.pruned", id=broadcast_id)


def log_action(
    connection: Connection,
    broadcast: LockedBroadcast,
    did: Did,
    *,
    who: str,
    why: str | None,
    **facts: object,
) -> None:
    """Write the command itself into the history, once, beside the moves that came of it."""
    note(
        connection,
        EventKind.OPERATOR_ACTION,
        who=who,
        why=why,
        broadcast_id=broadcast.id,
        did=did,
        **facts,
    )


_NEWEST_FIRST = (BroadcastRow.created_at.desc(), BroadcastRow.id.desc())
_IS_OPEN = or_(
    BroadcastRow.phase.in_(OPEN_PHASES),
    (BroadcastRow.phase == Phase.ENDED) & (BroadcastRow.result == BroadcastState.HELD),
)


@reading
def newest(connection: Connection) -> str | None:
    """Return the newest broadcast's id, one whose list is still being stored included."""
    return connection.scalar(select(BroadcastRow.id).order_by(*_NEWEST_FIRST).limit(1))


@reading
def under_key(connection: Connection, account: str, key: str) -> str | None:
    """Return the broadcast that was published under a key of an account, if there is one."""
    query = (
        select(Submission.broadcast_id)
        .filter_by(account=account, key=key)
        .where(Submission.body_digest.is_not(None))
    )
    return connection.scalar(query)


@reading
def account_of(connection: Connection, broadcast_id: str) -> str | None:
    """Return the account of the broadcast that has exactly this id; None: there is none."""
    return value_of(connection, broadcast_id, BroadcastRow.account)


@reading
def fitting(connection: Connection, part: str, *, most: int) -> Sequence[str]:
    """Return the newest ids that hold *part*, in upper or lower case."""
    holds = func.lower(BroadcastRow.id).contains(part.lower(), autoescape=True)
    query = select(BroadcastRow.id).where(holds).order_by(*_NEWEST_FIRST).limit(most)
    return connection.scalars(query).all()


@reading
def of_open(connection: Connection, *, most: int) -> Sequence[str]:
    """Return the newest broadcasts that have not ended, or ended with a batch in doubt."""
    query = select(BroadcastRow.id).where(_IS_OPEN).order_by(*_NEWEST_FIRST).limit(most)
    return connection.scalars(query).all()


@reading
def newer(connection: Connection, broadcast_id: str) -> Sequence[str]:
    """Return the newest broadcasts of the same account that go to lists of OpenIDs.

    Newer is what was submitted after the first call, or after the submit of one that was not
    called yet.
    """
    old = aliased(BroadcastRow)
    query = (
        select(BroadcastRow.id)
        .join(old, old.account == BroadcastRow.account)
        .where(
            old.id == broadcast_id,
            BroadcastRow.id != broadcast_id,
            BroadcastRow.phase != Phase.UPLOADING,
            BroadcastRow.path == SendPath.MASS_SEND,
            BroadcastRow.published_at > func.coalesce(old.started_at, old.published_at),
        )
        .order_by(BroadcastRow.published_at.desc(), BroadcastRow.id)
    )
    return connection.scalars(query).all()


def not_stored(connection: Connection, broadcast_id: str) -> InputError:
    """Return why nothing is done to a broadcast of this id: its list is to come, or none has it.

    Who gave up storing its list left nothing that can be named.
    """
    query = (
        select(UploadRow.broadcast_id.is_not(None).label("is_awaited"))
        .select_from(BroadcastRow)
        .join(UploadRow, UploadRow.broadcast_id == BroadcastRow.id, isouter=True)
        .filter_by(id=broadcast_id, phase=Phase.UPLOADING)
        .where(BroadcastRow.uploading_at.is_not(None))
    )
    there = connection.execute(query).first()
    if there is None:
        return unknown_id(connection, broadcast_id)
    name = "error.broadcast.awaited" if there.is_awaited else "error.broadcast.uploading"
    return ConflictError(name, id=broadcast_id)


def unknown_id(connection: Connection, broadcast_id: str) -> UnknownIdError:
    """Return the error that nobody has this id, with the newest ids that look like it."""
    ids = connection.scalars(
        select(BroadcastRow.id)
        .where(BroadcastRow.phase != Phase.UPLOADING)
        .order_by(BroadcastRow.created_at.desc())
        .limit(500)
    ).all()
    return not_among("broadcast", broadcast_id, ids)


def not_among(kind: str, wanted: str, known: Sequence[str]) -> UnknownIdError:
    """Return the error that nothing of a kind has this id, with those *known* that look like it."""
    # Those of one day begin alike: the end alone is another one.
    ends = {one.rpartition("-")[2]: one for one in reversed(known)}
    end = wanted.rpartition("-")[2]
    near = [ends[one] for one in difflib.get_close_matches(end, ends, n=3, cutoff=0.6)]
    if near:
        return UnknownIdError(f"error.{kind}.unknown_near", id=wanted, near=", ".join(near))
    return UnknownIdError(f"error.{kind}.unknown", id=wanted)
