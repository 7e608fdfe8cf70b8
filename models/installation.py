"""The installation: who this database is, and which releases may work on it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.types import Ascii32


class Installation(Base):
    """One row, made by the first revision."""

    __tablename__ = "bc_installation"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    #: Random; a copy of the database has the same.
    id: Mapped[Ascii32]
    created_at: Mapped[datetime]
    #: The oldest schema number (``models.schema.NUMBER``) whose programs may work on this one.
    oldest_compatible: Mapped[int]
