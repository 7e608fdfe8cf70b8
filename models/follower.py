"""Followers: our copy of WeChat's list in chunks, the passes that make it, and what came since.

Ten rows a megabyte instead of a row a follower: decision 15 has the figures.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base
from models.types import BigId, Packed, ascii_string, text_string


class FollowerSync(Base):
    """One pass over WeChat's list: from its first page to the list that it made."""

    __tablename__ = "bc_follower_syncs"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    account: Mapped[str] = mapped_column(ascii_string(64), ForeignKey("bc_accounts.name"))
    started_by: Mapped[str] = mapped_column(text_string(128))
    started_at: Mapped[datetime]
    #: When its last page came, and its moment by WeChat's clock is that of its first page.
    paged_at: Mapped[datetime | None]
    first_page_at: Mapped[datetime | None]
    #: What the next page is asked from; empty for the first one. None: there is no next page.
    next_openid: Mapped[str | None] = mapped_column(ascii_string(64))
    #: The last OpenIDs of the last page, one behind the other: where to go on if the last one left.
    tail: Mapped[str] = mapped_column(ascii_string(512))
    pages: Mapped[int] = mapped_column(Integer)
    #: OpenIDs on the pages, doubled ones too.
    listed: Mapped[int] = mapped_column(Integer)
    #: What WeChat said of the number of followers: on the last page, at least and at most.
    total: Mapped[int | None] = mapped_column(Integer)
    least_total: Mapped[int | None] = mapped_column(Integer)
    most_total: Mapped[int | None] = mapped_column(Integer)
    #: Set once, with everything below; a pass that was given up has neither list nor figures.
    finished_at: Mapped[datetime | None]
    #: ``complete``, ``short`` (nobody was marked as left) or ``given_up``.
    ended: Mapped[str | None] = mapped_column(ascii_string(16))
    #: Whose chunks count.
    run: Mapped[str | None] = mapped_column(ascii_string(16))
    size: Mapped[int | None] = mapped_column(Integer)
    followers: Mapped[int | None] = mapped_column(Integer)
    joined: Mapped[int | None] = mapped_column(Integer)
    left: Mapped[int | None] = mapped_column(Integer)

    __table_args__ = (Index("ix_bc_follower_syncs_account", "account", "id"),)


class FollowerPage(Base):
    """One page of a pass that is not finished."""

    __tablename__ = "bc_follower_pages"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    sync_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("bc_follower_syncs.id"))
    n: Mapped[int] = mapped_column(Integer)
    asked_from: Mapped[str] = mapped_column(ascii_string(64))
    #: WeChat's clock, before it answered.
    seen_at: Mapped[datetime]
    size: Mapped[int] = mapped_column(Integer)
    #: Sorted; packed as in ``bc_chunks``.
    openids: Mapped[bytes] = mapped_column(Packed)

    __table_args__ = (UniqueConstraint("sync_id", "n"),)


class FollowerChunk(Base):
    """Some OpenIDs of the list that a pass made: sorted, those who left too."""

    __tablename__ = "bc_follower_chunks"

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    sync_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("bc_follower_syncs.id"))
    run: Mapped[str] = mapped_column(ascii_string(16))
    #: How many OpenIDs of the list come before it.
    start: Mapped[int] = mapped_column(Integer)
    size: Mapped[int] = mapped_column(Integer)
    first_openid: Mapped[str] = mapped_column(ascii_string(28))
    last_openid: Mapped[str] = mapped_column(ascii_string(28))
    openids: Mapped[bytes] = mapped_column(Packed)
    #: Nine bytes each: ``broadcast.followers.FACTS``.
    facts: Mapped[bytes] = mapped_column(Packed)

    __table_args__ = (UniqueConstraint("sync_id", "run", "start"),)


class FollowerChange(Base):
    """What WeChat's pushes said of one person; the next pass takes it into its list.

    Both moments only grow, so pushes may come doubled, late and in any order.
    """

    __tablename__ = "bc_follower_changes"

    account: Mapped[str] = mapped_column(ascii_string(64), primary_key=True)
    openid: Mapped[str] = mapped_column(ascii_string(28), primary_key=True)
    followed_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]
    #: With which change of who left ``left_at`` came; 0: nobody said that they left.
    left_change: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_bc_follower_changes_left", "account", "left_change"),)


class Suppression(Base):
    """Somebody who gets no broadcast, for one reason; lifted ones stay, so late words stay late."""

    __tablename__ = "bc_suppressions"

    #: ``*``: of every account.
    account: Mapped[str] = mapped_column(ascii_string(64), primary_key=True)
    openid: Mapped[str] = mapped_column(ascii_string(28), primary_key=True)
    #: ``person``, ``keyword``: what put it there, and what alone lifts it.
    kind: Mapped[str] = mapped_column(ascii_string(16), primary_key=True)
    since: Mapped[datetime]
    who: Mapped[str] = mapped_column(text_string(128))
    why: Mapped[str | None] = mapped_column(text_string(512))
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None] = mapped_column(text_string(128))
    #: Of which change of its account's list it is: those that came later are found by it.
    change: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (Index("ix_bc_suppressions_change", "account", "change"),)


class ListName(StrEnum):
    """Whose changes are counted."""

    SUPPRESSED = "suppressed"
    LEFT = "left"  #: by WeChat's pushes


class ListChanges(Base):
    """How often anybody was put on a list of one account, or on that of all.

    A clock could not tell: of two changes the one with the earlier moment may be seen later.
    """

    __tablename__ = "bc_list_changes"

    #: ``*``: of every account.
    account: Mapped[str] = mapped_column(ascii_string(64), primary_key=True)
    list: Mapped[str] = mapped_column(ascii_string(16), primary_key=True)
    changes: Mapped[int] = mapped_column(BigInteger)
