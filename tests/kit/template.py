"""A SQLite file with all tables and no row: the migrations run once, the others are copies."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from sqlalchemy import Engine, make_url

from models import schema
from models.engine import open_engine


def lay(file: Path) -> None:
    """Put a fresh ledger at *file*."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_migrated())


def migrated(url: str) -> Engine:
    """Return an engine on a database, with all tables in it."""
    database = make_url(url)
    if database.get_backend_name() == "sqlite" and not Path(str(database.database)).exists():
        lay(Path(str(database.database)))
        return open_engine(url)
    engine = open_engine(url)
    schema.upgrade(engine)
    return engine


@functools.cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory(prefix="tests-template-") as folder:
        file = Path(folder) / "broadcast.db"
        engine = open_engine(f"sqlite:///{file}")
        schema.upgrade(engine)
        engine.dispose()
        assert list(file.parent.iterdir()) == [file], "what stands beside it would be missing"
        return file.read_bytes()
