"""Pushes: what WeChat sent to the callback server, stored before it is answered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.pushes.keywords import Action
from models.base import Base
from models.types import BigId, LongText, ascii_string, text_string


class PushRow(Base):
    """One push, once, however often WeChat repeats it.

    ``due_at`` NULL: handled, or with ``handled_at`` NULL too: set aside, no try can handle it.
    """

    __tablename__ = "bc_pushes"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    #: By its name: the callback server may hear of an account that has never sent.
    account: Mapped[str] = mapped_column(ascii_string(64))
    dedup: Mapped[str] = mapped_column(ascii_string(64))
    kind: Mapped[str] = mapped_column(text_string(64))
    openid: Mapped[str | None] = mapped_column(ascii_string(28))
    msg_id: Mapped[int | None] = mapped_column(BigInteger)
    #: WeChat's CreateTime; of a message that names none, when it came.
    happened_at: Mapped[datetime]
    received_at: Mapped[datetime]
    #: What a keyword asked for.
    action: Mapped[Action | None]
    body: Mapped[str] = mapped_column(LongText)
    due_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(Integer, default=0)
    handled_at: Mapped[datetime | None]
    #: Why the last try did not handle it.
    problem: Mapped[str | None] = mapped_column(text_string(512))

    __table_args__ = (
        UniqueConstraint("account", "dedup"),
        Index("ix_bc_pushes_account_received_at", "account", "received_at"),
        Index("ix_bc_pushes_due_at", "due_at"),
        Index("ix_bc_pushes_handled_at", "handled_at"),
    )
