"""Attempts: one row a call, committed before the call is made."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.call.outcomes import Outcome
from broadcast.call.path import SendPath
from models.base import Base
from models.types import (
    Ascii32,
    Ascii64,
    Ascii128,
    BigInt,
    RowID,
    Text512,
    ascii_string,
)


class AttemptRow(Base):
    """One call of one batch. ``outcome`` NULL: claimed, and nothing recorded yet."""

    __tablename__ = "bc_attempts"

    id: Mapped[RowID]
    #: Made by the claimer, so that a commit whose answer was lost can be looked up.
    claim: Mapped[Ascii32] = mapped_column(unique=True)
    batch_id: Mapped[BigInt] = mapped_column(ForeignKey("bc_batches.id"))
    number: Mapped[int]
    account: Mapped[Ascii64]
    path: Mapped[SendPath]
    fence: Mapped[BigInt]
    owner: Mapped[Ascii128]
    clientmsgid: Mapped[Ascii32]
    #: The account's gate counter at the claim.
    gate_counter: Mapped[BigInt]
    #: An operator had retried the batch (`retry`) before this call.
    begins_anew: Mapped[bool] = mapped_column(default=False)
    started_at: Mapped[datetime]
    #: When the first word on it was stored, be it that no reply came; never changed after that.
    ended_at: Mapped[datetime | None]
    outcome: Mapped[Outcome | None]
    errcode: Mapped[int | None]
    errmsg: Mapped[Text512 | None]
    rid: Mapped[Ascii64 | None]
    msg_id: Mapped[BigInt | None]
    msg_data_id: Mapped[BigInt | None]
    http_status: Mapped[int | None]
    #: Which transport failure it was (``wechat.errors.TransportKind``), if one.
    transport: Mapped[Ascii32 | None]
    elapsed_ms: Mapped[int | None]
    #: What mass/get said of this attempt's msg_id: known (true), 40059 (false), not asked (NULL).
    confirmed: Mapped[bool | None]
    #: A person said that WeChat did not take it (true); until a trusted reply says otherwise.
    denied: Mapped[bool | None]
    #: When ``outcome`` was written last: a reply that can be trusted may end a doubt much later.
    outcome_recorded_at: Mapped[datetime | None]
    #: Of the access_token, where that was refused: as `broadcast token show` prints it.
    token_fingerprint: Mapped[str | None] = mapped_column(ascii_string(8))

    __table_args__ = (
        UniqueConstraint("batch_id", "number"),
        Index("ix_bc_attempts_account_msg_id", "account", "msg_id"),
    )
