"""Puts the project's own pytest plugins together."""

from __future__ import annotations

import gc

pytest_plugins = (
    "tests.servers.guards",
    "tests.servers.proofs",
    "tests.servers.fixtures",
    "tests.servers.compiled",
    "tests.servers.order",
    "tests.servers.shares",
    "tests.servers.day_turns",
)

# Collecting makes a million objects that stay; looking for cycles among them took a third of it.
gc.disable()


def pytest_collection_finish() -> None:
    """Collect garbage again, but of what the tests make alone.

    Among a million objects that stay, a full collection is so rare that sockets and files which a
    test left in a cycle add up to more than a process may open.
    """
    gc.freeze()
    gc.enable()
