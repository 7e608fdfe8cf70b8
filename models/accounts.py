"""Accounts by name (never a secret), their lanes, and calls by hand."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.rules.accounts import AccountKind
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.hand_calls import ByHand
from broadcast.rules.states import Reason
from models.base import (
    Ascii32,
    Ascii64,
    Ascii128,
    Base,
    BigCount,
    BigInt,
    LongWords,
    OfAccount,
    RowID,
    Text128,
    Text512,
    ascii_string,
)


class AccountRow(Base):
    """An account that has been used."""

    __tablename__ = "bc_accounts"

    name: Mapped[Ascii64] = mapped_column(primary_key=True)
    appid: Mapped[Ascii64]
    kind: Mapped[AccountKind]
    created_at: Mapped[datetime]


class Lane(Base):
    """One account's calls: who drives them, since when, and what they wait for.

    ``fence`` grows with every change of driver; a claim names the fence it was given, so a driver
    that lost the lane cannot claim. Facts carry no fence: a late reply is always stored.
    """

    __tablename__ = "bc_lanes"

    account: Mapped[OfAccount] = mapped_column(primary_key=True)
    fence: Mapped[BigCount]
    owner: Mapped[Ascii128 | None]
    leased_until: Mapped[datetime | None]
    #: The lane waits: too fast, no calls left today, WeChat away.
    not_before: Mapped[datetime | None]
    wait_reason: Mapped[Reason | None]
    #: Until when it waited last for another day's calls, and behind a doubt: neither is a delay.
    day_wait_until: Mapped[datetime | None]
    doubt_wait_until: Mapped[datetime | None]
    #: Grows with every closing and opening of a gate of the account or of one of its broadcasts.
    gate_counter: Mapped[BigCount]
    #: From which on the circuit breaker counts doubts: a person's last unhalt.
    breaker_since: Mapped[BigCount]
    #: Grows with every claim: a database that was restored or copied has a smaller one.
    claims: Mapped[BigCount]
    #: When its newest call was claimed, and when the last word on any of its calls was stored, but
    #: for those that begin nothing.
    claimed_at: Mapped[datetime | None]
    recorded_at: Mapped[datetime | None]
    #: When a worker last knew that it made these claims, to the minute.
    seen_at: Mapped[datetime | None]
    #: What was asked for up to here may have been sent since the backup that a person named; NULL:
    #: it was not restored.
    unsure_until: Mapped[datetime | None]
    #: When a gate or a wait last changed from when one of its broadcasts may be called.
    due_changed_at: Mapped[datetime | None]
    #: Last time a driver was woken; keeps sweeps from waking at every beat.
    woken_at: Mapped[datetime | None]


class HandCallRow(Base):
    """One call. ``outcome`` NULL: it was about to be made, and nothing is recorded of it."""

    __tablename__ = "bc_hand_calls"

    id: Mapped[RowID]
    account: Mapped[OfAccount]
    kind: Mapped[ByHand]
    #: Its day in Shanghai, such as 2026-12-01.
    day: Mapped[str] = mapped_column(ascii_string(10))
    at: Mapped[datetime]
    who: Mapped[Text128]
    why: Mapped[LongWords | None]
    #: To whom a preview goes, which interface is cleared, which level is set.
    target: Mapped[Text128 | None]
    broadcast_id: Mapped[Ascii32 | None]
    msg_id: Mapped[BigInt | None]
    msg_data_id: Mapped[BigInt | None]
    #: Of a recall: from 1; NULL: every article.
    article: Mapped[int | None]
    outcome: Mapped[Outcome | None]
    errcode: Mapped[int | None]
    errmsg: Mapped[Text512 | None]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_bc_hand_calls_day", "account", "kind", "day"),
        Index("ix_bc_hand_calls_msg_id", "account", "msg_id"),
    )
