"""A ledger on each engine in turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from models import Base
from models.engine import open_engine


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a database with empty tables."""
    made = open_engine(database_url, pool_size=10)
    Base.metadata.create_all(made)
    yield made
    made.dispose()
