"""Puts the project's own pytest plugins together."""

from __future__ import annotations

pytest_plugins = (
    "tests.servers.guards",
    "tests.servers.proofs",
    "tests.servers.fixtures",
    "tests.servers.order",
    "tests.servers.shares",
)
