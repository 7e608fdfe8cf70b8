"""A batch that is refused for its recipients is halved, and its halves add up to it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from broadcast import openid
from broadcast.rules.calls.waits import Tuning
from broadcast.rules.states import BatchState, BroadcastState, Phase
from models.every_table import Batch, ChunkRow
from models.ledger.lane import apply_decision, next_work
from models.ledger.lane.next_work import Kind
from models.ledger.lists import recipients
from models.ledger.rows import locked_rows
from models.ledger.rows.transaction import read, write
from models.ledger.steer import operator
from models.ledger.views import broadcast_reports
from tests.kit import ledger
from tests.kit.ledger import Driver, said


def packed(engine: Engine, row: Any) -> bytes:
    """Return the OpenIDs of a batch."""
    with read(engine) as connection:
        return recipients.packed(
            connection, row.broadcast_id, row.list, start=row.start, size=row.size
        )


def chunks(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(select(ChunkRow.__table__).order_by(ChunkRow.id)).all())


@pytest.mark.parametrize("size", [4, 5, 10, 9_999])
def test_halves_add_up_to_their_parent(engine: Engine, size: int) -> None:
    broadcast_id = ledger.broadcast(engine, size=size, batches=1)
    Driver(engine).call(said(40003))
    parent, one, other = ledger.batches(engine, broadcast_id)
    assert parent.state is BatchState.SPLIT
    assert one.size + other.size == parent.size == size
    assert one.size - other.size in {0, 1}
    assert [row.n for row in (one, other)] == [2, 3]
    assert [(row.list, row.start) for row in (one, other)] == [
        (parent.list, parent.start),
        (parent.list, parent.start + one.size),
    ]
    halves = [packed(engine, row) for row in (one, other)]
    assert b"".join(halves) == packed(engine, parent) == ledger.packed(ledger.openids(size))
    assert len({row.clientmsgid for row in (parent, one, other)}) == 3
    assert {row.depth for row in (one, other)} == {1}


def test_a_half_of_a_later_batch_begins_inside_of_its_list(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=20, batches=2)
    driver = Driver(engine)
    driver.call(said(0, msg_id=1))
    driver.call(said(40003))

    _, parent, one, other = ledger.batches(engine, broadcast_id)

    assert [(row.start, row.size) for row in (parent, one, other)] == [(10, 10), (10, 5), (15, 5)]
    assert packed(engine, other) == ledger.packed(ledger.openids(20)[15:])


def test_a_split_copies_no_recipients(engine: Engine) -> None:
    ledger.broadcast(engine, size=10, batches=1)
    before = chunks(engine)
    Driver(engine).call(said(40003))
    assert chunks(engine) == before


def test_batch_without_recipients_of_ours_cannot_be_split(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    with engine.begin() as connection:
        connection.execute(update(Batch).values(list=None, size=None))
    batch_id = ledger.batch(engine, broadcast_id).id

    with pytest.raises(ValueError, match="no recipients"):
        write(engine, lambda c: apply_decision.halve(c, locked_rows.locked_batch(c, batch_id)))

    assert len(ledger.batches(engine, broadcast_id)) == 2


@pytest.mark.parametrize(("size", "errcode"), [(2, 40003), (3, 40003), (10, 40130)])
def test_batch_without_legal_halves_or_a_single_culprit_is_refused(
    engine: Engine, size: int, errcode: int
) -> None:
    broadcast_id = ledger.broadcast(engine, size=size, batches=1)
    Driver(engine).call(said(errcode))
    assert ledger.states(engine, broadcast_id) == {BatchState.REFUSED: 1}


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_batches_are_halved_as_often_as_the_rules_say(engine: Engine, depth: int) -> None:
    """One bad OpenID: WeChat refuses the half that holds it, each time."""
    broadcast_id = ledger.broadcast(engine, size=1_000, batches=1)
    bad = ledger.openids(1_000)[137].encode()
    driver = Driver(engine, tuning=Tuning(split_depth=depth))
    while (work := driver.next()).kind is Kind.CALL:
        names = openid.unpack(next_work.openids(engine, work) or b"")
        driver.call(said(40003) if bad in names else said(0, msg_id=work.batch_id))
    rows = ledger.batches(engine, broadcast_id)
    assert max(row.depth for row in rows) == depth
    [refused] = [row for row in rows if row.state is BatchState.REFUSED]
    assert refused.size == 1_000 // 2**depth
    told = broadcast_reports.report(engine, broadcast_id)
    recipients = ledger.counted(told)
    assert recipients["accepted"] + recipients["refused"] == 1_000
    assert recipients["refused"] == refused.size
    assert told.state is (BroadcastState.PARTIAL if depth else BroadcastState.FAILED)
    assert told.batches["total"] == depth + 1
    sizes = [line.size for line in told.batch_list if line.state is not BatchState.SPLIT]
    assert sum(size or 0 for size in sizes) == 1_000


def test_halves_of_a_cancelled_broadcast_are_not_called(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=10, batches=1)
    driver = Driver(engine)
    claim = driver.claim()
    operator.cancel(engine, broadcast_id, who="a person")
    driver.record(claim, said(40003))
    told = broadcast_reports.report(engine, broadcast_id)
    assert told.recipients["refused"] == sum(ledger.counted(told).values()) == 10
    assert (told.state, told.phase) == (BroadcastState.CANCELLED, Phase.ENDED)
    assert driver.next().kind is Kind.REST
