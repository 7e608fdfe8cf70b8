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
    """Collect garbage again."""
    gc.enable()
