"""Splitting a batch whose recipients WeChat refused: two children that add up to their parent."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select

from broadcast import openid, plan
from broadcast.call import clientmsgid
from broadcast.states import BatchState
from models.account import AccountRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.ledger.reading import recipients
from models.ledger.rows import HeldBatch


def split(connection: Connection, batch: HeldBatch) -> None:
    """Add two batches with the halves of *batch*'s range, each with a clientmsgid of its own."""
    if batch.list is None or batch.size is None:
        raise ValueError(f"batch {batch.id} has no recipients to be halved")
    row = connection.execute(
        select(BroadcastRow.key, BroadcastRow.content, AccountRow.appid)
        .join(AccountRow, AccountRow.name == BroadcastRow.account)
        .where(BroadcastRow.id == batch.broadcast_id)
    ).one()
    packed = recipients.packed(
        connection, batch.broadcast_id, batch.list, start=batch.start, size=batch.size
    )
    n = connection.execute(
        select(func.max(Batch.n)).where(Batch.broadcast_id == batch.broadcast_id)
    ).scalar_one()
    left, right = plan.halves(batch.size)
    cut = left * openid.PACKED_LENGTH
    for step, (start, size, half) in enumerate(
        ((batch.start, left, packed[:cut]), (batch.start + left, right, packed[cut:])), start=1
    ):
        connection.execute(
            insert(Batch).values(
                broadcast_id=batch.broadcast_id, account=batch.account, path=batch.path,
                n=n + step, list=batch.list, start=start, size=size, parent_id=batch.id,
                depth=batch.depth + 1, attempts=0, polls=0, state=BatchState.PLANNED,
                moved_counter=batch.gate_counter, begins_anew=False,
                clientmsgid=clientmsgid.derive(
                    appid=row.appid, key=row.key, content=row.content, packed=half
                ),
            )
        )  # fmt: skip
