"""Broadcasts: content, audience as asked, figures and phase; and the submissions that made them."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.drafts import Marks
from broadcast.rules.states import BroadcastState, Phase
from models.base import (
    Ascii16,
    Ascii32,
    Ascii64,
    Base,
    BigCount,
    BigInt,
    Count,
    LongWords,
    OfAccount,
    OfBroadcast,
    Text128,
    ascii_string,
    text_string,
)


class BroadcastRow(Base):
    """One thing said to one audience. What forbids its calls is in its gates."""

    __tablename__ = "bc_broadcasts"

    id: Mapped[Ascii32] = mapped_column(primary_key=True)
    account: Mapped[OfAccount]
    #: The producer's idempotency key; which broadcast has it is said by ``bc_submissions``.
    key: Mapped[Text128]
    title: Mapped[str | None] = mapped_column(text_string(256))
    phase: Mapped[Phase]
    #: How it ended; NULL while a batch is not at rest.
    result: Mapped[BroadcastState | None]
    #: Grows with every change, under the row's lock.
    version: Mapped[BigCount]
    #: The account's gate counter from which on the circuit breaker counts: a person's last go-on.
    breaker_since: Mapped[BigCount]
    #: From when the sweep may find something to do; NULL: not before something changes.
    due_at: Mapped[datetime | None]

    msgtype: Mapped[Ascii16]
    #: Canonical JSON of WeChat's own content object.
    content: Mapped[LongWords]
    content_digest: Mapped[Ascii64]
    #: The same of what it is: files by what is in them, whatever media_ids they had.
    content_identity: Mapped[Ascii64]
    #: Whom it goes to, as it was asked for (``broadcast.rules.plan.audience``).
    audience_kind: Mapped[Ascii16]
    audience_spec: Mapped[LongWords]
    audience_digest: Mapped[Ascii64]
    path: Mapped[SendPath]
    #: Who of it is not meant (``broadcast.rules.plan.selection``); NULL: everybody is, but for
    #: those who are suppressed. And how two parts of one audience differ.
    selection: Mapped[LongWords | None]
    share_digest: Mapped[Ascii64 | None]

    read: Mapped[Count]
    malformed: Mapped[Count]
    duplicate: Mapped[Count]
    suppressed: Mapped[Count]
    excluded: Mapped[Count]
    unsubscribed: Mapped[Count]
    capped: Mapped[Count]
    sampled_out: Mapped[Count]
    #: Who remains; NULL where only the plan shows it, and always where the list is WeChat's.
    planned: Mapped[int | None]

    #: The run of the subtraction whose lists count; NULL: nobody was left out by the plan.
    subtraction: Mapped[Ascii16 | None]
    #: When a run stored a list last; NULL: every list that is there counts.
    run_stored_at: Mapped[datetime | None]

    #: Version of the opt-out lists, by day and resume, that was applied to its batches.
    fresh_for: Mapped[str | None] = mapped_column(ascii_string(96))

    #: OpenIDs in one call at most.
    batch_size: Mapped[int]
    #: How many calls the plan takes; NULL where only the plan shows it.
    calls_planned: Mapped[int | None]
    spread_days: Mapped[bool] = mapped_column(default=False)
    priority: Mapped[int] = mapped_column(default=0)
    scheduled_at: Mapped[datetime | None]
    #: Seconds after which a first call that is still to come is held.
    late_by_s: Mapped[int]
    #: Seconds, before its first call, in which no worker drove its lane though it was due; and when
    #: they were counted last.
    unattended_s: Mapped[Count]
    unattended_at: Mapped[datetime | None]

    created_at: Mapped[datetime]
    created_by: Mapped[Text128]
    #: Beat of an upload that is under way; NULL: given up, or published.
    uploading_at: Mapped[datetime | None]
    #: Publication: from here on lanes see it. NULL where it ended: cancelled before its list came.
    published_at: Mapped[datetime | None]
    #: When it came to its phase, or a gate of it moved, last.
    moved_at: Mapped[datetime | None]
    #: Who hears by a webhook that it came to rest, and the digest of what was reported last.
    notify_url: Mapped[str | None] = mapped_column(ascii_string(2048))
    notified_digest: Mapped[Ascii64 | None]
    #: Which version of its end a notice reports, or which is no news to those who have one.
    reported_version: Mapped[BigInt | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    #: Its lists, calls and history were removed, or are on their way out.
    pruned_at: Mapped[datetime | None]
    woken_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_bc_broadcasts_run_stored_at", "run_stored_at"),
        Index("ix_bc_broadcasts_account_phase", "account", "phase", "result"),
        # In the order in which a lane calls them: the first is found, and no other is looked at.
        Index("ix_bc_broadcasts_next", "account", "phase", priority.desc(), "published_at", "id"),
        Index("ix_bc_broadcasts_due_at", "phase", "due_at", "account"),
        Index("ix_bc_broadcasts_created_at", "created_at"),
        Index("ix_bc_broadcasts_finished_at", "finished_at"),
        Index("ix_bc_broadcasts_repeat", "account", "content_identity", "audience_digest"),
    )


class Submission(Base):
    """A key that was used: of which account, for which body, and for which broadcast.

    It outlives its broadcast, so that a repeated request is answered after a prune as well.
    """

    __tablename__ = "bc_submissions"

    account: Mapped[OfAccount] = mapped_column(primary_key=True)
    key: Mapped[Text128] = mapped_column(primary_key=True)
    #: NULL: its list is awaited. Where that was cancelled: the digest of the request without it.
    body_digest: Mapped[Ascii64 | None]
    #: Of a program's request the other options (``broadcast.rules.plan.submission``); NULL: of a
    #: command.
    options_digest: Mapped[Ascii64 | None]
    #: Without a foreign key: the broadcast may be gone.
    broadcast_id: Mapped[Ascii32]
    created_at: Mapped[datetime]


class Reservation(Base):
    """Calls of one day that a broadcast holds: each call takes one, what is left is freed."""

    __tablename__ = "bc_reservations"

    broadcast_id: Mapped[OfBroadcast] = mapped_column(primary_key=True)
    path: Mapped[SendPath] = mapped_column(primary_key=True)
    #: In Shanghai.
    day: Mapped[str] = mapped_column(ascii_string(10), primary_key=True)
    account: Mapped[Ascii64]
    calls: Mapped[int]

    # With the calls, so that they are added up from the index alone.
    __table_args__ = (Index("ix_bc_reservations_day", "account", "day", "path", "calls"),)


class DraftRow(Base):
    """Stored draft of one broadcast of articles (``broadcast.rules.drafts``)."""

    __tablename__ = "bc_drafts"

    broadcast_id: Mapped[OfBroadcast] = mapped_column(primary_key=True)
    media_id: Mapped[str] = mapped_column(text_string(256))
    #: What a person let go out, and what was seen last.
    approved: Mapped[Marks | None]
    seen: Mapped[Marks | None]
    #: Looks in a row without an answer.
    tries: Mapped[Count]
    #: When a look last ruled; NULL: none did yet.
    looked_at: Mapped[datetime | None]
    #: When it was last looked at, with an answer or without.
    tried_at: Mapped[datetime | None]

    __table_args__ = (Index("ix_bc_drafts_looked_at", "looked_at"),)


class UploadRow(Base):
    """Request of a broadcast without its list; it stays, as the key does."""

    __tablename__ = "bc_uploads"

    #: Without a foreign key: the broadcast may be gone.
    broadcast_id: Mapped[Ascii32] = mapped_column(primary_key=True)
    #: The request as JSON, and a digest of what it says.
    request: Mapped[LongWords]
    digest: Mapped[Ascii64]
    #: When the try that stores the list showed last that it lives, and which list; NULL: no try is
    #: at it.
    beat_at: Mapped[datetime | None]
    list_digest: Mapped[Ascii64 | None]
    created_at: Mapped[datetime]
