"""Queues of brokers, as workers found them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.types import Ascii64


class QueueRow(Base):
    """The queue of other programs at one broker."""

    __tablename__ = "bc_queues"

    #: SHA-256 of where it is, in hex.
    broker: Mapped[Ascii64] = mapped_column(primary_key=True)
    #: A worker found it empty then or later: what comes from it was sent after this moment.
    empty_at: Mapped[datetime]
