"""History, in order: every change of a state, every operator's verdict, every notice."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from broadcast.names import EventKind
from models.base import Ascii32, Ascii64, Base, BigInt, LongWords, RowID, Text128


class Event(Base):
    """One line of the history."""

    __tablename__ = "bc_events"

    id: Mapped[RowID]
    at: Mapped[datetime]
    account: Mapped[Ascii64 | None]
    broadcast_id: Mapped[Ascii32 | None]
    batch_id: Mapped[BigInt | None]
    kind: Mapped[EventKind]
    who: Mapped[Text128]
    #: JSON object.
    detail: Mapped[LongWords]

    __table_args__ = (Index("ix_bc_events_broadcast_id_id", "broadcast_id", "id"),)
