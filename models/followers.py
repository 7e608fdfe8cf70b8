"""Followers: our copy of WeChat's list in chunks, the passes that make it, and what came since.

Ten rows a megabyte instead of a row a follower: decision 15 has the figures.
"""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Ascii16,
    Ascii28,
    Ascii64,
    Base,
    BigInt,
    OfAccount,
    PackedBytes,
    RowID,
    Text128,
    ascii_string,
)


class FollowerSync(Base):
    """One pass over WeChat's list: from its first page to the list that it made."""

    __tablename__ = "bc_follower_syncs"

    id: Mapped[RowID]
    account: Mapped[OfAccount]
    started_by: Mapped[Text128]
    started_at: Mapped[datetime]
    #: When its last page came, and its moment by WeChat's clock is that of its first page.
    paged_at: Mapped[datetime | None]
    first_page_at: Mapped[datetime | None]
    #: What the next page is asked from; empty for the first one. None: there is no next page.
    next_openid: Mapped[Ascii64 | None]
    #: The last OpenIDs of the last page, one behind the other: where to go on if the last one left.
    tail: Mapped[str] = mapped_column(ascii_string(512))
    pages: Mapped[int]
    #: OpenIDs on the pages, doubled ones too.
    listed: Mapped[int]
    #: What WeChat said of the number of followers: on the last page, at least and at most.
    total: Mapped[int | None]
    least_total: Mapped[int | None]
    most_total: Mapped[int | None]
    #: Set once, with everything below; a pass that was given up has neither list nor figures.
    finished_at: Mapped[datetime | None]
    #: ``complete``, ``short`` (nobody was marked as left) or ``given_up``.
    ended: Mapped[Ascii16 | None]
    #: Whose chunks count.
    run: Mapped[Ascii16 | None]
    size: Mapped[int | None]
    followers: Mapped[int | None]
    joined: Mapped[int | None]
    left: Mapped[int | None]

    __table_args__ = (Index("ix_bc_follower_syncs_account", "account", "id"),)


class FollowerPage(Base):
    """One page of a pass that is not finished."""

    __tablename__ = "bc_follower_pages"

    id: Mapped[RowID]
    sync_id: Mapped[BigInt] = mapped_column(ForeignKey("bc_follower_syncs.id"))
    n: Mapped[int]
    asked_from: Mapped[Ascii64]
    #: WeChat's clock, before it answered.
    seen_at: Mapped[datetime]
    size: Mapped[int]
    #: Sorted; packed as in ``bc_chunks``.
    openids: Mapped[PackedBytes]

    __table_args__ = (UniqueConstraint("sync_id", "n"),)


class FollowerChunk(Base):
    """Some OpenIDs of the list that a pass made: sorted, those who left too."""

    __tablename__ = "bc_follower_chunks"

    id: Mapped[RowID]
    sync_id: Mapped[BigInt] = mapped_column(ForeignKey("bc_follower_syncs.id"))
    run: Mapped[Ascii16]
    #: How many OpenIDs of the list come before it.
    start: Mapped[int]
    size: Mapped[int]
    first_openid: Mapped[Ascii28]
    last_openid: Mapped[Ascii28]
    openids: Mapped[PackedBytes]
    #: Nine bytes each: ``broadcast.rules.followers.FACTS``.
    facts: Mapped[PackedBytes]

    __table_args__ = (UniqueConstraint("sync_id", "run", "start"),)


class FollowerChange(Base):
    """Subscription or departure of one person by WeChat's pushes; the next pass merges it.

    Both moments only grow, so pushes may come doubled, late and in any order.
    """

    __tablename__ = "bc_follower_changes"

    account: Mapped[Ascii64] = mapped_column(primary_key=True)
    openid: Mapped[Ascii28] = mapped_column(primary_key=True)
    followed_at: Mapped[datetime | None]
    left_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]
    #: With which change of who left ``left_at`` came; 0: nobody said that they left.
    left_change: Mapped[BigInt]

    __table_args__ = (Index("ix_bc_follower_changes_left", "account", "left_change"),)
