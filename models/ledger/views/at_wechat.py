"""Records of an account at WeChat: pages, its own sends, jobs that ended.

A page is what a send of an article or a video published. WeChat takes it away for every send of a
material at once (WeChat page "message/mass/delete"). That two sends show the same is seen by their
material, or by the msg_data_id that WeChat gave both.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
)

from broadcast.frozen import frozen
from broadcast.rules.accounts import Allowance
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.jobs import Job, Period, Reconciled, SetAside
from broadcast.rules.plan import selection
from broadcast.rules.plan.audience import KINDS, Everyone, Followers, Tag, parse
from broadcast.rules.plan.selection import Excluded, Exclusion
from broadcast.rules.reports import Report
from broadcast.rules.states import OPEN_PHASES, SENT, BatchState, Phase
from models.base import count_of, row_of
from models.batch_tables import Batch
from models.box_tables import Finish
from models.broadcast_tables import BroadcastRow
from models.engine import now
from models.ledger.boxes import pushes
from models.ledger.outcomes import job_lookup, resolves
from models.ledger.outcomes.job_lookup import StoredFinish
from models.ledger.rows.transaction import (
    at_one_moment,
    every_row,
    reading,
    selected,
)

#: What has a page (WeChat page "message/mass/delete").
WITH_PAGE = frozenset({"mpnews", "mpvideo"})


@frozen
class SentBatch:
    """A batch that WeChat has, under its msg_id."""

    broadcast_id: str
    n: int
    size: int | None
    state: BatchState
    msg_id: int
    msg_data_id: int | None


@frozen
class Page:
    """One page, and the batches of a broadcast that show it."""

    msg_data_id: int | None
    batches: Sequence[SentBatch]


@frozen
class Pages:
    """Pages of a broadcast, and other sends that show the same."""

    account: str
    msgtype: str
    #: As a rule one: a broadcast has one content.
    pages: Sequence[Page]
    #: Batches that lose their page too: of other broadcasts, and of this one where one was named.
    shared: Sequence[SentBatch]
    #: Batches that were sent, by an operator's verdict, as nobody knows which job.
    unnamed: Sequence[int]
    #: Broadcasts that will still send the same material, it itself among them.
    to_come: Sequence[str]


def has_page(report: Report) -> bool:
    """Return whether a broadcast published a page, which a recall takes away."""
    return report.msgtype in WITH_PAGE and report.batches["accepted"] > 0


@reading
def pages_of_broadcast(connection: Connection, broadcast_id: str, *, n: int | None = None) -> Pages:
    """Return the pages of a broadcast, or that of its batch *n*, which the others share."""
    row = row_of(
        connection, broadcast_id, BroadcastRow.account, BroadcastRow.msgtype, BroadcastRow.content
    )
    material = _material(row.msgtype, row.content)
    same = _of_material(connection, row.account, row.msgtype, material=material)
    own = _sent(connection, row.account, Batch.broadcast_id == broadcast_id)
    mine = [one for one in own if n in {None, one.n}]
    ids = {one.msg_data_id for one in mine} - {None}
    alike = or_(Batch.broadcast_id.in_(same), Batch.msg_data_id.in_(ids))
    own_ids = {one.msg_id for one in mine}
    shared = [
        one
        for one in _sent(connection, row.account, alike)
        if one.broadcast_id != broadcast_id or one.msg_id not in own_ids
    ]
    unnamed = connection.scalars(
        select(Batch.n)
        .where(Batch.broadcast_id == broadcast_id, Batch.state.in_(SENT))
        .filter_by(msg_id=None)
        .order_by(Batch.n)
    ).all()
    return Pages(
        account=row.account,
        msgtype=row.msgtype,
        pages=_grouped(mine),
        shared=shared,
        unnamed=[number for number in unnamed if n in {None, number}],
        to_come=[name for name, phase in same.items() if phase is not Phase.ENDED],
    )


def _grouped(own: Sequence[SentBatch]) -> Sequence[Page]:
    """Return a page for each msg_data_id; a batch without one has that of the others."""
    known = list(dict.fromkeys(one.msg_data_id for one in own if one.msg_data_id is not None))
    if len(known) <= 1:
        return [Page(msg_data_id=next(iter(known), None), batches=own)] if own else []
    each = dict.fromkeys(one.msg_data_id for one in own)
    return [
        Page(msg_data_id=page, batches=[one for one in own if one.msg_data_id == page])
        for page in each
    ]


def _material(msgtype: str, content: str) -> str | None:
    part: dict[str, Any] = json.loads(content).get(msgtype) or {}
    return part.get("media_id")


def _of_material(
    connection: Connection, account: str, msgtype: str, *, material: str | None
) -> dict[str, Phase]:
    """Return the account's broadcasts of a material, oldest first, and how far each is."""
    if material is None or msgtype not in WITH_PAGE:
        return {}
    rows = connection.execute(
        select(BroadcastRow.id, BroadcastRow.phase, BroadcastRow.content)
        .filter_by(account=account, msgtype=msgtype)
        .where(BroadcastRow.content.contains(material, autoescape=True))
        .order_by(BroadcastRow.created_at)
    )
    return {row.id: row.phase for row in rows if _material(msgtype, row.content) == material}


def _sent(connection: Connection, account: str, *which: ColumnElement[bool]) -> Sequence[SentBatch]:
    query = (
        selected(SentBatch, Batch)
        .where(Batch.account == account, *which)
        .where(Batch.state.in_(SENT), Batch.msg_id.is_not(None))
        .order_by(Batch.id)
    )
    return every_row(connection, query, SentBatch)


#: WeChat may have taken it.
_DOUBTFUL = [BatchState.UNKNOWN, BatchState.IN_DOUBT]


def sendalls_accepted(
    engine: Engine, account: str, allowance: Allowance, *, at: datetime | None = None
) -> int:
    """Return how many sends that count were accepted since the day or month of *at* began.

    None: the present one.
    """
    return _count(engine, account, allowance, states=SENT, at=at)


def sendalls_in_doubt(
    engine: Engine, account: str, allowance: Allowance, *, at: datetime | None = None
) -> int:
    """Return how many more WeChat may have taken since then: what nobody knows yet."""
    return _count(engine, account, allowance, states=_DOUBTFUL, at=at)


@reading
def _count(
    connection: Connection,
    account: str,
    allowance: Allowance,
    *,
    states: Collection[BatchState],
    at: datetime | None,
) -> int:
    since = allowance.begins(at or now(connection))
    query = (
        select(func.count())
        .select_from(Batch)
        .join(BroadcastRow, BroadcastRow.id == Batch.broadcast_id)
        .where(Batch.account == account, Batch.path == SendPath.SENDALL)
        .where(Batch.state.in_(states))
        .where(Batch.first_called_at >= since)
    )
    if not allowance.tags_count:
        query = query.where(BroadcastRow.audience_kind == Everyone.kind)
    return connection.scalar(query) or 0


@reading
def sendalls_of_broadcasts(connection: Connection, account: str, *, since: datetime) -> int:
    """Return how many broadcasts of an account, to whomever, were accepted since then."""
    return connection.scalar(_BROADCASTS, {"account": account, "since": since}) or 0


# Built once, as each submit runs it.
_BROADCASTS = select(func.count(Batch.broadcast_id.distinct())).where(
    Batch.account == bindparam("account"),
    Batch.state.in_(SENT),
    Batch.first_called_at >= bindparam("since"),
)


@reading
def sendalls_to_come(
    connection: Connection, account: str, allowance: Allowance, *, at: datetime
) -> int:
    """Return how many sends that count are to be made in the day or month of *at*.

    What waits for its turn alone comes now. Those that :func:`in_doubt` counts are none of them.
    """
    begins, ends = allowance.begins(at), allowance.ends(at)
    doubtful = Batch.state.in_(_DOUBTFUL) & (Batch.first_called_at >= begins)
    done = exists().where(Batch.broadcast_id == BroadcastRow.id, Batch.state.in_(SENT) | doubtful)
    kinds = [Everyone.kind, Tag.kind] if allowance.tags_count else [Everyone.kind]
    moment = now(connection)
    due = case((BroadcastRow.scheduled_at > moment, BroadcastRow.scheduled_at), else_=moment)
    return count_of(
        connection,
        BroadcastRow,
        BroadcastRow.account == account,
        ~done,
        BroadcastRow.phase.in_(OPEN_PHASES),
        BroadcastRow.audience_kind.in_(kinds),
        due >= begins,
        due < ends,
    )


@reading
def tag_sends_to_come(connection: Connection, account: str, tag_id: int) -> Sequence[str]:
    """Return the account's broadcasts that still ask WeChat for the tag, oldest first.

    A call to the tag asks when it is made. A plan asks who has it, to send to them or to leave
    them out.
    """
    query = (
        select(
            BroadcastRow.id,
            BroadcastRow.phase,
            BroadcastRow.audience_kind,
            BroadcastRow.audience_spec,
            BroadcastRow.selection,
        )
        .where(BroadcastRow.account == account, BroadcastRow.phase != Phase.ENDED)
        .where(BroadcastRow.audience_kind.in_(KINDS))
        .order_by(BroadcastRow.created_at)
    )
    rows = connection.execute(query).all()
    return [row.id for row in rows if _asks(row, tag_id)]


def _asks(row: Row[*tuple[Any, ...]], tag_id: int) -> bool:
    audience = parse(row.audience_kind, row.audience_spec)
    if audience == Tag(tag_id=tag_id):
        return True
    if row.phase == Phase.SENDING:
        return False
    without = Exclusion(kind=Excluded.TAG, value=str(tag_id))
    return audience == Followers(tag_id=tag_id) or without in selection.parse(row.selection).exclude


@frozen
class _Event(StoredFinish):
    """The event of a job."""

    batch_id: int


@at_one_moment
def read_reconciling(
    connection: Connection, account: str, within: Period
) -> tuple[Sequence[Reconciled], Sequence[Job], Sequence[SetAside]]:
    """Return the batches of *account* that were first called then, and the jobs that ended then.

    A job ends after its call: those of batches that were called before are there with them. Third
    is what WeChat pushed then and nobody could read.
    """
    return (
        _batches(connection, account, within),
        job_lookup.jobs_ended(connection, account, within),
        pushes.pushes_set_aside(connection, account, within),
    )


def _batches(connection: Connection, account: str, within: Period) -> Sequence[Reconciled]:
    called = (
        Batch.account == account,
        Batch.first_called_at >= within.since,
        Batch.first_called_at < within.until,
    )
    rows = every_row(
        connection,
        selected(Reconciled, Batch).where(*called).order_by(Batch.first_called_at, Batch.id),
        Reconciled,
    )
    events = every_row(
        connection,
        selected(_Event, Finish, batch_id=Batch.id)
        .join(Batch, (Batch.account == Finish.account) & (Batch.msg_id == Finish.msg_id))
        .where(*called),
        _Event,
    )
    by_batch = {row.batch_id: row.event() for row in events}
    ended = {row.batch_id: row.ended_at for row in events}
    apart = resolves.of_other_time(connection, ended, *called)
    return [replace(row, event=by_batch.get(row.id), other_time=row.id in apart) for row in rows]
