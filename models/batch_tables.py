"""Batches, the unit of truth; their calls; and the gates that forbid calls."""

from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    UniqueConstraint,
    or_,
    text,
    true,
)
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.rules.calls.attempts import LONGEST_MSG_STATUS
from broadcast.rules.calls.outcomes import Outcome, SendPath
from broadcast.rules.gates.gate import GateKind, GateScope
from broadcast.rules.states import BatchState, Reason
from models.base import (
    Ascii32,
    Ascii64,
    Ascii128,
    Base,
    BigCount,
    BigInt,
    Count,
    LongWords,
    OfAccount,
    OfBroadcast,
    RowID,
    Text128,
    Text512,
    ascii_string,
)


class Batch(Base):
    """One call. Its recipients are a range of a list, or, for WeChat's own sends, WeChat's affair.

    Who is in it is frozen at its first claim; before that it may shrink, and its key changes.
    """

    __tablename__ = "bc_batches"

    id: Mapped[RowID]
    broadcast_id: Mapped[OfBroadcast]
    account: Mapped[Ascii64]
    path: Mapped[SendPath]
    n: Mapped[int]
    #: Its range: a list of the broadcast, where it starts in it, how many OpenIDs it takes.
    list: Mapped[Ascii32 | None]
    start: Mapped[Count]
    size: Mapped[int | None]
    parent_id: Mapped[BigInt | None] = mapped_column(ForeignKey("bc_batches.id"))
    #: How often its ancestors were halved.
    depth: Mapped[Count]

    state: Mapped[BatchState]
    reason: Mapped[Reason | None]
    errcode: Mapped[int | None]
    errmsg: Mapped[Text512 | None]
    clientmsgid: Mapped[Ascii32]
    #: How many in it were erased. With any it is never called, and its clientmsgid is of the list
    #: as it was.
    erased: Mapped[Count] = mapped_column(server_default=text("0"))
    #: Which renewal of its broadcast's content it says; 0: as it was submitted. It stays from the
    #: first call on, and is no part of the clientmsgid: the files are the same.
    renewal: Mapped[Count]
    attempts: Mapped[Count]
    not_before: Mapped[datetime | None]
    first_called_at: Mapped[datetime | None]
    msg_id: Mapped[BigInt | None]
    msg_data_id: Mapped[BigInt | None]
    #: The account's gate counter when it came to where it stands.
    moved_counter: Mapped[BigCount]
    #: An operator retried it (`retry`): its next call is the first of a new window.
    begins_anew: Mapped[bool] = mapped_column(default=False)
    #: How many calls had been made when a person settled its doubt last.
    settled_after: Mapped[int | None]

    #: mass/get: when it is asked next, how often it was, what it said last.
    poll_at: Mapped[datetime | None]
    polls: Mapped[Count]
    msg_status: Mapped[str | None] = mapped_column(ascii_string(LONGEST_MSG_STATUS))

    __table_args__ = (
        UniqueConstraint("broadcast_id", "n"),
        UniqueConstraint("account", "clientmsgid"),
        Index("ix_bc_batches_state", "state", "account"),
        Index("ix_bc_batches_next", "broadcast_id", "state", "n"),
        Index("ix_bc_batches_account_msg_id", "account", "msg_id"),
        Index("ix_bc_batches_poll_at", "account", "poll_at"),
        # MySQL makes it automatically; elsewhere the check of the foreign key would scan the table.
        Index("ix_bc_batches_parent_id", "parent_id"),
    )


#: Somebody is in it, or its list is WeChat's. A half of which all were taken out is no call: it is
#: kept for what became of the whole, and neither counted nor shown.
IS_A_CALL: ColumnElement[bool] = or_(Batch.size.is_(None), Batch.size > 0)


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
    #: Which transport failure it was (``broadcast.wechat.call_errors.TransportKind``), if one.
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
        Index("ix_bc_gates_kind", "kind", "opened_at"),
    )


#: Nobody opened the gate.
STANDS: ColumnElement[bool] = GateRow.opened_at.is_(None)
#: It is one of an account or a path.
OF_ACCOUNT: ColumnElement[bool] = GateRow.broadcast_id == ""
#: A person took the call for not sent.
DENIED: ColumnElement[bool] = AttemptRow.denied.is_(true())
