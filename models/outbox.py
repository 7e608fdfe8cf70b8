"""Broadcasts that apps asked for in transactions of their own, until a worker submits them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.types import LongText, ascii_string, text_string


class OutboxRow(Base):
    """One request, as the app wrote it; it is gone once it is a broadcast or a dead letter.

    Nothing of it is unique but a random id: the second of two apps' transactions with one key would
    wait for the end of the first.
    """

    __tablename__ = "bc_outbox"

    id: Mapped[str] = mapped_column(ascii_string(32), primary_key=True)
    #: None: the request names none.
    account: Mapped[str | None] = mapped_column(text_string(64))
    who: Mapped[str] = mapped_column(text_string(128))
    #: JSON, as of a message of another program.
    body: Mapped[str] = mapped_column(LongText)
    #: When it was written; its transaction may have been committed much later.
    created_at: Mapped[datetime]
    #: When a worker that lacks its account saw it first: never before it was committed.
    seen_at: Mapped[datetime | None]
    #: When a worker took it last.
    taken_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(Integer)

    __table_args__ = (Index("ix_bc_outbox_tries", "tries", "created_at"),)
