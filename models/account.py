"""Accounts by name (never a secret), their lanes, and what WeChat said of their day."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from broadcast.accounts import AccountKind
from broadcast.reasons import Reason
from models.base import Base
from models.types import Ascii64, Ascii128, BigCount, OfAccount


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
    #: When a gate or a wait last changed from when one of its broadcasts may be called.
    due_changed_at: Mapped[datetime | None]
    #: Last time a driver was woken; keeps sweeps from waking at every beat.
    woken_at: Mapped[datetime | None]
