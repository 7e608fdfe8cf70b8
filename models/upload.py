"""Broadcasts whose list comes later, in a request of its own."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.types import Ascii32, Ascii64, LongWords


class UploadRow(Base):
    """What was asked for, but for the list; it stays, as the key does."""

    __tablename__ = "bc_uploads"

    #: Without a foreign key: the broadcast may be gone.
    broadcast_id: Mapped[Ascii32] = mapped_column(primary_key=True)
    #: The request as JSON, and a digest of what it says.
    request: Mapped[LongWords]
    digest: Mapped[Ascii64]
    #: When the try that stores the list showed last that it lives, and which list; NULL: no try is
    #: at it.
    beat_at: Mapped[datetime | None]
    list_digest: Mapped[Ascii64 | None]
    created_at: Mapped[datetime]
