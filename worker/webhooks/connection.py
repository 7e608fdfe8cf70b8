"""Connections to receivers: to the very address that was checked, and to no other.

Whoever checks a URL and then lets a library look its name up again can be answered twice: with a
public address for the check and a private one for the call. Here the one answer of the resolver is
checked, all of it, and then connected to.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import Any, Final

from urllib3 import HTTPConnectionPool

from broadcast.webhooks.address import Network, is_allowed, is_public
from wechat.connections import (
    WatchedAdapter,
    WatchedHTTPConnection,
    WatchedHTTPConnectionPool,
    WatchedHTTPSConnection,
    WatchedHTTPSConnectionPool,
)
from wechat.deadline import CURRENT, Exchange, Timeouts
from wechat.redaction import Secrets


class PrivateAddressError(OSError):
    """A host leads to an address that is neither public nor allowed."""


class GuardedExchange(Exchange):
    """One delivery on its way, and where it may go."""

    def __init__(self, timeouts: Timeouts, *, allowed: Sequence[Network], secrets: Secrets) -> None:
        """Take how long it may last, the private networks that are allowed, and what to hide."""
        super().__init__(timeouts, secrets=secrets)
        self.allowed = allowed
        #: The address that was refused.
        self.refused: str | None = None

    def check(self, addresses: Sequence[str], *, secure: bool) -> None:
        """Raise PrivateAddressError unless every address may be reached.

        One private address among public ones is no accident. Plain HTTP is for allowed networks.
        """
        for address in addresses:
            found = ipaddress.ip_address(address)
            public = secure and is_public(found)
            if not public and not is_allowed(found, self.allowed):
                self.refused = address
                raise PrivateAddressError(address)


class _GuardedHTTPConnection(WatchedHTTPConnection):
    """Checks the addresses between the look-up and the connect."""

    _is_secure = False

    def _open(self, addresses: list[str], *, until: float) -> socket.socket:
        exchange = CURRENT.get()
        assert isinstance(exchange, GuardedExchange)
        exchange.check(addresses, secure=self._is_secure)
        return super()._open(addresses, until=until)


class _GuardedHTTPSConnection(_GuardedHTTPConnection, WatchedHTTPSConnection):
    """The same over TLS; the certificate is the name's."""

    _is_secure = True


class _GuardedHTTPConnectionPool(WatchedHTTPConnectionPool):
    ConnectionCls = _GuardedHTTPConnection


class _GuardedHTTPSConnectionPool(WatchedHTTPSConnectionPool):
    ConnectionCls = _GuardedHTTPSConnection


class GuardedAdapter(WatchedAdapter):
    """``requests``' adapter over these connections: no retry, no redirect, no cookie."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - requests' own
        """Let the pools be ours."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:  # noqa: ANN401 - same
        """Refuse proxies: they would connect to an address that nobody here has checked."""
        del proxy_kwargs
        raise ValueError(f"a webhook goes through no proxy: {proxy.rpartition('@')[2]}")


_POOLS: Final[dict[str, type[HTTPConnectionPool]]] = {
    "http": _GuardedHTTPConnectionPool,
    "https": _GuardedHTTPSConnectionPool,
}
