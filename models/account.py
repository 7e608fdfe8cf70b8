"""Accounts by name (never a secret), their lanes, and what WeChat said of their day."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.accounts import AccountKind
from broadcast.call.attempts import Reason
from models.base import Base
from models.types import ascii_string, text_string


class AccountRow(Base):
    """An account that has been used."""

    __tablename__ = "accounts"

    name: Mapped[str] = mapped_column(ascii_string(64), primary_key=True)
    appid: Mapped[str] = mapped_column(ascii_string(64))
    kind: Mapped[AccountKind]
    created_at: Mapped[datetime]


class Lane(Base):
    """The one road of an account to WeChat: who drives on it, since when, and what it waits for.

    ``fence`` grows with every change of driver; a claim names the fence it was given, so a driver
    who lost the lane cannot claim. Facts carry no fence: a late reply is always stored.
    """

    __tablename__ = "lanes"

    account: Mapped[str] = mapped_column(
        ascii_string(64), ForeignKey("accounts.name"), primary_key=True
    )
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    owner: Mapped[str | None] = mapped_column(ascii_string(128))
    leased_until: Mapped[datetime | None]
    #: The lane waits: too fast, no calls left today, WeChat away.
    not_before: Mapped[datetime | None]
    wait_reason: Mapped[Reason | None]
    #: WeChat stopped the account (permission, AppSecret, ban); a human lifts it.
    stopped_at: Mapped[datetime | None]
    stop_reason: Mapped[Reason | None]
    stop_errcode: Mapped[int | None]
    stop_errmsg: Mapped[str | None] = mapped_column(text_string(512))
    #: The kill switch.
    halted_at: Mapped[datetime | None]
    halted_by: Mapped[str | None] = mapped_column(text_string(128))
    #: Last time a driver was rung for; keeps sweeps from ringing at every beat.
    woken_at: Mapped[datetime | None]


class QuotaDay(Base):
    """The newest answer of openapi/quota/get about mass/send on one Shanghai day."""

    __tablename__ = "quota_days"

    account: Mapped[str] = mapped_column(
        ascii_string(64), ForeignKey("accounts.name"), primary_key=True
    )
    day: Mapped[str] = mapped_column(ascii_string(10), primary_key=True)
    daily_limit: Mapped[int]
    used: Mapped[int]
    remain: Mapped[int]
    asked_at: Mapped[datetime]
