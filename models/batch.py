"""Batches, the unit of truth: one call each, and what became of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    UniqueConstraint,
    or_,
)
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.call.path import SendPath
from broadcast.call.result import LONGEST_MSG_STATUS
from broadcast.reasons import Reason
from broadcast.states import BatchState
from models.base import Base
from models.types import (
    Ascii32,
    Ascii64,
    BigCount,
    BigInt,
    Count,
    OfBroadcast,
    RowID,
    Text512,
    ascii_string,
)


class Batch(Base):
    """One call. Its recipients are a range of a list, or, for WeChat's own sends, WeChat's affair.

    Who is in it is frozen at its first claim; before that it may shrink, and its key changes.
    """

    __tablename__ = "bc_batches"

    id: Mapped[RowID]
    broadcast_id: Mapped[OfBroadcast]
    account: Mapped[Ascii64]
    path: Mapped[SendPath]
    n: Mapped[int]
    #: Its range: a list of the broadcast, where it starts in it, how many OpenIDs it takes.
    list: Mapped[Ascii32 | None]
    start: Mapped[Count]
    size: Mapped[int | None]
    parent_id: Mapped[BigInt | None] = mapped_column(ForeignKey("bc_batches.id"))
    #: How often its ancestors were halved.
    depth: Mapped[Count]

    state: Mapped[BatchState]
    reason: Mapped[Reason | None]
    errcode: Mapped[int | None]
    errmsg: Mapped[Text512 | None]
    clientmsgid: Mapped[Ascii32]
    #: Which renewal of its broadcast's content it says; 0: as it was submitted. It stays from the
    #: first call on, and is no part of the clientmsgid: the files are the same.
    renewal: Mapped[Count]
    attempts: Mapped[Count]
    not_before: Mapped[datetime | None]
    first_called_at: Mapped[datetime | None]
    msg_id: Mapped[BigInt | None]
    msg_data_id: Mapped[BigInt | None]
    #: The account's gate counter when it came to where it stands.
    moved_counter: Mapped[BigCount]
    #: An operator retried it (`retry`): its next call is the first of a new window.
    begins_anew: Mapped[bool] = mapped_column(default=False)
    #: How many calls had been made when a person settled its doubt last.
    settled_after: Mapped[int | None]

    #: mass/get: when it is asked next, how often it was, what it said last.
    poll_at: Mapped[datetime | None]
    polls: Mapped[Count]
    msg_status: Mapped[str | None] = mapped_column(ascii_string(LONGEST_MSG_STATUS))

    __table_args__ = (
        UniqueConstraint("broadcast_id", "n"),
        UniqueConstraint("account", "clientmsgid"),
        Index("ix_bc_batches_state", "state", "account"),
        Index("ix_bc_batches_next", "broadcast_id", "state", "n"),
        Index("ix_bc_batches_account_msg_id", "account", "msg_id"),
        Index("ix_bc_batches_poll_at", "account", "poll_at"),
        # MySQL makes it automatically; elsewhere the check of the foreign key would scan the table.
        Index("ix_bc_batches_parent_id", "parent_id"),
    )  # fmt: skip


#: Somebody is in it, or its list is WeChat's. A half of which all were taken out is no call: it is
#: kept for what became of the whole, and neither counted nor shown.
IS_A_CALL: ColumnElement[bool] = or_(Batch.size.is_(None), Batch.size > 0)
