"""How many people of a batch that was called are suppressed by now."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from sqlalchemy import Engine, select

from broadcast.frozen import frozen
from broadcast.plan import selection
from broadcast.sorted_openids import Stream, unpacked
from models.batch import Batch
from models.broadcast import BroadcastRow
from models.ledger.reading import recipients, suppressions
from models.ledger.rows import columns, every
from models.ledger.transaction import read


@frozen
class _Range:
    id: int
    list: str
    start: int
    size: int


def suppressed_in(engine: Engine, broadcast_id: str, batch_ids: Collection[int]) -> dict[int, int]:
    """Return how many are suppressed in each of these batches, of those that hold any.

    None of a broadcast that goes to them all the same, nor of WeChat's own lists.
    """
    whose = select(BroadcastRow.account, BroadcastRow.selection)
    ranges = select(*columns(_Range, Batch)).where(
        Batch.id.in_(batch_ids), Batch.list.is_not(None), Batch.size > 0
    )
    with read(engine) as connection:
        row = connection.execute(whose.where(BroadcastRow.id == broadcast_id)).one()
        batches = every(connection, ranges.order_by(Batch.n), _Range)
    if selection.parse(row.selection).ignore_suppression or not batches:
        return {}
    if not suppressions.any_of(engine, row.account):
        return {}
    found = {}
    for batch in batches:
        with read(engine) as connection:
            packed = recipients.packed(
                connection, broadcast_id, batch.list, start=batch.start, size=batch.size
            )
        ids = unpacked(packed)
        within = (ids[0].decode(), ids[-1].decode())
        people = Stream(suppressions.pieces(engine, row.account, between=within))
        found[batch.id] = int(np.count_nonzero(people.hits(ids)))
    return {batch_id: count for batch_id, count in found.items() if count}
