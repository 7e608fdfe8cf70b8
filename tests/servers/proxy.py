"""A TCP proxy that behaves badly on command: it cuts, stalls and refuses."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tests.servers.ports import LOOPBACK

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

CHUNK_BYTES = 65_536
ACCEPT_POLL_S = 0.1

# Where the proxy connects to: (host, port), or the path of a Unix socket.
Upstream = tuple[str, int] | Path


class TCPProxy:
    """Stands between a client and a server; `with` starts it and closes everything at the end.

    While it is `stalled`, bytes wait in the proxy and no connection ends. While it
    `refuses`, nobody listens on the port, and connections that exist live on. `cut` resets
    every connection of the moment; `bury` has them die with nobody told. All can be combined.
    """

    def __init__(self, upstream: Upstream, *, port: int = 0, source: str = "") -> None:
        """Take the server, the port to listen on, and the address to call the server from."""
        self.upstream = upstream
        self._source = source
        self._listener: socket.socket | None = None
        self._accepting: threading.Thread | None = None
        self._lock = threading.Lock()
        self._links: set[Link] = set()
        self._buried: set[Link] = set()
        self._flowing = threading.Event()
        self._flowing.set()
        self.port = port
        self.accepted = 0

    def __enter__(self) -> Self:
        """Start listening."""
        self.accept()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the port and every connection."""
        self.close()

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`, to be put into a URL."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def open_links(self) -> int:
        """How many connections go through it now."""
        with self._lock:
            return len(self._links)

    def accept(self) -> None:
        """Listen (again) on the proxy's port, which the first call chooses."""
        if self._listener is not None:
            return
        listener = socket.create_server((LOOPBACK, self.port), backlog=512)
        # `accept` wakes up now and then, because closing a socket does not wake it everywhere.
        listener.settimeout(ACCEPT_POLL_S)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._accepting = threading.Thread(
            target=self._accept_links, args=(listener,), name=f"proxy-{self.port}", daemon=True
        )
        self._accepting.start()

    def refuse(self) -> None:
        """Stop listening: new connections are refused by the operating system."""
        listener, thread = self._listener, self._accepting
        self._listener = self._accepting = None
        if listener is not None and thread is not None:
            # Linux wakes the accepting thread by this; elsewhere its poll does.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()

    def stall(self) -> None:
        """Hold every byte, in both directions, of old and new connections."""
        self._flowing.clear()

    def flow(self) -> None:
        """Let the bytes go on after `stall`; none is lost."""
        self._flowing.set()

    def cut(self) -> int:
        """Reset every connection (RST, not FIN) and return how many there were."""
        with self._lock:
            links, self._links = self._links, set()
        for link in links:
            link.reset()
        return len(links)

    def bury(self) -> int:
        """Let nothing through any connection of the moment, for ever; return how many there were.

        Neither side is told, as by a router that forgot them; new connections are served.
        """
        with self._lock:
            links, self._links = self._links, set()
        for link in links:
            link.silent.set()
        self._buried |= links
        return len(links)

    def close(self) -> None:
        """Close the port and every connection."""
        self.refuse()
        with self._lock:
            self._links |= self._buried
            threads = [thread for link in self._links for thread in link.threads]
        self.cut()
        self.flow()
        for thread in threads:
            thread.join()

    def _accept_links(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self.accepted += 1
            client.settimeout(None)
            self._link(client)

    def _link(self, client: socket.socket) -> None:
        try:
            server = _connect(self.upstream, self._source)
        except OSError:
            _reset(client)
            return
        link = Link(client, server)
        with self._lock:
            self._links.add(link)
        for source, target in ((client, server), (server, client)):
            thread = threading.Thread(target=self._pump, args=(link, source, target), daemon=True)
            link.threads.append(thread)
            thread.start()

    def _pump(self, link: Link, source: socket.socket, target: socket.socket) -> None:
        # An OSError here is what the tests ask for: one side is gone, so the other one goes.
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                self._flowing.wait()
                if not link.silent.is_set():
                    target.sendall(data)
            self._flowing.wait()
            if not link.silent.is_set():
                target.shutdown(socket.SHUT_WR)
                if link.half_closed():
                    return
        if link.silent.is_set():
            return
        with self._lock:
            self._links.discard(link)
        link.close()


class Link:
    """A client's connection and the one to the server that belongs to it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.threads: list[threading.Thread] = []
        #: No byte and no end of one side reaches the other any more.
        self.silent = threading.Event()
        self._lock = threading.Lock()
        self._closed_halves = 0

    def half_closed(self) -> bool:
        """Count an orderly end of one direction; True while the other direction may still talk."""
        with self._lock:
            self._closed_halves += 1
            return self._closed_halves == 1

    def reset(self) -> None:
        """End both connections with RST."""
        # Else the end of the one that is reset first would reach the other as an orderly one.
        self.silent.set()
        _reset(self.client)
        _reset(self.server)

    def close(self) -> None:
        """End both connections in order."""
        for side in (self.client, self.server):
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()


def _connect(upstream: Upstream, source: str) -> socket.socket:
    if isinstance(upstream, Path):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(str(upstream))
        return connection
    mine = (source, 0) if source else None
    connection = socket.create_connection(upstream, timeout=60, source_address=mine)
    connection.settimeout(None)
    return connection


def _reset(side: socket.socket) -> None:
    # Linger of zero seconds makes `close` send RST, as a router that lost its table does.
    with contextlib.suppress(OSError):
        side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # It wakes a thread that blocks in `recv`, and does not tell the peer.
        side.shutdown(socket.SHUT_RD)
    side.close()
