"""A batch that is refused for its recipients is halved, and its halves add up to it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, select

from broadcast import openid
from broadcast.call.rules import Rules
from broadcast.states import BatchState, BroadcastState
from models import Pack
from models.ledger import operator
from models.ledger.reading import next_work, reports
from models.ledger.reading.next_work import Kind
from tests.kit import ledger
from tests.kit.ledger import Driver, said
from tests.kit.openids import split


def children(engine: Engine, broadcast_id: str, parent: int) -> list[Any]:
    return [row for row in ledger.batches(engine, broadcast_id) if row.parent_id == parent]


@pytest.mark.parametrize("size", [4, 5, 10, 9_999])
def test_halves_add_up_to_their_parent(engine: Engine, size: int) -> None:
    broadcast_id = ledger.broadcast(engine, size=size, batches=1)
    Driver(engine).call(said(40003))
    parent, one, other = ledger.batches(engine, broadcast_id)
    assert parent.state is BatchState.SPLIT
    assert one.size + other.size == parent.size == size
    assert one.size - other.size in {0, 1}
    assert [row.n for row in (one, other)] == [2, 3]
    whole = next_work.openids(engine, parent.pack_id)
    halves = [next_work.openids(engine, row.pack_id) for row in (one, other)]
    assert b"".join(halves) == whole
    assert len({row.clientmsgid for row in (parent, one, other)}) == 3
    assert {row.depth for row in (one, other)} == {1}


def test_pack_of_a_half_names_its_first_and_last_openid(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=10, batches=1)
    Driver(engine).call(said(40003))
    with engine.connect() as connection:
        rows = connection.execute(select(Pack.__table__).where(Pack.n > 1).order_by(Pack.n)).all()
    for row in rows:
        names = list(split(openid.unpack(row.openids)))
        assert (row.first_openid, row.last_openid) == (names[0], names[-1])
        assert (row.size, row.broadcast_id) == (len(names), broadcast_id)


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
    driver = Driver(engine, rules=Rules(split_depth=depth))
    while (work := driver.next()).kind is Kind.CALL:
        names = openid.unpack(next_work.openids(engine, work.pack_id))
        driver.call(said(40003) if bad in names else said(0, msg_id=work.batch_id))
    rows = ledger.batches(engine, broadcast_id)
    assert max(row.depth for row in rows) == depth
    [refused] = [row for row in rows if row.state is BatchState.REFUSED]
    assert refused.size == 1_000 // 2**depth
    told = reports.report(engine, broadcast_id)
    assert told.recipients["accepted"] + told.recipients["refused"] == 1_000
    assert told.recipients["refused"] == refused.size
    assert told.state is (BroadcastState.PARTIAL if depth else BroadcastState.FAILED)
    assert told.batches["total"] == depth + 1
    assert sum(line.size for line in told.batch_list if line.state is not BatchState.SPLIT) == 1_000


def test_halves_of_a_cancelled_broadcast_are_not_called(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=10, batches=1)
    driver = Driver(engine)
    claim = driver.claim()
    operator.cancel(engine, broadcast_id, who="a person")
    driver.record(claim, said(40003))
    told = reports.report(engine, broadcast_id)
    assert told.recipients["refused"] == sum(told.recipients.values()) == 10
    assert told.state is BroadcastState.FAILED
    assert driver.next().kind is Kind.REST
