"""Pushes: what WeChat sent to the callback server, stored before it is answered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Index, UniqueConstraint, and_
from sqlalchemy.orm import Mapped

from broadcast.pushes.keywords import Action
from models.base import Base
from models.types import (
    Ascii28,
    Ascii64,
    BigInt,
    Count,
    LongWords,
    RowID,
    Text64,
    Text512,
)


class PushRow(Base):
    """One push, once, however often WeChat repeats it.

    ``due_at`` NULL: handled, or with ``handled_at`` NULL too: set aside, no try can handle it.
    """

    __tablename__ = "bc_pushes"

    id: Mapped[RowID]
    #: By its name: the callback server may hear of an account that has never sent.
    account: Mapped[Ascii64]
    dedup: Mapped[Ascii64]
    kind: Mapped[Text64]
    openid: Mapped[Ascii28 | None]
    msg_id: Mapped[BigInt | None]
    #: WeChat's CreateTime; of a message that names none, when it came.
    happened_at: Mapped[datetime]
    received_at: Mapped[datetime]
    #: What a keyword asked for.
    action: Mapped[Action | None]
    body: Mapped[LongWords]
    due_at: Mapped[datetime | None]
    tries: Mapped[Count]
    handled_at: Mapped[datetime | None]
    #: Why the last try did not handle it.
    problem: Mapped[Text512 | None]

    __table_args__ = (
        UniqueConstraint("account", "dedup"),
        Index("ix_bc_pushes_account_received_at", "account", "received_at"),
        Index("ix_bc_pushes_due_at", "due_at"),
        Index("ix_bc_pushes_handled_at", "handled_at"),
    )


#: Neither handled nor to be tried again.
IS_SET_ASIDE: ColumnElement[bool] = and_(PushRow.handled_at.is_(None), PushRow.due_at.is_(None))
