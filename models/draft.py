"""Drafts beside their broadcasts: what they said when they were submitted, and say now."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.types import Count, LongWords, OfBroadcast, text_string


class DraftRow(Base):
    """What is known of the draft of one broadcast of articles (``broadcast.drafts``)."""

    __tablename__ = "bc_drafts"

    broadcast_id: Mapped[OfBroadcast] = mapped_column(primary_key=True)
    media_id: Mapped[str] = mapped_column(text_string(256))
    #: Marks as JSON: what a person let go out, and what was seen last.
    approved: Mapped[LongWords | None]
    seen: Mapped[LongWords | None]
    #: Looks in a row without an answer.
    tries: Mapped[Count]
    #: When a look last ruled; NULL: none did yet.
    looked_at: Mapped[datetime | None]
    #: When it was last looked at, with an answer or without.
    tried_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_bc_drafts_looked_at", "looked_at"),)
