"""Each test runs on one of its databases, in turn.

What a test decides is the same on every database; where the databases themselves differ (locks,
types, plans, limits) its module says ``pytestmark = pytest.mark.every_database``. The others are
for ``make prove``, and for whoever names a test (``FILE::TEST``).
"""

from __future__ import annotations

from collections import defaultdict
from zlib import crc32

import pytest


@pytest.hookimpl(tryfirst=True)  # before -m looks at the marks
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the shares of the other databases to the long proofs."""
    if any("::" in argument for argument in config.args):
        return
    same: dict[str, dict[str, pytest.Item]] = defaultdict(dict)
    for item in items:
        database = _database(item)
        marks = {mark.name for mark in item.iter_markers()}
        if database is not None and not marks & {"every_database", "prove"}:
            same[item.nodeid.replace(database, "")][database] = item
    for name, shares in same.items():
        turn = sorted(shares)[crc32(name.encode()) % len(shares)]
        for database, item in shares.items():
            if database != turn:
                item.add_marker(pytest.mark.prove)


def _database(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return None
    return callspec.params.get("engine") or callspec.params.get("database_url")
