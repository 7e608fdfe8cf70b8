"""Gates: one row each time something forbids calls, kept after it was opened."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.call.path import SendPath
from broadcast.gates.gate import GateScope
from broadcast.gates.kinds import GateKind
from broadcast.reasons import Reason
from models.base import Base
from models.types import BigId, LongText, ascii_string, text_string


class GateRow(Base):
    """A gate that was closed; ``opened_at`` NULL: nobody has opened it.

    The account's gate counter at its closing and opening, beside that of each attempt, proves from
    rows alone that no call was claimed in between.
    """

    __tablename__ = "bc_gates"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    account: Mapped[str] = mapped_column(ascii_string(64), ForeignKey("bc_accounts.name"))
    scope: Mapped[GateScope]
    #: Empty for an account or a path: ``IN ('', id)`` is two looks into the index everywhere.
    broadcast_id: Mapped[str] = mapped_column(ascii_string(32), default="")
    path: Mapped[SendPath | None]
    kind: Mapped[GateKind]
    reason: Mapped[Reason | None]
    errcode: Mapped[int | None]
    errmsg: Mapped[str | None] = mapped_column(text_string(512))
    closed_at: Mapped[datetime]
    closed_by: Mapped[str] = mapped_column(text_string(128))
    why: Mapped[str | None] = mapped_column(LongText)
    #: When it opens automatically.
    until: Mapped[datetime | None]
    #: How many batches made the circuit breaker act, and their broadcasts: a JSON list of ids.
    count: Mapped[int | None]
    broadcasts: Mapped[str | None] = mapped_column(LongText)
    closed_counter: Mapped[int] = mapped_column(BigInteger)
    opened_at: Mapped[datetime | None]
    opened_by: Mapped[str | None] = mapped_column(text_string(128))
    opened_why: Mapped[str | None] = mapped_column(LongText)
    opened_counter: Mapped[int | None] = mapped_column(BigInteger)

    __table_args__ = (
        # What is closed now is a few rows among all that ever were.
        Index("ix_bc_gates_standing", "account", "opened_at", "broadcast_id"),
        Index("ix_bc_gates_broadcast_id", "broadcast_id", "account", "opened_at"),
    )  # fmt: skip
