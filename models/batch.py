"""Batches, the unit of truth, and the packed OpenIDs of each in a table of their own.

The OpenIDs stand apart because a state change of a row that carries 210 kB costs five times as much
on SQLite, and because listing batches must not read them.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.call.attempts import Reason
from broadcast.call.result import LONGEST_MSG_STATUS
from broadcast.states import BatchState
from models.base import Base
from models.types import BigId, Packed, ascii_string, text_string


class Pack(Base):
    """The OpenIDs of one batch: sorted, 21 bytes each (``broadcast.openid.pack``)."""

    __tablename__ = "packs"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    broadcast_id: Mapped[str] = mapped_column(ascii_string(32), ForeignKey("broadcasts.id"))
    n: Mapped[int] = mapped_column(Integer)
    size: Mapped[int] = mapped_column(Integer)
    first_openid: Mapped[str] = mapped_column(ascii_string(28))
    last_openid: Mapped[str] = mapped_column(ascii_string(28))
    openids: Mapped[bytes] = mapped_column(Packed)

    __table_args__ = (UniqueConstraint("broadcast_id", "n"),)


class Batch(Base):
    """One call's worth of OpenIDs and what became of it."""

    __tablename__ = "batches"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    broadcast_id: Mapped[str] = mapped_column(ascii_string(32), ForeignKey("broadcasts.id"))
    account: Mapped[str] = mapped_column(ascii_string(64))
    n: Mapped[int] = mapped_column(Integer)
    size: Mapped[int] = mapped_column(Integer)
    pack_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("packs.id"))
    parent_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("batches.id"))
    #: How often its ancestors were halved.
    depth: Mapped[int] = mapped_column(Integer, default=0)

    state: Mapped[BatchState]
    reason: Mapped[Reason | None]
    errcode: Mapped[int | None]
    errmsg: Mapped[str | None] = mapped_column(text_string(512))
    clientmsgid: Mapped[str] = mapped_column(ascii_string(32))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    not_before: Mapped[datetime | None]
    first_called_at: Mapped[datetime | None]
    msg_id: Mapped[int | None] = mapped_column(BigInteger)
    msg_data_id: Mapped[int | None] = mapped_column(BigInteger)

    #: mass/get: when it is asked next, how often it was, what it said last.
    poll_at: Mapped[datetime | None]
    polls: Mapped[int] = mapped_column(Integer, default=0)
    msg_status: Mapped[str | None] = mapped_column(ascii_string(LONGEST_MSG_STATUS))

    __table_args__ = (
        UniqueConstraint("broadcast_id", "n"),
        UniqueConstraint("account", "clientmsgid"),
        Index("ix_batches_account_state", "account", "state"),
        Index("ix_batches_account_msg_id", "account", "msg_id"),
        Index("ix_batches_poll_at", "poll_at"),
        # MySQL makes these two by itself; elsewhere the check of a foreign key would scan the table
        # once for every pack of an upload that is cleared away.
        Index("ix_batches_pack_id", "pack_id"),
        Index("ix_batches_parent_id", "parent_id"),
    )
