"""Splitting a batch whose recipients WeChat refused: two children that add up to their parent."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select

from broadcast import openid, plan
from broadcast.call import clientmsgid
from broadcast.states import BatchState
from models.account import AccountRow
from models.batch import Batch, Pack
from models.broadcast import BroadcastRow
from models.ledger.transaction import AnyRow


def split(connection: Connection, batch: AnyRow) -> None:
    """Add two batches with the halves of *batch*'s OpenIDs, each with a clientmsgid of its own."""
    packed = connection.execute(select(Pack.openids).where(Pack.id == batch.pack_id)).scalar_one()
    said = connection.execute(
        select(BroadcastRow.key, BroadcastRow.content, AccountRow.appid)
        .join(AccountRow, AccountRow.name == BroadcastRow.account)
        .where(BroadcastRow.id == batch.broadcast_id)
    ).one()
    n = connection.execute(
        select(func.max(Batch.n)).where(Batch.broadcast_id == batch.broadcast_id)
    ).scalar_one()
    left, _ = plan.halves(batch.size)
    cut = left * openid.PACKED_LENGTH
    for step, half in enumerate((packed[:cut], packed[cut:]), start=1):
        pack_id = _add_pack(connection, batch.broadcast_id, half, n=n + step)
        connection.execute(
            insert(Batch).values(
                broadcast_id=batch.broadcast_id,
                account=batch.account,
                n=n + step,
                size=len(half) // openid.PACKED_LENGTH,
                pack_id=pack_id,
                parent_id=batch.id,
                depth=batch.depth + 1,
                state=BatchState.PLANNED,
                clientmsgid=clientmsgid.derive(
                    appid=said.appid, key=said.key, content=said.content, packed=half
                ),
            )
        )


def _add_pack(connection: Connection, broadcast_id: str, packed: bytes, *, n: int) -> int:
    openids = openid.unpack(packed)
    added = connection.execute(
        insert(Pack).values(
            broadcast_id=broadcast_id,
            n=n,
            size=len(packed) // openid.PACKED_LENGTH,
            first_openid=openids[: openid.LENGTH].decode("ascii"),
            last_openid=openids[-openid.LENGTH :].decode("ascii"),
            openids=packed,
        )
    ).inserted_primary_key
    if added is None:
        raise RuntimeError("the database did not number a pack")
    return int(added[0])
