"""What an administrator of a database server does beside the running system."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from models.engine import parse
from tests.servers.mariadb import MariaDB

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.servers.postgresql import PostgreSQL

    Server = PostgreSQL | MariaDB


@contextlib.contextmanager
def administrator(server: Server, url: str) -> Iterator[Connection]:
    """Somebody else's connection to the database, outside any transaction."""
    engine = create_engine(parse(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


def name_of(server: Server) -> str:
    """What it is called in a line of the output."""
    return type(server).__name__
