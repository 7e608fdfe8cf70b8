"""Recipients: sorted lists of OpenIDs in chunks, and who was left out by reason."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.types import BigId, LongText, Packed, ascii_string


class ChunkRow(Base):
    """Some OpenIDs of one list of a broadcast: sorted, 21 bytes each (``broadcast.openid.pack``).

    They stand apart from batches because a state change of a row that carries 210 kB costs five
    times as much on SQLite, and because listing batches must not read them.
    """

    __tablename__ = "bc_chunks"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    broadcast_id: Mapped[str] = mapped_column(ascii_string(32), ForeignKey("bc_broadcasts.id"))
    #: ``asked``; ``left.RUN`` and ``REASON.RUN`` of a run of the plan's subtraction, which counts
    #: if the broadcast names it; ``REASON.shrunk``; the list of a batch of its own (``batch:N``).
    list: Mapped[str] = mapped_column(ascii_string(32))
    #: How many OpenIDs of the list come before it.
    start: Mapped[int] = mapped_column(Integer)
    size: Mapped[int] = mapped_column(Integer)
    first_openid: Mapped[str] = mapped_column(ascii_string(28))
    last_openid: Mapped[str] = mapped_column(ascii_string(28))
    openids: Mapped[bytes] = mapped_column(Packed)

    __table_args__ = (UniqueConstraint("broadcast_id", "list", "start"),)


class Skipped(Base):
    """One reason of one broadcast: how many were left out, and the first 1,000 with their line.

    OpenIDs that were left out after the list was read stand in chunks, by reason.
    """

    __tablename__ = "bc_skipped"

    broadcast_id: Mapped[str] = mapped_column(
        ascii_string(32), ForeignKey("bc_broadcasts.id"), primary_key=True
    )
    #: ``malformed``, ``duplicate`` …: the words of ``--json``.
    reason: Mapped[str] = mapped_column(ascii_string(32), primary_key=True)
    count: Mapped[int] = mapped_column(Integer)
    #: JSON list of [line, text] of the first 1,000.
    sample: Mapped[str] = mapped_column(LongText)
