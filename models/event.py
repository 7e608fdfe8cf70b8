"""What happened, in order: every change of a state, every operator's verdict, every notice."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.events import EventKind
from models.base import Base
from models.types import BigId, LongText, ascii_string, text_string


class Event(Base):
    """One line of the history."""

    __tablename__ = "bc_events"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    at: Mapped[datetime]
    account: Mapped[str | None] = mapped_column(ascii_string(64))
    broadcast_id: Mapped[str | None] = mapped_column(ascii_string(32))
    batch_id: Mapped[int | None] = mapped_column(BigInteger)
    kind: Mapped[EventKind]
    who: Mapped[str] = mapped_column(text_string(128))
    #: JSON object.
    detail: Mapped[str] = mapped_column(LongText)

    __table_args__ = (Index("ix_bc_events_broadcast_id_id", "broadcast_id", "id"),)
