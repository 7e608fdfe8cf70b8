"""Pages: what a send of an article or a video published, and which other sends show the same.

WeChat takes a page away for every send of a material at once (WeChat page "message/mass/delete").
That two sends show the same is seen by their material, or by the msg_data_id that WeChat gave both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, or_, select

from broadcast.frozen import frozen
from broadcast.states import BatchState, Phase
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.ledger.transaction import read

#: What has a page (WeChat page "message/mass/delete").
WITH_PAGE = frozenset({"mpnews", "mpvideo"})
#: WeChat has these.
SENT = (BatchState.ACCEPTED, BatchState.FINISHED)


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
    """What a broadcast has published, and what else shows the same."""

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


def of_broadcast(engine: Engine, broadcast_id: str, *, n: int | None = None) -> Pages:
    """Return the pages of a broadcast, or that of its batch *n*, which the others share."""
    with read(engine) as connection:
        row = connection.execute(
            select(BroadcastRow.account, BroadcastRow.msgtype, BroadcastRow.content).where(
                BroadcastRow.id == broadcast_id
            )
        ).one()
        material = _material(row.msgtype, row.content)
        same = _of_material(connection, row.account, row.msgtype, material=material)
        own = _sent(connection, row.account, Batch.broadcast_id == broadcast_id)
        mine = [one for one in own if n in {None, one.n}]
        ids = {one.msg_data_id for one in mine} - {None}
        alike = or_(Batch.broadcast_id.in_(same), Batch.msg_data_id.in_(ids))
        own_ids = {one.msg_id for one in mine}
        shared = [
            one for one in _sent(connection, row.account, alike)
            if one.broadcast_id != broadcast_id or one.msg_id not in own_ids
        ]  # fmt: skip
        unnamed = connection.scalars(
            select(Batch.n)
            .where(Batch.broadcast_id == broadcast_id, Batch.state.in_(SENT))
            .where(Batch.msg_id.is_(None))
            .order_by(Batch.n)
        ).all()
    return Pages(
        account=row.account, msgtype=row.msgtype, pages=_grouped(mine), shared=shared,
        unnamed=[number for number in unnamed if n in {None, number}],
        to_come=[name for name, phase in same.items() if phase is not Phase.ENDED],
    )  # fmt: skip


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
        .where(BroadcastRow.account == account, BroadcastRow.msgtype == msgtype)
        .where(BroadcastRow.content.contains(material, autoescape=True))
        .order_by(BroadcastRow.created_at)
    )
    return {row.id: row.phase for row in rows if _material(msgtype, row.content) == material}


def _sent(connection: Connection, account: str, *which: ColumnElement[bool]) -> list[SentBatch]:
    rows = connection.execute(
        select(
            Batch.broadcast_id, Batch.n, Batch.size, Batch.state, Batch.msg_id, Batch.msg_data_id
        )
        .where(Batch.account == account, *which)
        .where(Batch.state.in_(SENT), Batch.msg_id.is_not(None))
        .order_by(Batch.id)
    )
    return [SentBatch(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name
