"""Who was read and not planned, by reason."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Integer
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.types import LongText, Packed, ascii_string


class Skipped(Base):
    """One reason of one broadcast: how many, the first 1,000 with their line, or packed OpenIDs."""

    __tablename__ = "skipped"

    broadcast_id: Mapped[str] = mapped_column(
        ascii_string(32), ForeignKey("broadcasts.id"), primary_key=True
    )
    #: ``malformed``, ``duplicate`` …: the words of ``--json``.
    reason: Mapped[str] = mapped_column(ascii_string(32), primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    #: JSON list of [line, text] of the first 1,000.
    sample: Mapped[str] = mapped_column(LongText)
    openids: Mapped[bytes | None] = mapped_column(Packed)
