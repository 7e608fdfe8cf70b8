"""Calls by hand: written down before each is made, so that those of a day can be counted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.by_hand import ByHand
from broadcast.call.outcomes import Outcome
from models.base import Base
from models.types import BigId, LongText, ascii_string, text_string


class HandCallRow(Base):
    """One call. ``outcome`` NULL: it was about to be made, and nothing is recorded of it."""

    __tablename__ = "bc_hand_calls"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    account: Mapped[str] = mapped_column(ascii_string(64), ForeignKey("bc_accounts.name"))
    kind: Mapped[ByHand]
    #: Its day in Shanghai, such as 2026-12-01.
    day: Mapped[str] = mapped_column(ascii_string(10))
    at: Mapped[datetime]
    who: Mapped[str] = mapped_column(text_string(128))
    why: Mapped[str | None] = mapped_column(LongText)
    #: To whom a preview goes, which interface is cleared, which level is set.
    target: Mapped[str | None] = mapped_column(text_string(128))
    broadcast_id: Mapped[str | None] = mapped_column(ascii_string(32))
    msg_id: Mapped[int | None] = mapped_column(BigInteger)
    msg_data_id: Mapped[int | None] = mapped_column(BigInteger)
    #: Of a recall: from 1; NULL: every article.
    article: Mapped[int | None] = mapped_column(Integer)
    outcome: Mapped[Outcome | None]
    errcode: Mapped[int | None]
    errmsg: Mapped[str | None] = mapped_column(text_string(512))
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_bc_hand_calls_day", "account", "kind", "day"),
        Index("ix_bc_hand_calls_msg_id", "account", "msg_id"),
    )
