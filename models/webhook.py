"""Webhooks: what receivers are to hear, stored with the change that it reports."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.webhooks.event import WebhookState
from models.base import Base
from models.types import (
    Ascii64,
    BigInt,
    LongWords,
    OfBroadcast,
    RowID,
    ascii_string,
)


class WebhookRow(Base):
    """One event of one broadcast. Secrets that sign it are in the settings alone."""

    __tablename__ = "bc_webhooks"

    id: Mapped[RowID]
    broadcast_id: Mapped[OfBroadcast]
    version: Mapped[BigInt]
    account: Mapped[Ascii64]
    kind: Mapped[Ascii64]
    url: Mapped[str] = mapped_column(ascii_string(2048))
    #: Scheme, host and port of the URL: of which one delivery at a time is enough.
    origin: Mapped[str] = mapped_column(ascii_string(300))
    #: The broadcast as it was (``models.ledger.reading.figures``), of which the body is made; NULL:
    #: that could not be read, and the body has id and state alone.
    figures: Mapped[LongWords | None]
    #: The bytes that are signed and posted, in ASCII; NULL before its first delivery begins.
    body: Mapped[LongWords | None]
    state: Mapped[WebhookState]
    #: Since then.
    tries: Mapped[int]
    http_status: Mapped[int | None]
    #: Why the last try failed (``broadcast.stored_message``).
    problem: Mapped[LongWords | None]
    created_at: Mapped[datetime]
    tried_at: Mapped[datetime | None]
    #: When to try next; NULL: delivered or given up. Whoever tries it puts it off first.
    due_at: Mapped[datetime | None]
    #: From when on the day is counted in which it is tried: the event, or a person's retry.
    since: Mapped[datetime]
    closed_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("broadcast_id", "version"),
        Index("ix_bc_webhooks_due_at", "due_at"),
        Index("ix_bc_webhooks_state", "state", "id"),
        Index("ix_bc_webhooks_account", "account", "id"),
        Index("ix_bc_webhooks_closed_at", "closed_at"),
    )
