"""urllib3's connections, taught three things: a deadline, a record of what left, and no old age.

**What left.** ``send`` notes on the call that its first byte is about to be handed to the
operating system, before it is. Everything until then, the name, TCP, a proxy's tunnel and the TLS
handshake, is provably not sent; nothing after it is, whatever exception comes.

**Old age.** A server may close an idle kept-alive connection at the very moment when the next
request is written to it. The client then sees a reset and cannot distinguish "never read" from
"read, executed, then died". Other clients repeat the request silently; for a mass send that would
be a blind repeat, so every such reset costs an unknown outcome here. Servers close idle connections
after 5 s at the earliest (the shortest default in common use), so ours are closed after
``LONGEST_IDLE_S``. A new connection costs a few milliseconds, an unknown outcome a day's call and
perhaps an operator's time.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import ssl
import threading
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.response import HTTPResponse
from urllib3.util.connection import allowed_gai_family, create_connection

from broadcast.wechat.deadline import CURRENT, Phase

if TYPE_CHECKING:
    from urllib3._base_connection import BaseHTTPConnection

LONGEST_IDLE_S: Final = 4.0


class WatchedHTTPConnection(HTTPConnection):
    """A connection whose every wait ends with the call's time."""

    idle_since: float = 0.0

    @property
    def is_connected(self) -> bool:
        """Return whether the other side has not closed it.

        urllib3 takes all that can be read for a close. After a TLS handshake the server sends
        session tickets, and a connection that was opened ahead of its call has not read them yet.
        """
        return super().is_connected or _holds_tickets_alone(self.sock)

    def _new_conn(self) -> socket.socket:
        """Connect within the call's budget; urllib3 gives each address the whole of it.

        Raises urllib3's own errors, as the method it replaces.
        """
        exchange = CURRENT.get()
        until = monotonic() + exchange.connect_budget_s()
        try:
            addresses = resolve(self._dns_host, self.port, until=until)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        try:
            opened = self._open(addresses, until=until)
            try:
                exchange.attach(opened)
            except BaseException:
                opened.close()
                raise
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"no connection to {self.host} in time") from error
        except OSError as error:
            raise NewConnectionError(self, f"no connection: {error}") from error
        return opened

    def _open(self, addresses: list[str], *, until: float) -> socket.socket:
        return opened(
            addresses,
            self.port,
            until=until,
            source_address=self.source_address,
            socket_options=self.socket_options,
        )

    def _tunnel(self) -> None:
        """Ask the proxy for a tunnel; its request is not ours, so it does not count as sent."""
        exchange = CURRENT.get()
        exchange.phase = Phase.TUNNELLING
        super()._tunnel()
        exchange.phase = Phase.CONNECTING

    def send(self, data: Any) -> None:  # noqa: ANN401 - http.client's signature
        """Write a piece of the request, noting first that it leaves."""
        exchange = CURRENT.get()
        if self.sock is None:
            # Plain HTTP connects here, inside the first write.
            self.connect()
        if exchange.phase is not Phase.TUNNELLING:
            exchange.attach(self.sock)
            # urllib3 would write under the connect time-out, too short for 320 kB on a thin line.
            self.sock.settimeout(exchange.timeouts.read_s)
            exchange.leave()
        super().send(data)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # urllib3's own type
        """Wait for the head of the reply."""
        CURRENT.get().phase = Phase.WAITING
        return super().getresponse()


def _holds_tickets_alone(sock: socket.socket | None) -> bool:
    if not isinstance(sock, ssl.SSLSocket):
        return False
    patience_s = sock.gettimeout()
    sock.settimeout(0)
    try:
        # Nothing means closed, and a byte that nobody has asked for is no better.
        sock.recv(1)
    except ssl.SSLWantReadError:
        return True
    except OSError:
        return False
    finally:
        sock.settimeout(patience_s)
    return False


class WatchedHTTPSConnection(WatchedHTTPConnection, HTTPSConnection):
    """The same over TLS."""


class _YoungConnections(HTTPConnectionPool):
    """A bounded pool that waits no longer than a connect, and reuses no old connection."""

    def _get_conn(
        self,
        timeout: float | None = None,  # noqa: ARG002 - urllib3's signature
    ) -> WatchedHTTPConnection:
        connection = super()._get_conn(timeout=CURRENT.get().connect_budget_s())
        assert isinstance(connection, WatchedHTTPConnection)
        if connection.sock and monotonic() - connection.idle_since > LONGEST_IDLE_S:
            connection.close()
        return connection

    def _put_conn(self, conn: BaseHTTPConnection | None) -> None:
        # From here on the connection may serve another call, which our deadline must not hit.
        if exchange := CURRENT.get(None):
            exchange.finish()
        if isinstance(conn, WatchedHTTPConnection):
            conn.idle_since = monotonic()
        super()._put_conn(conn)

    def warm(self) -> None:
        """Open a connection for the next call; raise what opening it raises."""
        connection = self._get_conn()
        try:
            if not connection.is_connected:
                if self.proxy is not None and self.scheme == "https":
                    self._prepare_proxy(connection)
                else:
                    connection.connect()
        except BaseException:
            connection.close()
            raise
        finally:
            self._put_conn(connection)


class WatchedHTTPConnectionPool(_YoungConnections):
    """Connections to one host."""

    ConnectionCls = WatchedHTTPConnection


class WatchedHTTPSConnectionPool(_YoungConnections, HTTPSConnectionPool):
    """Connections to one host over TLS."""

    ConnectionCls = WatchedHTTPSConnection


class WatchedAdapter(HTTPAdapter):
    """``requests``' adapter over these pools: bounded, thread-safe, without any retry.

    It is used without a ``requests.Session``: a session follows redirects, keeps cookies, reads
    ``~/.netrc``, and none of that belongs into a mass send. The adapter is the part that threads
    may share.
    """

    def __init__(self, *, pool_size: int) -> None:
        super().__init__(pool_connections=1, pool_maxsize=pool_size, max_retries=0, pool_block=True)

    def warm(
        self,
        request: requests.PreparedRequest,
        *,
        verify: bool | str,
        proxies: dict[str, str],
    ) -> None:
        """Open a connection for a request such as *request*."""
        pool = self.get_connection_with_tls_context(request, verify, proxies=proxies)
        assert isinstance(pool, _YoungConnections)
        self.cert_verify(pool, request.url, verify, None)  # type: ignore[no-untyped-call]
        pool.warm()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - requests' own
        """Use pools of our own."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:  # noqa: ANN401 - same
        """Use pools of our own for a proxy, too."""
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


_POOLS: Final[dict[str, type[HTTPConnectionPool]]] = {
    "http": WatchedHTTPConnectionPool,
    "https": WatchedHTTPSConnectionPool,
}


def opened(
    addresses: list[str],
    port: int,
    *,
    until: float,
    **options: Any,  # noqa: ANN401 - urllib3's own
) -> socket.socket:
    """Try the addresses in turn, each with its fair share of the time that is left."""
    failure: OSError = OSError("the name has no address")
    for tried, address in enumerate(addresses):
        share = (until - monotonic()) / (len(addresses) - tried)
        if share <= 0:
            raise TimeoutError("connect time-out")
        try:
            return create_connection((address, port), share, **options)
        except OSError as error:
            failure = error
    raise failure


def resolve(
    host: str,
    port: int,
    *,
    until: float,
    lookup: Callable[..., list[Any]] = socket.getaddrinfo,
) -> list[str]:
    """Return the addresses of *host*, or raise ``socket.gaierror``, at the latest at *until*.

    ``getaddrinfo`` knows no time-out and cannot be interrupted (a dead resolver takes 30 s), so it
    runs in a thread that is left behind when it is too slow. *until* is of the monotonic clock.
    """
    try:
        return [str(ipaddress.ip_address(host.strip("[]")))]
    except ValueError:
        pass  # a name
    answer: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put(lookup(host, port, allowed_gai_family(), socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 - raised below, in the caller's thread
            answer.put(error)

    threading.Thread(target=ask, name="wechat-dns", daemon=True).start()
    try:
        found = answer.get(timeout=max(0.0, until - monotonic()))
    except queue.Empty:
        found = socket.gaierror(socket.EAI_AGAIN, "the resolver gave no answer in time")
    if isinstance(found, Exception):
        raise found
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
