"""Calls by hand: written down before each is made, so that those of a day can be counted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.by_hand import ByHand
from broadcast.call.outcomes import Outcome
from models.base import Base
from models.types import (
    Ascii32,
    BigInt,
    LongWords,
    OfAccount,
    RowID,
    Text128,
    Text512,
    ascii_string,
)


class HandCallRow(Base):
    """One call. ``outcome`` NULL: it was about to be made, and nothing is recorded of it."""

    __tablename__ = "bc_hand_calls"

    id: Mapped[RowID]
    account: Mapped[OfAccount]
    kind: Mapped[ByHand]
    #: Its day in Shanghai, such as 2026-12-01.
    day: Mapped[str] = mapped_column(ascii_string(10))
    at: Mapped[datetime]
    who: Mapped[Text128]
    why: Mapped[LongWords | None]
    #: To whom a preview goes, which interface is cleared, which level is set.
    target: Mapped[Text128 | None]
    broadcast_id: Mapped[Ascii32 | None]
    msg_id: Mapped[BigInt | None]
    msg_data_id: Mapped[BigInt | None]
    #: Of a recall: from 1; NULL: every article.
    article: Mapped[int | None]
    outcome: Mapped[Outcome | None]
    errcode: Mapped[int | None]
    errmsg: Mapped[Text512 | None]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_bc_hand_calls_day", "account", "kind", "day"),
        Index("ix_bc_hand_calls_msg_id", "account", "msg_id"),
    )
