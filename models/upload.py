"""Broadcasts whose list comes later, in a request of its own."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.types import LongText, ascii_string


class UploadRow(Base):
    """What was asked for, but for the list; it stays, as the key does."""

    __tablename__ = "bc_uploads"

    #: Without a foreign key: the broadcast may be gone.
    broadcast_id: Mapped[str] = mapped_column(ascii_string(32), primary_key=True)
    #: The request as JSON, and a digest of what it says.
    request: Mapped[str] = mapped_column(LongText)
    digest: Mapped[str] = mapped_column(ascii_string(64))
    #: When the try that stores the list showed last that it lives, and which list; NULL: no try is
    #: at it.
    beat_at: Mapped[datetime | None]
    list_digest: Mapped[str | None] = mapped_column(ascii_string(64))
    created_at: Mapped[datetime]
