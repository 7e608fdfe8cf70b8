"""Messages of other programs that became no broadcast."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.dead_letters import LetterSource, LetterState
from models.base import Base
from models.types import (
    Ascii32,
    Ascii64,
    LongWords,
    Text64,
    Text128,
)


class DeadLetterRow(Base):
    """One message, once, however often it came."""

    __tablename__ = "bc_dead_letters"

    id: Mapped[Ascii32] = mapped_column(primary_key=True)
    source: Mapped[LetterSource]
    digest: Mapped[Ascii64]
    state: Mapped[LetterState]
    key: Mapped[Text128 | None]
    account: Mapped[Text64 | None]
    body: Mapped[LongWords]
    #: Of the body.
    characters: Mapped[int]
    is_cut: Mapped[bool]
    #: Why (``broadcast.stored_message``), as of the last try.
    reason: Mapped[LongWords]
    times: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    broadcast_id: Mapped[Ascii32 | None]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[Text128 | None]
    #: Since when it is being tried again; NULL: it is not.
    tried_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("source", "digest"),
        Index("ix_bc_dead_letters_state", "state", "last_at", "id"),
        Index("ix_bc_dead_letters_characters", "state", "characters"),
        Index("ix_bc_dead_letters_account", "account", "last_at", "id"),
        Index("ix_bc_dead_letters_closed_at", "closed_at"),
    )
