"""The server of a worker's own metrics: open to this machine alone, to others by an API key."""

from __future__ import annotations

import functools
import io
import logging
import math
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer
from sqlalchemy import Engine

from broadcast.built_once import built_once
from broadcast.errors import BroadcastError
from broadcast.rules import api_keys
from broadcast.rules.api_keys import APIKey, Scope
from broadcast.rules.metrics import is_here
from broadcast.settings.good_keys import GoodKeys
from broadcast.settings.program_settings import Settings
from models.ledger.boxes import api_keys as stored
from worker.delivery.metrics import REGISTRY

log = logging.getLogger(__name__)

_KEYS_FOR_S: Final = 1.0
#: Connections; strangers must not take the descriptors that sends need.
_MOST_AT_ONCE: Final = 8
#: Seconds for all bytes of a request's head together.
_HEAD_S: Final = 5
_LINE_EACH_S: Final = 60
_BEARER: Final = "Bearer "


class MetricsServer:
    """The server of one process."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        """*engine*: of the database, which has keys, too."""
        self._settings = settings
        self._page = _Page(_RecentKeys(settings, functools.partial(stored.good, engine)))
        self._server: ThreadingWSGIServer | None = None

    def start(self) -> None:
        """Start where a port is set; what keeps it from that is one line, and the worker goes on.

        Sends are worth more than their figures, and a second worker on a machine has the same port.
        """
        host, port = self._settings.metrics_host, self._settings.metrics_port
        if port is None:
            return
        try:
            server = _server_class(host)((host, port), _Handler)
        except OSError as error:
            log.error("no metrics on %s:%d, the worker goes on: %s", host, port, error.strerror)  # noqa: TRY400 - its words say all
            return
        server.set_app(self._page)
        self._server = server
        threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
        log.info("metrics on http://%s:%d/metrics", host, port)

    def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()


class _Server(ThreadingWSGIServer):
    #: Not yet accepted; who comes behind a crowd is not to wait a second for each try.
    request_queue_size = 128

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._open: set[object] = set()
        self._silent_until = -math.inf

    def verify_request(self, request: Any, client_address: object) -> bool:
        """Return whether there is room for one more; it is closed otherwise."""
        if len(self._open) >= _MOST_AT_ONCE:
            return False
        self._open.add(request)
        return True

    def shutdown_request(self, request: Any) -> None:
        """Close a connection: answered, failed or refused."""
        super().shutdown_request(request)
        self._open.discard(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log one line a minute: who says nothing, or leaves, is no fault of ours."""
        if time.monotonic() >= self._silent_until:
            self._silent_until = time.monotonic() + _LINE_EACH_S
            log.info("metrics: a client was not answered: %r", sys.exc_info()[1])


def _server_class(host: str) -> type[_Server]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return type("_Server", (_Server,), {"address_family": family})


class _Head(socket.SocketIO):
    """What a client says, until its time is over, however slowly it says it."""

    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection, "r")
        self._connection, self._until = connection, time.monotonic() + _HEAD_S

    def readinto(self, buffer: Any) -> int | None:
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._connection.settimeout(left)
        try:
            return super().readinto(buffer)
        finally:
            self._connection.settimeout(_HEAD_S)


class _Handler(WSGIRequestHandler):
    #: Seconds for what is said to a client.
    timeout = _HEAD_S

    def setup(self) -> None:
        """Read with one deadline instead of one for each byte."""
        super().setup()
        self.rfile = io.BufferedReader(_Head(self.connection))

    def log_message(self, *_: object) -> None:
        """Log nothing: it is scraped all the time."""


class _RecentKeys:
    """The good keys of the last second. For threads."""

    def __init__(self, settings: Settings, stored: Callable[[], Sequence[APIKey]]) -> None:
        self._settings, self._stored = settings, stored
        self._reading = threading.Lock()
        self._until = -math.inf
        self._last: Sequence[APIKey] | None = None

    def __call__(self) -> Sequence[APIKey] | None:
        """Return the keys; None: they could not be read.

        Strangers have them read once a second, whether that succeeds or not.
        """
        with self._reading:
            if time.monotonic() >= self._until:
                self._last = self._read()
                self._until = time.monotonic() + _KEYS_FOR_S
            return self._last

    def _read(self) -> Sequence[APIKey] | None:
        try:
            return self._good.read()
        except BroadcastError as error:
            log.warning("metrics cannot be shown: %s", error)
            return None

    @built_once
    def _good(self) -> GoodKeys:
        return GoodKeys(self._settings, self._stored)


class _Page:
    """The page, or a refusal, as WSGI has it."""

    def __init__(self, keys: Callable[[], Sequence[APIKey] | None]) -> None:
        self._page: Any = make_wsgi_app(REGISTRY)
        self._keys = keys

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        status = self._status(environ)
        if status is HTTPStatus.OK:
            page: Iterable[bytes] = self._page(environ, start_response)
            return page
        start_response(f"{status.value} {status.phrase}", [("WWW-Authenticate", "Bearer")])
        return ()

    def _status(self, environ: dict[str, Any]) -> HTTPStatus:
        if environ["PATH_INFO"] != "/metrics":
            return HTTPStatus.NOT_FOUND
        headers = {name.removeprefix("HTTP_").replace("_", "-").lower() for name in environ}
        if is_here(environ["REMOTE_ADDR"], headers):
            return HTTPStatus.OK
        given = environ.get("HTTP_AUTHORIZATION", "")
        if not given.startswith(_BEARER):
            return HTTPStatus.UNAUTHORIZED
        known = self._keys()
        if known is None:
            return HTTPStatus.SERVICE_UNAVAILABLE
        key = api_keys.find(known, given.removeprefix(_BEARER))
        if key is None:
            return HTTPStatus.UNAUTHORIZED
        # Lanes of every account stand on one page.
        may_read = Scope.READ in key.scopes and key.accounts is None
        return HTTPStatus.OK if may_read else HTTPStatus.FORBIDDEN
