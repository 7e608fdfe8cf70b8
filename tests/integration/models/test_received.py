"""In which broadcasts one person was: the newest, and none that only excludes them."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, insert

from broadcast.rules.plan.cut import Chunk
from broadcast.rules.plan.selection import excluded_list
from models.every_table import ChunkRow
from models.ledger.lists.uploads import chunk_row
from models.ledger.views import received
from tests.kit import ledger


@pytest.mark.every_database
def test_who_stands_in_the_file_of_an_exclusion_alone_was_in_no_broadcast(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of many broadcasts the newest are shown."""
    monkeypatch.setattr(received, "_LOOKED_AT", 1)
    first = ledger.published(engine, ledger.body())
    stranger = ledger.openids(60)[50]
    chunk = Chunk(start=0, packed=ledger.packed([stranger]))
    with engine.begin() as connection:
        connection.execute(insert(ChunkRow).values(chunk_row(first, excluded_list(1), chunk)))
    second = ledger.published(engine, ledger.body(text="甲"))
    mine = ledger.openids(20)[3]

    assert received.of_openid(engine, "default", stranger, most=9) == []
    assert [one.broadcast_id for one in received.of_openid(engine, "default", mine, most=9)] == [
        second,
        first,
    ]
    [newest] = received.of_openid(engine, "default", mine, most=1)
    assert newest.broadcast_id == second
