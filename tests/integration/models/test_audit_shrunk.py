"""The audit of batches that shrank before their first call."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, insert, select

from broadcast import openid
from broadcast.rules.calls.clientmsgid import clientmsgid_of
from broadcast.rules.plan.cut import SHRUNK, Chunk, name_of
from broadcast.rules.states import BatchState
from models.every_table import BroadcastRow
from models.ledger.audit.case import Found
from models.ledger.lists import uploads
from models.recipients import ChunkRow, Skipped
from tests.integration.models.tampering import (
    ON_SQLITE,
    change,
    change_batch,
    change_broadcast,
    found,
    four_batches,
    packed,
    remove,
)
from tests.integration.models.test_audit_sets import STRANGER, WIDTH
from tests.kit import ledger
from tests.kit.ledger import Driver, said

pytestmark = ON_SQLITE

OUT = name_of("capped", SHRUNK)


@pytest.fixture
def broadcast_id(engine: Engine) -> str:
    """As in the audit of sets: of its batches the fourth was not called yet."""
    return four_batches(engine)


@pytest.fixture
def shrunk(engine: Engine, broadcast_id: str) -> str:
    """Batch 4 without its first follower, who was capped."""
    whole = packed(engine, broadcast_id, 4)
    rows = [
        uploads.chunk_row(broadcast_id, "batch:4", Chunk(start=0, packed=whole[WIDTH:])),
        uploads.chunk_row(broadcast_id, OUT, Chunk(start=0, packed=whole[:WIDTH])),
    ]
    with engine.begin() as connection:
        connection.execute(insert(ChunkRow), rows)
        connection.execute(
            insert(Skipped).values(broadcast_id=broadcast_id, reason="capped", count=1, sample="[]")
        )
        row = connection.execute(
            select(BroadcastRow.key, BroadcastRow.content).where(BroadcastRow.id == broadcast_id)
        ).one()
    key = clientmsgid_of(
        appid=ledger.account().appid, key=row.key, content=row.content, packed=whole[WIDTH:]
    )
    change_batch(engine, broadcast_id, 4, list="batch:4", start=0, size=9, clientmsgid=key)
    change_broadcast(engine, broadcast_id, planned=39, capped=1)
    return broadcast_id


def test_batch_that_shrank_is_healthy_and_so_are_its_halves(engine: Engine, shrunk: str) -> None:
    assert found(engine) == set()
    driver = Driver(engine)
    while ledger.batch(engine, shrunk, 4).state is not BatchState.SPLIT:
        batch_id = driver.next().batch_id
        fourth = batch_id == ledger.batch(engine, shrunk, 4).id
        driver.call(said(40003) if fourth else said(0, msg_id=batch_id + 100))
        ledger.pass_time(engine, timedelta(seconds=1))
    assert found(engine) == set()


def test_half_with_a_list_of_its_own_is_healthy_and_one_that_is_larger_than_it_is_found(
    engine: Engine, broadcast_id: str
) -> None:
    change_batch(engine, broadcast_id, 6, list="batch:6", start=0, size=4)
    assert Found.HALVES not in found(engine)
    change_batch(engine, broadcast_id, 6, size=6)
    assert {Found.RANGE, Found.LEAVES} <= found(engine)


def test_follower_who_took_the_place_of_a_capped_one_is_found(engine: Engine, shrunk: str) -> None:
    where = (ChunkRow.broadcast_id == shrunk) & (ChunkRow.list == OUT)
    name = openid.unpack(STRANGER).decode()
    change(engine, ChunkRow, where, openids=STRANGER, first_openid=name, last_openid=name)
    assert found(engine) == {Found.MEMBERS}


def test_follower_who_is_neither_in_a_batch_nor_left_out_is_found(
    engine: Engine, shrunk: str
) -> None:
    remove(engine, ChunkRow, (ChunkRow.broadcast_id == shrunk) & (ChunkRow.list == OUT))
    assert found(engine) == {Found.MEMBERS}
    change(engine, Skipped, Skipped.broadcast_id == shrunk, count=0)
    change_broadcast(engine, shrunk, capped=0)
    assert Found.READ in found(engine)


def test_more_who_were_left_out_than_the_figure_says_are_found(engine: Engine, shrunk: str) -> None:
    change_broadcast(engine, shrunk, capped=2, read=41)
    change(engine, Skipped, Skipped.broadcast_id == shrunk, count=2)
    assert {Found.SKIPPED, Found.PLANNED} == found(engine)
