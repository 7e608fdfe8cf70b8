"""Engines on real databases for the tests of the ledger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from models.engine import open_engine
from tests.kit import ledger
from tests.kit.ledger import Driver


@pytest.fixture
def empty(database_url: str) -> Iterator[Engine]:
    """An engine on a database without any table."""
    engine = open_engine(database_url, pool_size=10)
    yield engine
    engine.dispose()


@pytest.fixture
def broadcast_id(engine: Engine) -> str:
    """A broadcast of two batches of ten."""
    return ledger.broadcast(engine)


@pytest.fixture
def driver(engine: Engine, broadcast_id: str) -> Driver:
    """The driver of its lane."""
    return Driver(engine)
