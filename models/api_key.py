"""Keys of the HTTP API that were made by ``api-keys new``; of each its digest alone."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.types import (
    Ascii16,
    Ascii64,
    Ascii128,
    LongWords,
    Text128,
)


class APIKeyRow(Base):
    """One key, good until it is revoked."""

    __tablename__ = "bc_api_keys"

    id: Mapped[Ascii16] = mapped_column(primary_key=True)
    name: Mapped[Ascii64]
    #: With spaces between them.
    scopes: Mapped[Ascii128]
    #: With spaces between them; NULL: every account.
    accounts: Mapped[LongWords | None]
    #: SHA-256 of the key.
    digest: Mapped[Ascii64]
    created_at: Mapped[datetime]
    created_by: Mapped[Text128]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[Text128 | None]

    __table_args__ = (UniqueConstraint("digest"),)
