"""Connections that wait for their sender: of too many, the one that has waited longest is cut off.

A caller sends its request whole and at once. Who holds connections open without asking for anything
must not use up the ones that are left for it.
"""

from __future__ import annotations

import asyncio


class Waiting:
    """The connections whose next request is not there whole, in the order in which they came."""

    def __init__(self, most: int) -> None:
        """Let *most* wait at once."""
        self._most = most
        self._transports: dict[asyncio.Transport, None] = {}

    def add(self, transport: asyncio.Transport) -> None:
        """Have a connection wait, as the last that came; cut the first off where it is too many."""
        self.discard(transport)
        self._transports[transport] = None
        if len(self._transports) > self._most:
            first = next(iter(self._transports))
            self.discard(first)
            first.abort()

    def discard(self, transport: asyncio.Transport) -> None:
        """Have a connection wait no longer."""
        self._transports.pop(transport, None)
