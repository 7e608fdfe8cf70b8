"""Gates: one row each time something forbids calls, kept after it was opened."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.call.path import SendPath
from broadcast.gates.gate import GateScope
from broadcast.gates.kinds import GateKind
from broadcast.reasons import Reason
from models.base import Base
from models.types import (
    Ascii32,
    BigInt,
    LongWords,
    OfAccount,
    RowID,
    Text128,
    Text512,
)


class GateRow(Base):
    """A gate that was closed; ``opened_at`` NULL: nobody has opened it.

    The account's gate counter at its closing and opening, beside that of each attempt, proves from
    rows alone that no call was claimed in between.
    """

    __tablename__ = "bc_gates"

    id: Mapped[RowID]
    account: Mapped[OfAccount]
    scope: Mapped[GateScope]
    #: Empty for an account or a path: ``IN ('', id)`` is two looks into the index everywhere.
    broadcast_id: Mapped[Ascii32] = mapped_column(default="")
    path: Mapped[SendPath | None]
    kind: Mapped[GateKind]
    reason: Mapped[Reason | None]
    errcode: Mapped[int | None]
    errmsg: Mapped[Text512 | None]
    closed_at: Mapped[datetime]
    closed_by: Mapped[Text128]
    why: Mapped[LongWords | None]
    #: When it opens automatically.
    until: Mapped[datetime | None]
    #: How many batches made the circuit breaker act, and their broadcasts: a JSON list of ids.
    count: Mapped[int | None]
    broadcasts: Mapped[LongWords | None]
    closed_counter: Mapped[BigInt]
    opened_at: Mapped[datetime | None]
    opened_by: Mapped[Text128 | None]
    opened_why: Mapped[LongWords | None]
    opened_counter: Mapped[BigInt | None]

    __table_args__ = (
        # What is closed now is a few rows among all that ever were.
        Index("ix_bc_gates_standing", "account", "opened_at", "broadcast_id"),
        Index("ix_bc_gates_broadcast_id", "broadcast_id", "account", "opened_at"),
    )  # fmt: skip
