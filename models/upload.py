"""Broadcasts whose list comes later, in a request of its own."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.types import LongText, ascii_string, text_string


class UploadRow(Base):
    """What was asked for under a key, but for the list; it stays when the broadcast is there."""

    __tablename__ = "bc_uploads"

    #: Without a foreign key: the broadcast may be gone.
    broadcast_id: Mapped[str] = mapped_column(ascii_string(32), primary_key=True)
    account: Mapped[str] = mapped_column(ascii_string(64))
    key: Mapped[str] = mapped_column(text_string(128))
    #: The request as JSON, and a digest of what it says.
    request: Mapped[str] = mapped_column(LongText)
    digest: Mapped[str] = mapped_column(ascii_string(64))
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("account", "key"),)
