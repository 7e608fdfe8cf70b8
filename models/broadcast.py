"""Broadcasts: content, audience figures and where each stands."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Boolean, ForeignKey, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.call.attempts import Reason
from broadcast.states import BroadcastState
from models.base import Base
from models.types import LongText, ascii_string, text_string


class BroadcastRow(Base):
    """One thing said to one audience."""

    __tablename__ = "broadcasts"

    id: Mapped[str] = mapped_column(ascii_string(32), primary_key=True)
    account: Mapped[str] = mapped_column(ascii_string(64), ForeignKey("accounts.name"))
    #: The producer's idempotency key.
    key: Mapped[str] = mapped_column(text_string(128), unique=True)
    state: Mapped[BroadcastState]
    #: Why it is paused or held, and the errcode behind it.
    reason: Mapped[Reason | None]
    reason_errcode: Mapped[int | None]
    reason_errmsg: Mapped[str | None] = mapped_column(text_string(512))

    msgtype: Mapped[str] = mapped_column(ascii_string(16))
    #: Canonical JSON of WeChat's own content object.
    content: Mapped[str] = mapped_column(LongText)
    content_digest: Mapped[str] = mapped_column(ascii_string(64))
    #: SHA-256 over the sorted OpenIDs.
    audience_digest: Mapped[str] = mapped_column(ascii_string(64))

    read: Mapped[int] = mapped_column(Integer, default=0)
    malformed: Mapped[int] = mapped_column(Integer, default=0)
    duplicate: Mapped[int] = mapped_column(Integer, default=0)
    suppressed: Mapped[int] = mapped_column(Integer, default=0)
    excluded: Mapped[int] = mapped_column(Integer, default=0)
    unsubscribed: Mapped[int] = mapped_column(Integer, default=0)
    capped: Mapped[int] = mapped_column(Integer, default=0)
    sampled_out: Mapped[int] = mapped_column(Integer, default=0)
    planned: Mapped[int] = mapped_column(Integer, default=0)

    #: How many calls the plan takes.
    calls_planned: Mapped[int] = mapped_column(Integer, default=0)
    spread_days: Mapped[bool] = mapped_column(Boolean, default=False)
    priority: Mapped[int] = mapped_column(Integer, default=0)
    scheduled_at: Mapped[datetime | None]

    created_at: Mapped[datetime]
    created_by: Mapped[str] = mapped_column(text_string(128))
    #: Beat of an upload that is under way; one whose beat stopped is taken over or swept.
    uploading_at: Mapped[datetime | None]
    #: The flip: from here on readers see it.
    published_at: Mapped[datetime | None]
    #: A human's cancel; batches in flight end by it.
    cancelled_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    woken_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_broadcasts_account_state", "account", "state"),
        Index("ix_broadcasts_state", "state"),
        Index("ix_broadcasts_repeat", "account", "content_digest", "audience_digest"),
    )
