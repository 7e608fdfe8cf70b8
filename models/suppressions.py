"""Suppressions: who gets no broadcast, and why; how often such lists changed."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Ascii16, Ascii28, Ascii64, Base, BigInt, Text128, Text512


class Suppression(Base):
    """Somebody who gets no broadcast, for one reason; lifted ones stay, so late words stay late."""

    __tablename__ = "bc_suppressions"

    #: ``*``: of every account.
    account: Mapped[Ascii64] = mapped_column(primary_key=True)
    openid: Mapped[Ascii28] = mapped_column(primary_key=True)
    #: ``person``, ``keyword``: what put it there, and what alone lifts it.
    kind: Mapped[Ascii16] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    who: Mapped[Text128]
    why: Mapped[Text512 | None]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[Text128 | None]
    #: Of which change of its account's list it is: those that came later are found by it.
    change: Mapped[BigInt]

    __table_args__ = (Index("ix_bc_suppressions_change", "account", "change"),)


class ListName(StrEnum):
    """List whose changes are counted."""

    SUPPRESSED = "suppressed"
    LEFT = "left"  #: by WeChat's pushes


class ListChanges(Base):
    """Number of changes of a list of one account, or of the list of all.

    A clock could not tell: of two changes the one with the earlier moment may be seen later.
    """

    __tablename__ = "bc_list_changes"

    #: ``*``: of every account.
    account: Mapped[Ascii64] = mapped_column(primary_key=True)
    list: Mapped[Ascii16] = mapped_column(primary_key=True)
    changes: Mapped[BigInt]
