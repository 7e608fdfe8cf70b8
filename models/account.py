"""Accounts by name (never a secret), their lanes, and what WeChat said of their day."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.accounts import AccountKind
from broadcast.reasons import Reason
from models.base import Base
from models.types import ascii_string


class AccountRow(Base):
    """An account that has been used."""

    __tablename__ = "bc_accounts"

    name: Mapped[str] = mapped_column(ascii_string(64), primary_key=True)
    appid: Mapped[str] = mapped_column(ascii_string(64))
    kind: Mapped[AccountKind]
    created_at: Mapped[datetime]


class Lane(Base):
    """One account's calls: who drives them, since when, and what they wait for.

    ``fence`` grows with every change of driver; a claim names the fence it was given, so a driver
    that lost the lane cannot claim. Facts carry no fence: a late reply is always stored.
    """

    __tablename__ = "bc_lanes"

    account: Mapped[str] = mapped_column(
        ascii_string(64), ForeignKey("bc_accounts.name"), primary_key=True
    )
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    owner: Mapped[str | None] = mapped_column(ascii_string(128))
    leased_until: Mapped[datetime | None]
    #: The lane waits: too fast, no calls left today, WeChat away.
    not_before: Mapped[datetime | None]
    wait_reason: Mapped[Reason | None]
    #: Until when it waited last for another day's calls, and behind a doubt: neither is a delay.
    day_wait_until: Mapped[datetime | None]
    doubt_wait_until: Mapped[datetime | None]
    #: Grows with every closing and opening of a gate of the account or of one of its broadcasts.
    gate_counter: Mapped[int] = mapped_column(BigInteger, default=0)
    #: From which on the circuit breaker counts doubts: a person's last unhalt.
    breaker_since: Mapped[int] = mapped_column(BigInteger, default=0)
    #: Grows with every claim: a database that was restored or copied has a smaller one.
    claims: Mapped[int] = mapped_column(BigInteger, default=0)
    #: When its newest call was claimed, and when the last word on any of its calls was stored, but
    #: for those that begin nothing.
    claimed_at: Mapped[datetime | None]
    recorded_at: Mapped[datetime | None]
    #: When a gate or a wait last changed from when one of its broadcasts may be called.
    due_changed_at: Mapped[datetime | None]
    #: Last time a driver was woken; keeps sweeps from waking at every beat.
    woken_at: Mapped[datetime | None]
