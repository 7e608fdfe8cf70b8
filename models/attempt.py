"""Attempts: one row a call, committed before the call is made."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.call.outcomes import Outcome
from broadcast.call.path import SendPath
from models.base import Base
from models.types import BigId, ascii_string, text_string


class AttemptRow(Base):
    """One call of one batch. ``outcome`` NULL: claimed, and nothing recorded yet."""

    __tablename__ = "bc_attempts"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    #: Made by the claimer, so that a commit whose answer was lost can be looked up.
    claim: Mapped[str] = mapped_column(ascii_string(32), unique=True)
    batch_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("bc_batches.id"))
    number: Mapped[int] = mapped_column(Integer)
    account: Mapped[str] = mapped_column(ascii_string(64))
    path: Mapped[SendPath]
    fence: Mapped[int] = mapped_column(BigInteger)
    owner: Mapped[str] = mapped_column(ascii_string(128))
    clientmsgid: Mapped[str] = mapped_column(ascii_string(32))
    #: The account's gate counter at the claim.
    gate_counter: Mapped[int] = mapped_column(BigInteger)
    #: An operator had retried the batch (`retry`) before this call.
    begins_anew: Mapped[bool] = mapped_column(Boolean, default=False)
    started_at: Mapped[datetime]
    #: When the first word on it was stored, be it that no reply came; never changed after that.
    ended_at: Mapped[datetime | None]
    outcome: Mapped[Outcome | None]
    errcode: Mapped[int | None]
    errmsg: Mapped[str | None] = mapped_column(text_string(512))
    rid: Mapped[str | None] = mapped_column(ascii_string(64))
    msg_id: Mapped[int | None] = mapped_column(BigInteger)
    msg_data_id: Mapped[int | None] = mapped_column(BigInteger)
    http_status: Mapped[int | None]
    #: Which transport failure it was (``wechat.errors.TransportKind``), if one.
    transport: Mapped[str | None] = mapped_column(ascii_string(32))
    elapsed_ms: Mapped[int | None]
    #: What mass/get said of this attempt's msg_id: known (true), 40059 (false), not asked (NULL).
    confirmed: Mapped[bool | None] = mapped_column(Boolean)
    #: A person said that WeChat did not take it (true); until a trusted reply says otherwise.
    denied: Mapped[bool | None] = mapped_column(Boolean)
    #: When ``outcome`` was written last: a reply that can be trusted may end a doubt much later.
    outcome_recorded_at: Mapped[datetime | None]
    #: Of the access_token, where that was refused: as `broadcast token show` prints it.
    token_fingerprint: Mapped[str | None] = mapped_column(ascii_string(8))

    __table_args__ = (
        UniqueConstraint("batch_id", "number"),
        Index("ix_bc_attempts_account_msg_id", "account", "msg_id"),
    )
