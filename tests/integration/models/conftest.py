"""Engines on real databases for the tests of this room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from models import Base, Batch
from models.engine import open_engine
from tests.kit import ledger
from tests.kit.ledger import Driver
from tests.servers.fixtures import DATABASES
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL


@pytest.fixture
def empty(database_url: str) -> Iterator[Engine]:
    """An engine on a database without any table."""
    engine = open_engine(database_url, pool_size=10)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def kept_urls() -> dict[str, str]:
    """The databases with tables that the tests of this process share, by server."""
    return {}


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, kept_urls: dict[str, str], tmp_path: Path) -> str:
    """URL of a database with empty tables; the test runs once on each engine.

    Tables are emptied and not made anew: on MariaDB making them takes longer than most tests.
    """
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'broadcast.sqlite'}"
        _with_tables(url)
        return url
    server: PostgreSQL | MariaDB = request.getfixturevalue(request.param)
    if request.param not in kept_urls:
        kept_urls[request.param] = server.fresh_database()
        _with_tables(kept_urls[request.param])
    url = kept_urls[request.param]
    _empty(url)
    return url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """An engine on a database with empty tables."""
    engine = open_engine(url, pool_size=10)
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


def _with_tables(url: str) -> None:
    engine = open_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()


def _empty(url: str) -> None:
    engine = open_engine(url)
    with engine.begin() as connection:
        # A parent and its children are of one table.
        connection.execute(update(Batch).values(parent_id=None))
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(table.delete())
    engine.dispose()
