"""Campaigns, their launches and their rehearsals."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.message import Message
from broadcast.rules.campaigns.launches import CampaignState, LaunchState, Why
from broadcast.rules.campaigns.rehearsals import Stage
from broadcast.rules.campaigns.template import Template
from models.base import (
    Ascii32,
    Ascii64,
    Base,
    BigInt,
    LongWords,
    RowID,
    Text64,
    Text128,
    ascii_string,
)


class CampaignRow(Base):
    """One campaign; a removed one stays for its launches."""

    __tablename__ = "bc_campaigns"

    id: Mapped[Ascii32] = mapped_column(primary_key=True)
    name: Mapped[Text64]
    #: The name; NULL: it was removed, and another one may have it.
    used_name: Mapped[Text64 | None]
    #: By its name: it may have sent nothing yet.
    account: Mapped[Ascii64]
    state: Mapped[CampaignState]
    #: Grows with every edit.
    version: Mapped[BigInt]
    #: JSON (``broadcast.rules.campaigns.campaign``).
    plan: Mapped[LongWords]
    #: Up to when each due time has its launch: it only grows.
    decided_until: Mapped[datetime]
    #: The first due time after that; NULL: there is none, or it is not enabled.
    next_due_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    created_by: Mapped[Text128]
    edited_at: Mapped[datetime]
    edited_by: Mapped[Text128]

    __table_args__ = (
        UniqueConstraint("used_name"),
        Index("ix_bc_campaigns_next_due_at", "next_due_at"),
    )


class LaunchRow(Base):
    """One due time of a campaign, or a run that a person asked for."""

    __tablename__ = "bc_launches"

    id: Mapped[RowID]
    campaign_id: Mapped[str] = mapped_column(ascii_string(32), ForeignKey("bc_campaigns.id"))
    account: Mapped[Ascii64]
    due_at: Mapped[datetime]
    state: Mapped[LaunchState]
    #: Why it is held or was skipped; NULL: it is neither, or for the next.
    why: Mapped[Why | None]
    #: The words of what refused its request.
    reason: Mapped[Message | None]
    #: Of the campaign when its template was frozen, and that; NULL: it was skipped.
    version: Mapped[BigInt]
    template: Mapped[Template | None]
    #: Its broadcast's.
    key: Mapped[Text128]
    broadcast_id: Mapped[Ascii32 | None]
    #: People in its audience; NULL: not known before it was sent.
    size: Mapped[int | None]
    #: When a person or the end of the last run let it go; NULL: its time did.
    released_at: Mapped[datetime | None]
    #: The person who did; NULL: none did.
    released_by: Mapped[Text128 | None]
    #: When a worker had it last; NULL: none had since it was decided.
    taken_at: Mapped[datetime | None]
    #: Another one for each worker that takes it; NULL: it was given back, or nobody has it.
    taken_by: Mapped[Ascii32 | None]
    decided_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("campaign_id", "due_at"),
        UniqueConstraint("campaign_id", "key"),
        Index("ix_bc_launches_state", "state", "due_at"),
    )


class RehearsalRow(Base):
    """One look at a run ahead of its time."""

    __tablename__ = "bc_rehearsals"

    id: Mapped[RowID]
    campaign_id: Mapped[str] = mapped_column(ascii_string(32), ForeignKey("bc_campaigns.id"))
    due_at: Mapped[datetime]
    stage: Mapped[Stage]
    #: Of the campaign.
    version: Mapped[BigInt]
    rehearsed_at: Mapped[datetime]
    #: All of them, as the lines of one.
    findings: Mapped[Message]

    __table_args__ = (
        UniqueConstraint("campaign_id", "due_at", "stage", "version"),
        Index("ix_bc_rehearsals_due_at", "due_at"),
    )
