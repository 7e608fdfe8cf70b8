"""Ids of broadcasts: the newest, the open ones, those that a part fits, and near ones."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from sqlalchemy import Connection, Engine, func, or_, select
from sqlalchemy.orm import aliased

from broadcast.call.path import SendPath
from broadcast.errors import ConflictError, InputError, UnknownIdError
from broadcast.states import BroadcastState, Phase
from models.account import AccountRow
from models.broadcast import BroadcastRow, Submission
from models.ledger.transaction import read
from models.upload import UploadRow

_NEWEST_FIRST = (BroadcastRow.created_at.desc(), BroadcastRow.id.desc())
_IS_OPEN = or_(
    BroadcastRow.phase.in_([Phase.PLANNING, Phase.SENDING]),
    (BroadcastRow.phase == Phase.ENDED) & (BroadcastRow.result == BroadcastState.HELD),
)


def newest(engine: Engine) -> str | None:
    """Return the newest broadcast's id, one whose list is still being stored included."""
    with read(engine) as connection:
        return connection.scalar(select(BroadcastRow.id).order_by(*_NEWEST_FIRST).limit(1))


def under_key(engine: Engine, account: str, key: str) -> str | None:
    """Return the broadcast that was published under a key of an account, if there is one."""
    query = select(Submission.broadcast_id).where(
        Submission.account == account, Submission.key == key, Submission.body_digest.is_not(None)
    )
    with read(engine) as connection:
        return connection.scalar(query)


def of_accounts(engine: Engine) -> Sequence[str]:
    """Return the names of all accounts that were ever used here."""
    with read(engine) as connection:
        return connection.scalars(select(AccountRow.name).order_by(AccountRow.name)).all()


def account_of(engine: Engine, broadcast_id: str) -> str | None:
    """Return the account of the broadcast that has exactly this id; None: there is none."""
    query = select(BroadcastRow.account).where(BroadcastRow.id == broadcast_id)
    with read(engine) as connection:
        return connection.scalar(query)


def fitting(engine: Engine, part: str, *, most: int) -> Sequence[str]:
    """Return the newest ids that hold *part*, in upper or lower case."""
    holds = func.lower(BroadcastRow.id).contains(part.lower(), autoescape=True)
    query = select(BroadcastRow.id).where(holds).order_by(*_NEWEST_FIRST).limit(most)
    with read(engine) as connection:
        return connection.scalars(query).all()


def of_open(engine: Engine, *, most: int) -> Sequence[str]:
    """Return the newest broadcasts that have not ended, or ended with a batch in doubt."""
    query = select(BroadcastRow.id).where(_IS_OPEN).order_by(*_NEWEST_FIRST).limit(most)
    with read(engine) as connection:
        return connection.scalars(query).all()


def newer(engine: Engine, broadcast_id: str) -> Sequence[str]:
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
    with read(engine) as connection:
        return connection.scalars(query).all()


def not_stored(connection: Connection, broadcast_id: str) -> InputError:
    """Return why nothing is done to a broadcast of this id: its list is to come, or none has it.

    Who gave up storing its list left nothing that can be named.
    """
    query = (
        select(UploadRow.broadcast_id.is_not(None).label("is_awaited"))
        .select_from(BroadcastRow)
        .join(UploadRow, UploadRow.broadcast_id == BroadcastRow.id, isouter=True)
        .where(BroadcastRow.id == broadcast_id, BroadcastRow.phase == Phase.UPLOADING)
        .where(BroadcastRow.uploading_at.is_not(None))
    )
    there = connection.execute(query).first()
    if there is None:
        return unknown(connection, broadcast_id)
    name = "error.broadcast.awaited" if there.is_awaited else "error.broadcast.uploading"
    return ConflictError(name, id=broadcast_id)


def unknown(connection: Connection, broadcast_id: str) -> UnknownIdError:
    """Return the error that nobody has this id, with the newest ids that look like it."""
    ids = connection.scalars(
        select(BroadcastRow.id)
        .where(BroadcastRow.phase != Phase.UPLOADING)
        .order_by(BroadcastRow.created_at.desc())
        .limit(500)
    ).all()
    near = difflib.get_close_matches(broadcast_id, ids, n=3, cutoff=0.6)
    if near:
        return UnknownIdError("error.broadcast.unknown_near", id=broadcast_id, near=", ".join(near))
    return UnknownIdError("error.broadcast.unknown", id=broadcast_id)
