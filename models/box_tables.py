"""Boxes: pushes, finish events, webhooks, outbox, dead letters, queues."""

from datetime import datetime

from sqlalchemy import ColumnElement, Index, UniqueConstraint, and_, or_
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.message import Message
from broadcast.rules.dead_letters import LetterSource, LetterState
from broadcast.rules.finish_events import LONGEST_STATUS
from broadcast.rules.pushes import Action
from broadcast.rules.states import SENT, STOPPED_JOB, BatchState, WebhookState
from models.base import (
    Ascii28,
    Ascii32,
    Ascii64,
    Base,
    BigInt,
    Count,
    LongWords,
    OfBroadcast,
    RowID,
    Text64,
    Text128,
    Text512,
    ascii_string,
    text_string,
)
from models.batch_tables import Batch


class PushRow(Base):
    """One push, once, however often WeChat repeats it.

    ``due_at`` NULL: handled, or with ``handled_at`` NULL too: set aside, no try can handle it.
    """

    __tablename__ = "bc_pushes"

    id: Mapped[RowID]
    #: By its name: the callback server may hear of an account that has never sent.
    account: Mapped[Ascii64]
    dedup: Mapped[Ascii64]
    kind: Mapped[Text64]
    openid: Mapped[Ascii28 | None]
    msg_id: Mapped[BigInt | None]
    #: WeChat's CreateTime; of a message that names none, when it came.
    happened_at: Mapped[datetime]
    received_at: Mapped[datetime]
    #: What a keyword asked for.
    action: Mapped[Action | None]
    body: Mapped[LongWords]
    due_at: Mapped[datetime | None]
    tries: Mapped[Count]
    handled_at: Mapped[datetime | None]
    #: Why the last try did not handle it.
    problem: Mapped[Text512 | None]

    __table_args__ = (
        UniqueConstraint("account", "dedup"),
        Index("ix_bc_pushes_account_received_at", "account", "received_at"),
        Index("ix_bc_pushes_due_at", "due_at"),
        Index("ix_bc_pushes_handled_at", "handled_at"),
    )


#: Neither handled nor to be tried again.
IS_SET_ASIDE: ColumnElement[bool] = and_(PushRow.handled_at.is_(None), PushRow.due_at.is_(None))


class WebhookRow(Base):
    """One event of one broadcast. Secrets that sign it are in the settings alone."""

    __tablename__ = "bc_webhooks"

    id: Mapped[RowID]
    broadcast_id: Mapped[OfBroadcast]
    version: Mapped[BigInt]
    account: Mapped[Ascii64]
    kind: Mapped[Ascii64]
    url: Mapped[str] = mapped_column(ascii_string(2048))
    #: Scheme, host and port of the URL: of which one delivery at a time is enough.
    origin: Mapped[str] = mapped_column(ascii_string(300))
    #: The broadcast as it was (``models.ledger.rows.figures``), of which the body is made; NULL:
    #: that could not be read, and the body has id and state alone.
    figures: Mapped[LongWords | None]
    #: The bytes that are signed and posted, in ASCII; NULL before its first delivery begins.
    body: Mapped[LongWords | None]
    state: Mapped[WebhookState]
    #: Since then.
    tries: Mapped[int]
    http_status: Mapped[int | None]
    #: Why the last try failed.
    problem: Mapped[Message | None]
    created_at: Mapped[datetime]
    tried_at: Mapped[datetime | None]
    #: When to try next; NULL: delivered or given up. Whoever tries it puts it off first.
    due_at: Mapped[datetime | None]
    #: From when on the day is counted in which it is tried: the event, or a person's retry.
    since: Mapped[datetime]
    closed_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("broadcast_id", "version"),
        Index("ix_bc_webhooks_due_at", "due_at"),
        Index("ix_bc_webhooks_state", "state", "id"),
        Index("ix_bc_webhooks_account", "account", "id"),
        Index("ix_bc_webhooks_closed_at", "closed_at"),
    )


class OutboxRow(Base):
    """One request, as the app wrote it; it is gone once it is a broadcast or a dead letter.

    Nothing of it is unique but a random id: the second of two apps' transactions with one key would
    wait for the end of the first.
    """

    __tablename__ = "bc_outbox"

    id: Mapped[Ascii32] = mapped_column(primary_key=True)
    #: None: the request names none.
    account: Mapped[Text64 | None]
    who: Mapped[Text128]
    #: JSON, as of a message of another program.
    body: Mapped[LongWords]
    #: When it was written; its transaction may have been committed much later.
    created_at: Mapped[datetime]
    #: When a worker that lacks its account saw it first: never before it was committed.
    seen_at: Mapped[datetime | None]
    #: When a worker took it last.
    taken_at: Mapped[datetime | None]
    tries: Mapped[int]

    __table_args__ = (Index("ix_bc_outbox_tries", "tries", "created_at"),)


class DeadLetterRow(Base):
    """One message, once, however often it came."""

    __tablename__ = "bc_dead_letters"

    id: Mapped[Ascii32] = mapped_column(primary_key=True)
    source: Mapped[LetterSource]
    digest: Mapped[Ascii64]
    state: Mapped[LetterState]
    key: Mapped[Text128 | None]
    account: Mapped[Text64 | None]
    body: Mapped[LongWords]
    #: Of the body.
    characters: Mapped[int]
    is_cut: Mapped[bool]
    #: Why, as of the last try.
    reason: Mapped[Message]
    times: Mapped[int]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    broadcast_id: Mapped[Ascii32 | None]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[Text128 | None]
    #: Since when it is being tried again; NULL: it is not.
    tried_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("source", "digest"),
        Index("ix_bc_dead_letters_state", "state", "last_at", "id"),
        Index("ix_bc_dead_letters_characters", "state", "characters"),
        Index("ix_bc_dead_letters_account", "account", "last_at", "id"),
        Index("ix_bc_dead_letters_closed_at", "closed_at"),
    )


class Finish(Base):
    """One MASSSENDJOBFINISH.

    Whose batch it ended is said by the batch that has its msg_id, now or one day, and by nothing
    here: so it is never matched by anything else. Its account may be one that sent nothing yet.
    """

    __tablename__ = "bc_finishes"

    id: Mapped[RowID]
    account: Mapped[Ascii64]
    msg_id: Mapped[BigInt]
    #: WeChat's own word.
    status: Mapped[str] = mapped_column(text_string(LONGEST_STATUS))
    total: Mapped[int | None]
    eligible: Mapped[int | None]
    sent: Mapped[int | None]
    errors: Mapped[int | None]
    #: JSON arrays: the addresses of its articles, and what the originality check said of them.
    articles: Mapped[LongWords]
    copyright: Mapped[LongWords]
    check_state: Mapped[int | None]
    #: WeChat's CreateTime, and when it was taken here.
    created_at: Mapped[datetime | None]
    received_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("account", "msg_id"),
        Index("ix_bc_finishes_received_at", "account", "received_at"),
    )


_REVIEWED = and_(Batch.state == BatchState.REFUSED, Batch.reason.in_(STOPPED_JOB))
#: Joins a batch and the event of its job, be it that the job's review refused it.
IS_OF_BATCH = and_(
    Batch.account == Finish.account,
    Batch.msg_id == Finish.msg_id,
    or_(Batch.state.in_(SENT), _REVIEWED),
)


class QueueRow(Base):
    """The queue of other programs at one broker."""

    __tablename__ = "bc_queues"

    #: SHA-256 of where it is, in hex.
    broker: Mapped[Ascii64] = mapped_column(primary_key=True)
    #: A worker found it empty then or later: what comes from it was sent after this moment.
    empty_at: Mapped[datetime]
