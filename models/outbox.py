"""Broadcasts that apps asked for in transactions of their own, until a worker submits them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.types import Ascii32, LongWords, Text64, Text128


class OutboxRow(Base):
    """One request, as the app wrote it; it is gone once it is a broadcast or a dead letter.

    Nothing of it is unique but a random id: the second of two apps' transactions with one key would
    wait for the end of the first.
    """

    __tablename__ = "bc_outbox"

    id: Mapped[Ascii32] = mapped_column(primary_key=True)
    #: None: the request names none.
    account: Mapped[Text64 | None]
    who: Mapped[Text128]
    #: JSON, as of a message of another program.
    body: Mapped[LongWords]
    #: When it was written; its transaction may have been committed much later.
    created_at: Mapped[datetime]
    #: When a worker that lacks its account saw it first: never before it was committed.
    seen_at: Mapped[datetime | None]
    #: When a worker took it last.
    taken_at: Mapped[datetime | None]
    tries: Mapped[int]

    __table_args__ = (Index("ix_bc_outbox_tries", "tries", "created_at"),)
