"""Recipients: sorted lists of OpenIDs in chunks, and who was left out by reason."""

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Ascii28, Ascii32, Base, LongWords, OfBroadcast, PackedBytes, RowID


class ChunkRow(Base):
    """Some OpenIDs of one list of a broadcast: sorted, 21 bytes each (``broadcast.openid.pack``).

    They stand apart from batches because a state change of a row that carries 210 kB costs five
    times as much on SQLite, and because listing batches must not read them.
    """

    __tablename__ = "bc_chunks"

    id: Mapped[RowID]
    broadcast_id: Mapped[OfBroadcast]
    #: ``asked``; ``left.RUN`` and ``REASON.RUN`` of a run of the plan's subtraction, which counts
    #: if the broadcast names it; ``REASON.shrunk``; the list of a batch of its own (``batch:N``).
    list: Mapped[Ascii32]
    #: How many OpenIDs of the list come before it.
    start: Mapped[int]
    size: Mapped[int]
    first_openid: Mapped[Ascii28]
    last_openid: Mapped[Ascii28]
    openids: Mapped[PackedBytes]

    __table_args__ = (UniqueConstraint("broadcast_id", "list", "start"),)


class Skipped(Base):
    """One reason of one broadcast: how many were left out, and the first 1,000 with their line.

    OpenIDs that were left out after the list was read stand in chunks, by reason.
    """

    __tablename__ = "bc_skipped"

    broadcast_id: Mapped[OfBroadcast] = mapped_column(primary_key=True)
    #: ``malformed``, ``duplicate`` …: the words of ``--json``.
    reason: Mapped[Ascii32] = mapped_column(primary_key=True)
    count: Mapped[int]
    #: JSON list of [line, text] of the first 1,000.
    sample: Mapped[LongWords]
