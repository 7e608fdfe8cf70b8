"""Notices to people's chats: who is a receiver, and each notice on its way to each of them.

No URL of a receiver is stored: it would let everybody post there.
"""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.message import Message
from broadcast.rules.states import NoticeState
from models.base import Base, RowID, Text128, ascii_string

#: Of a receiver: kind, host and port, fingerprint.
_NAME = ascii_string(300)


class NoticeReceiverRow(Base):
    """Receiver that the settings of the workers have."""

    __tablename__ = "bc_notice_receivers"

    name: Mapped[str] = mapped_column(_NAME, primary_key=True)
    #: From when on it hears.
    since: Mapped[datetime]
    #: Before that nothing is posted to it.
    next_at: Mapped[datetime]


class NoticeRow(Base):
    """One notice on its way to one receiver. It stays, so that nothing is reported twice."""

    __tablename__ = "bc_notices"

    id: Mapped[RowID]
    #: What it reports.
    key: Mapped[Text128]
    receiver: Mapped[str] = mapped_column(_NAME)
    #: Its text and facts.
    message: Mapped[Message]
    state: Mapped[NoticeState]
    #: Since then.
    tries: Mapped[int]
    #: Why the last try failed.
    problem: Mapped[Message | None]
    #: When to try next; NULL: it is not tried any more. Whoever tries it puts it off first.
    due_at: Mapped[datetime | None]
    #: When its receiver had it last; NULL: not yet.
    posted_at: Mapped[datetime | None]
    #: From when on the day is counted in which it is tried: the notice, or a person's retry.
    since: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("key", "receiver"),
        Index("ix_bc_notices_due_at", "receiver", "due_at"),
        Index("ix_bc_notices_state", "state", "id"),
    )
