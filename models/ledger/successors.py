"""Successors: a batch that WeChat took in no call is replaced, where somebody in it asked out.

A batch with a call never changes: its clientmsgid stands for that very request. So whoever asked
out or left while it waited for its next call is left out by another batch, with a clientmsgid of
its own, that has all the others. Only what cannot have been sent is replaced; else the two might
both go out.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, Engine, exists, func, insert, or_, select, true

from broadcast.call import clientmsgid
from broadcast.plan.chunk import own_list
from broadcast.reasons import Reason
from broadcast.sorted_openids import unpacked
from broadcast.states import BatchState, Phase
from models.account import AccountRow
from models.attempt import AttemptRow
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.ledger import shrink, transitions
from models.ledger.command import run
from models.ledger.reading import held_rows, possibly_sent
from models.ledger.reading.next_work import Work
from models.ledger.rows import HeldBatch, HeldBroadcast


def replace(engine: Engine, work: Work, people: Mapping[str, bytes]) -> int | None:
    """Put a batch without *people* in the place of one that is to be called again.

    *people*: packed OpenIDs by the reason for which they are left out. Returns how many that were;
    0 where the batch stands no more as it was read, and None where it must stay as it is, because
    a call of it may have been taken or only an operator says that it was not.
    """

    def do(connection: Connection, held: HeldBroadcast) -> int | None:
        batch = held_rows.batch(connection, work.batch_id)
        stands = batch.state is BatchState.PLANNED and batch.attempts == work.attempts
        if held.phase is not Phase.SENDING or not stands:
            return 0
        if _may_have_gone(connection, batch):
            return None
        _succeed(connection, batch)
        return sum(
            shrink.take_out(connection, held.id, unpacked(packed), reason=reason)
            for reason, packed in people.items()
        )

    return run(engine, work.broadcast_id, do)


def _may_have_gone(connection: Connection, batch: HeldBatch) -> bool:
    """Return whether WeChat may have taken a call of the batch, whatever a person said of it."""
    doubtful = or_(possibly_sent.MAYBE, AttemptRow.denied.is_(true()))
    return bool(
        connection.scalar(select(exists().where(AttemptRow.batch_id == batch.id, doubtful)))
    )


def _succeed(connection: Connection, batch: HeldBatch) -> None:
    """End a batch and add one with the same people, which waits as it did and holds its call.

    People are to be taken out of it in the same transaction, which gives it its clientmsgid.
    """
    there = Batch.broadcast_id == batch.broadcast_id
    n = connection.execute(select(func.max(Batch.n)).where(there)).scalar_one() + 1
    mine = select(Batch.errcode, Batch.errmsg, Batch.renewal).where(Batch.id == batch.id)
    said = connection.execute(mine).one()
    connection.execute(
        insert(Batch).values(
            broadcast_id=batch.broadcast_id, account=batch.account, path=batch.path, n=n,
            list=batch.list, start=batch.start, size=batch.size, parent_id=batch.id,
            depth=batch.depth, attempts=0, polls=0, state=BatchState.PLANNED,
            moved_counter=batch.gate_counter, begins_anew=False, renewal=said.renewal,
            clientmsgid=_of_nobody(connection, batch, n),
            # Why the other one waited, and until when: that goes on.
            not_before=batch.not_before, reason=batch.reason, errcode=said.errcode,
            errmsg=said.errmsg,
        )
    )  # fmt: skip
    transitions.move_batch(
        connection, batch, BatchState.SPLIT, reason=Reason.REPLACED, errcode=None, errmsg=None,
        not_before=None, begins_anew=False,
    )  # fmt: skip


def _of_nobody(connection: Connection, batch: HeldBatch, n: int) -> str:
    """Return the key of a batch until its people are known; it stays where nobody is left."""
    row = connection.execute(
        select(BroadcastRow.key, BroadcastRow.content, AccountRow.appid)
        .join(AccountRow, AccountRow.name == BroadcastRow.account)
        .where(BroadcastRow.id == batch.broadcast_id)
    ).one()
    return clientmsgid.derive(
        appid=row.appid, key=row.key, content=row.content, packed=own_list(n).encode()
    )
