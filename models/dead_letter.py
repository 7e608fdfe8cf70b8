"""Messages of other programs that became no broadcast."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.dead_letters import LetterSource, LetterState
from models.base import Base
from models.types import LongText, ascii_string, text_string


class DeadLetterRow(Base):
    """One message, once, however often it came."""

    __tablename__ = "bc_dead_letters"

    id: Mapped[str] = mapped_column(ascii_string(32), primary_key=True)
    source: Mapped[LetterSource]
    digest: Mapped[str] = mapped_column(ascii_string(64))
    state: Mapped[LetterState]
    key: Mapped[str | None] = mapped_column(text_string(128))
    account: Mapped[str | None] = mapped_column(text_string(64))
    body: Mapped[str] = mapped_column(LongText)
    #: Of the body.
    characters: Mapped[int] = mapped_column(Integer)
    is_cut: Mapped[bool] = mapped_column(Boolean)
    #: Why (``broadcast.stored_message``), as of the last try.
    reason: Mapped[str] = mapped_column(LongText)
    times: Mapped[int] = mapped_column(Integer)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    broadcast_id: Mapped[str | None] = mapped_column(ascii_string(32))
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None] = mapped_column(text_string(128))
    #: Since when it is being tried again; NULL: it is not.
    tried_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("source", "digest"),
        Index("ix_bc_dead_letters_state", "state", "last_at", "id"),
        Index("ix_bc_dead_letters_characters", "state", "characters"),
        Index("ix_bc_dead_letters_account", "account", "last_at", "id"),
        Index("ix_bc_dead_letters_closed_at", "closed_at"),
    )
