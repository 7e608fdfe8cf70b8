"""One try: the body is posted, and what came of it is said in a value. Never raises.

``requests`` and urllib3 put the URL into their errors, and a URL may hold a secret of its receiver:
no error of theirs leaves this module.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from http import HTTPStatus
from typing import Any, Final

import requests
from pydantic import SecretStr
from urllib3 import HTTPConnectionPool

from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.rules.webhooks import Network, is_allowed, is_public
from broadcast.wechat.call_errors import Secrets, TransportKind
from broadcast.wechat.connections import (
    WatchedAdapter,
    WatchedHTTPConnection,
    WatchedHTTPConnectionPool,
    WatchedHTTPSConnection,
    WatchedHTTPSConnectionPool,
)
from broadcast.wechat.deadline import CURRENT, Exchange, Timeouts, Watchdog
from broadcast.wechat.failures import kind_of

log = logging.getLogger(__name__)

#: Of an answer so much is read.
_LARGEST_ANSWER: Final = 16_384
_CONNECT_S: Final = 5
_CONTENT: Final = {
    "Content-Type": "application/json",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
    "User-Agent": "wechat-broadcast-webhook",
}


@frozen
class PostResult:
    """The result of a try; without a problem it was delivered."""

    http_status: int | None = None
    problem: Message | None = None
    #: The beginning of what the receiver answered.
    answer: bytes = field(default=b"", repr=False)
    #: The receiver wants no more of it.
    is_final: bool = False


class Poster:
    """Posts to receivers. Threads may share it."""

    def __init__(self, *, timeout_s: float, allowed: Sequence[Network]) -> None:
        """*timeout_s*: of a whole try; *allowed*: the private networks that it may reach."""
        self.timeouts = Timeouts(
            connect_s=min(_CONNECT_S, timeout_s), read_s=timeout_s, total_s=timeout_s
        )
        self._allowed = allowed
        self._watchdog = Watchdog()
        self._verify: bool | str = (
            os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        )

    def post(self, url: str, body: bytes, *, signature: Mapping[str, str]) -> PostResult:
        """Post *body* to *url* once."""
        # urllib3 logs each address that it calls, at DEBUG.
        hidden = Secrets([SecretStr(url.partition("?")[2])])
        exchange = GuardedExchange(self.timeouts, allowed=self._allowed, secrets=hidden)
        try:
            with self.under_way(exchange):
                return self._exchange(url, body, signature, exchange=exchange)
        except Exception as error:  # noqa: BLE001 - each is named, and none gets out with the URL
            return _failed(error, exchange)

    @contextmanager
    def under_way(self, exchange: Exchange) -> Iterator[None]:
        """End what is done meanwhile once the time of *exchange* is over."""
        current = CURRENT.set(exchange)
        try:
            self._watchdog.watch(exchange)
            yield
        finally:
            self._watchdog.unwatch(exchange)
            exchange.finish()
            CURRENT.reset(current)

    def _exchange(
        self,
        url: str,
        body: bytes,
        signature: Mapping[str, str],
        *,
        exchange: GuardedExchange,
    ) -> PostResult:
        headers = {**_CONTENT, **signature}
        request = requests.Request("POST", url, data=body, headers=headers).prepare()
        # An adapter for each try: receivers are few and far between, and none is kept open.
        adapter = GuardedAdapter(pool_size=1)
        try:
            response = adapter.send(
                request,
                stream=True,
                verify=self._verify,
                proxies={},
                timeout=(self.timeouts.connect_s, self.timeouts.read_s),
            )
            if exchange.expired:
                # Shut by the watchdog, a head that drips looks complete.
                response.close()
                return _unanswered(TransportKind.TOTAL_TIMEOUT)
            status, answer = response.status_code, b""
            try:
                answer = response.raw.read(_LARGEST_ANSWER, decode_content=False)
            except Exception as error:  # noqa: BLE001 - the status has been said
                log.debug("the rest of a receiver's answer: %s", type(error).__name__)
            response.close()
        finally:
            adapter.close()
        return _answered(status, answer)


def _answered(status: int, answer: bytes) -> PostResult:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return PostResult(http_status=status, answer=answer)
    name = "status"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        name = "redirect"
    is_final = status == HTTPStatus.GONE
    problem = Message(f"webhook.problem.{'gone' if is_final else name}", status=status)
    return PostResult(http_status=status, problem=problem, is_final=is_final)


def _failed(error: Exception, exchange: GuardedExchange) -> PostResult:
    if exchange.refused is not None:
        return PostResult(problem=Message("webhook.problem.private", address=exchange.refused))
    kind = kind_of(error, exchange)
    if kind is None:
        log.error("nothing can be posted: a bug: %s", type(error).__name__)
        return PostResult(problem=Message("webhook.problem.bug", kind=type(error).__name__))
    if exchange.sent:
        return _unanswered(kind)
    reason = Message(f"transport.{kind}")
    return PostResult(problem=Message("webhook.problem.transport", reason=reason))


def _unanswered(kind: TransportKind) -> PostResult:
    reason = Message(f"transport.{kind}")
    return PostResult(problem=Message("webhook.problem.unanswered", reason=reason))


class PrivateAddressError(OSError):
    """A host leads to an address that is neither public nor allowed."""


class GuardedExchange(Exchange):
    """One delivery on its way, and where it may go."""

    def __init__(self, timeouts: Timeouts, *, allowed: Sequence[Network], secrets: Secrets) -> None:
        """*allowed*: private networks that may be reached; *secrets* are masked."""
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
        """Set our own classes of pools."""
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
