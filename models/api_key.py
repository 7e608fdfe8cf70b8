"""Keys of the HTTP API that were made by ``api-keys new``; of each its digest alone."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.types import LongText, ascii_string, text_string


class APIKeyRow(Base):
    """One key, good until it is revoked."""

    __tablename__ = "bc_api_keys"

    id: Mapped[str] = mapped_column(ascii_string(16), primary_key=True)
    name: Mapped[str] = mapped_column(ascii_string(64))
    #: With spaces between them.
    scopes: Mapped[str] = mapped_column(ascii_string(128))
    #: With spaces between them; NULL: every account.
    accounts: Mapped[str | None] = mapped_column(LongText)
    #: SHA-256 of the key.
    digest: Mapped[str] = mapped_column(ascii_string(64))
    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(text_string(128))
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None] = mapped_column(text_string(128))

    __table_args__ = (UniqueConstraint("digest"),)
