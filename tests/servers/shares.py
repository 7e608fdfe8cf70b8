"""Each test of the ledger runs on SQLite and on one of the two servers, in turn.

What a test decides is the same on every database; where the databases themselves differ (locks,
types, plans, limits) its module says ``pytestmark = pytest.mark.every_database``. The other server
is for ``make prove``.
"""

from __future__ import annotations

from zlib import crc32

import pytest

SERVERS = ("mariadb", "postgresql")


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the other server's half to the long proofs."""
    for item in items:
        database = _database(item)
        if database in SERVERS and item.get_closest_marker("every_database") is None:
            turn = crc32(item.nodeid.replace(database, "").encode()) % len(SERVERS)
            if database != SERVERS[turn]:
                item.add_marker(pytest.mark.prove)


def _database(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get("engine")
