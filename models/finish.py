"""Finish events: what WeChat pushed of the end of each job, whoever began that job."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Index, UniqueConstraint, and_, or_
from sqlalchemy.orm import Mapped, mapped_column

from broadcast.finish import LONGEST_STATUS
from broadcast.reasons import STOPPED_JOB
from broadcast.states import BatchState
from models.base import Base
from models.batch import Batch
from models.types import (
    Ascii64,
    BigInt,
    LongWords,
    RowID,
    text_string,
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


_TAKEN: ColumnElement[bool] = Batch.state.in_([BatchState.ACCEPTED, BatchState.FINISHED])
_REVIEWED = and_(Batch.state == BatchState.REFUSED, Batch.reason.in_(STOPPED_JOB))
#: Joins a batch and the event of its job, be it that the job's review refused it.
IS_OF_BATCH = and_(
    Batch.account == Finish.account, Batch.msg_id == Finish.msg_id, or_(_TAKEN, _REVIEWED)
)
