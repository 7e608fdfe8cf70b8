"""Engines on real databases for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from models import Base
from models.engine import open_engine


@pytest.fixture
def empty(database_url: str) -> Iterator[Engine]:
    """An engine on a database without any table."""
    engine = open_engine(database_url, pool_size=10)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(empty: Engine) -> Engine:
    """An engine on a database that has the tables, made by the short way."""
    Base.metadata.create_all(empty)
    return empty
