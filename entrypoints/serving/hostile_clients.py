"""HTTP connections that may be hostile: an endless head or an unread answer costs its caller alone.

uvicorn limits neither; it looks at the time between two requests alone. And where connections are
many, it refuses the next request, whosever it is; here those that wait give way (:class:`Waiting`).
"""

from __future__ import annotations

import asyncio
import socket

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: WeChat's heads have about 500 bytes, those of programs hardly more.
MOST_HEAD_BYTES = 16_384
HEAD_WITHIN_S = 5.0
#: Of what is written for a reader so much is taken in so many seconds, or all of it. Who reads
#: nothing, or a few bytes now and then, is cut off.
READ_BYTES = 65_536
READ_WITHIN_S = 30.0
#: Requests of one connection that wait for the answers of those before them.
MOST_AHEAD = 8

#: In the scope of a request: what an application calls that waits for its body on purpose.
PATIENT = "entrypoints.serving.patient"
_CODING = b"transfer-encoding"


class RefusedError(Exception):
    """A request is answered 400 by uvicorn, or cut off, and read no further."""


class Protocol(HttpToolsProtocol):
    """uvicorn's, with an end to patience."""

    #: Of all connections of the server.
    waiting: Waiting
    _head_bytes = 0
    _in_head = True
    #: Received since a piece of a body was, or the head ended.
    _beside_bytes = 0
    _patience: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        # Head and body of a reply are two writes, which Nagle's algorithm would part by 40 ms.
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
        self._wait_for_head()

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a head, of a later request as well."""
        super().on_message_begin()
        if not self.flow.write_paused:
            self._is_read()
        self.scope["extensions"] = {PATIENT: {"call": self._be_patient}}
        self._wait_for_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Accept a line of the head; abort on lines behind a body, which nobody reads."""
        if self._in_head:
            super().on_header(name, value)
        else:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        """Accept a piece of a body."""
        self._beside_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Accept the end of a request, which is answered however many others come."""
        self.waiting.discard(self.transport)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, and for the end of the answer to be read."""
        super().on_response_complete()
        if self.transport.get_write_buffer_size():
            self._expect_reading()
        if self.cycle.response_complete and not self.transport.is_closing():
            self.waiting.add(self.transport)

    def on_headers_complete(self) -> None:
        """Accept a head that every reader takes for the same. Raises RefusedError."""
        self._in_head, self._beside_bytes = False, 0
        self._stop_waiting()
        self._refuse_long()
        self._refuse_ambiguous()
        super().on_headers_complete()
        if len(self.pipeline) > MOST_AHEAD:
            # Some bytes make an object of kilobytes each; uvicorn keeps as many as come.
            self.transport.abort()
            raise RefusedError

    def _refuse_long(self) -> None:
        """Raise RefusedError for a head that is too long, and came in one piece."""
        lines = sum(len(name) + len(value) for name, value in self.headers)
        if len(self.url) + lines > MOST_HEAD_BYTES:
            raise RefusedError

    def _refuse_ambiguous(self) -> None:
        """Raise RefusedError where who stands in front may see another end of the body."""
        coded = [value.strip().lower() for name, value in self.headers if name == _CODING]
        is_old = self.parser.get_http_version() == "1.0"
        hosts = sum(name == b"host" for name, _ in self.headers)
        if coded not in ([], [b"chunked"]) or (coded and is_old) or hosts > 1:
            raise RefusedError

    def data_received(self, data: bytes) -> None:
        """Parse, unless the head, or what stands between or behind the pieces, is too long."""
        self._beside_bytes += len(data)
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
        if max(self._head_bytes, self._beside_bytes) > MOST_HEAD_BYTES:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        self._is_read()
        self.waiting.discard(self.transport)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Write no more until the reader has taken most of it, and not for ever."""
        super().pause_writing()
        self._expect_reading()

    def resume_writing(self) -> None:
        """Resume writing: the client has read."""
        self._is_read()
        super().resume_writing()

    def _expect_reading(self) -> None:
        self._is_read()
        unread = self.transport.get_write_buffer_size()
        self._unread = self.loop.call_later(READ_WITHIN_S, self._look_whether_it_reads, unread)

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _look_whether_it_reads(self, before: int) -> None:
        unread = self.transport.get_write_buffer_size()
        if unread > max(0, before - READ_BYTES):
            self.transport.abort()
        elif unread:
            self._expect_reading()

    def _be_patient(self) -> None:
        """Exempt this connection from the limit of waiting ones: the application looks after it."""
        self.waiting.discard(self.transport)

    def _wait_for_head(self) -> None:
        self._stop_waiting()
        self._in_head, self._head_bytes, self._beside_bytes = True, 0, 0
        self.waiting.add(self.transport)
        self._patience = self.loop.call_later(HEAD_WITHIN_S, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class Waiting:
    """The connections whose next request is not there whole, in the order in which they came."""

    def __init__(self, most: int) -> None:
        """*most*: connections that wait at once."""
        self._most = most
        self._transports: dict[asyncio.Transport, None] = {}

    def add(self, transport: asyncio.Transport) -> None:
        """Add a connection as the newest; cut off the oldest where there are too many."""
        self.discard(transport)
        self._transports[transport] = None
        if len(self._transports) > self._most:
            first = next(iter(self._transports))
            self.discard(first)
            first.abort()

    def discard(self, transport: asyncio.Transport) -> None:
        """Remove a connection."""
        self._transports.pop(transport, None)
