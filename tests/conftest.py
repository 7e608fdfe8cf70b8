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
    """Collect garbage again, of what the tests make, and as often as Python does by itself.

    Else the sockets and files which tests leave in cycles add up to more than a process may open:
    a full collection looks through what stays, and a command sets that there is hardly any.
    """
    gc.freeze()
    gc.set_threshold(700, 10, 10)
    gc.enable()
