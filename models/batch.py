"""Batches, the unit of truth: one call each, and what became of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    UniqueConstraint,
    or_,
)
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.call.path import SendPath
from broadcast.call.result import LONGEST_MSG_STATUS
from broadcast.reasons import Reason
from broadcast.states import BatchState
from models.base import Base
from models.types import BigId, ascii_string, text_string


class Batch(Base):
    """One call. Its recipients are a range of a list, or, for WeChat's own sends, WeChat's affair.

    Who is in it is frozen at its first claim; before that it may shrink, and its key changes.
    """

    __tablename__ = "bc_batches"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    broadcast_id: Mapped[str] = mapped_column(ascii_string(32), ForeignKey("bc_broadcasts.id"))
    account: Mapped[str] = mapped_column(ascii_string(64))
    path: Mapped[SendPath]
    n: Mapped[int] = mapped_column(Integer)
    #: Its range: a list of the broadcast, where it starts in it, how many OpenIDs it takes.
    list: Mapped[str | None] = mapped_column(ascii_string(32))
    start: Mapped[int] = mapped_column(Integer, default=0)
    size: Mapped[int | None] = mapped_column(Integer)
    parent_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("bc_batches.id"))
    #: How often its ancestors were halved.
    depth: Mapped[int] = mapped_column(Integer, default=0)

    state: Mapped[BatchState]
    reason: Mapped[Reason | None]
    errcode: Mapped[int | None]
    errmsg: Mapped[str | None] = mapped_column(text_string(512))
    clientmsgid: Mapped[str] = mapped_column(ascii_string(32))
    #: Which renewal of its broadcast's content it says; 0: as it was submitted. It stays from the
    #: first call on, and is no part of the clientmsgid: the files are the same.
    renewal: Mapped[int] = mapped_column(Integer, default=0)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    not_before: Mapped[datetime | None]
    first_called_at: Mapped[datetime | None]
    msg_id: Mapped[int | None] = mapped_column(BigInteger)
    msg_data_id: Mapped[int | None] = mapped_column(BigInteger)
    #: The account's gate counter when it came to where it stands.
    moved_counter: Mapped[int] = mapped_column(BigInteger, default=0)
    #: An operator retried it (`retry`): its next call is the first of a new window.
    begins_anew: Mapped[bool] = mapped_column(Boolean, default=False)
    #: How many calls had been made when a person settled its doubt last.
    settled_after: Mapped[int | None] = mapped_column(Integer)

    #: mass/get: when it is asked next, how often it was, what it said last.
    poll_at: Mapped[datetime | None]
    polls: Mapped[int] = mapped_column(Integer, default=0)
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
