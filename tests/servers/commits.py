"""A proxy before a database that loses the answer to a COMMIT: it was done, nobody hears it."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from dataclasses import dataclass, field

from tests.servers.proxy import CHUNK_BYTES, Link, TCPProxy, Upstream

#: How psycopg has a statement prepared (its Parse message): name and text.
_PREPARED = re.compile(rb"(_pg3_\d+)\x00([^\x00]+)\x00")


@dataclass(slots=True)
class _Heard:
    """What one connection said to the server up to now."""

    prepared: dict[bytes, bytes] = field(default_factory=dict)
    signed: bool = False
    deaf: bool = False


class CommitProxy(TCPProxy):
    """Passes everything on, until it is told to lose an answer.

    PostgreSQL and MariaDB both read statements as text, so a transaction is known by a piece of
    one of its statements.
    """

    def __init__(self, upstream: Upstream, *, port: int = 0) -> None:
        super().__init__(upstream, port=port)
        self._heard: dict[Link, _Heard] = {}
        self._sign: bytes | None = None
        self._orders = threading.Lock()
        #: How many answers were lost.
        self.lost = 0

    def lose_answer(self, sign: str) -> None:
        """Lose the answer to the next COMMIT of a transaction with *sign* in a statement.

        The connection is reset once the server has answered, so the commit is known to be done.
        """
        with self._orders:
            self._sign = sign.encode()

    def _pump(self, link: Link, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                if target is link.server:
                    self._listen(link, data)
                elif self._is_lost(link):
                    link.reset()
                    break
                self._flowing.wait()
                target.sendall(data)
        with self._lock:
            self._links.discard(link)
        link.close()

    def _listen(self, link: Link, data: bytes) -> None:
        with self._orders:
            heard = self._heard.setdefault(link, _Heard())
            heard.prepared.update(_PREPARED.findall(data))
            if self._sign is None:
                return
            names = (name for name, text in heard.prepared.items() if self._sign in text)
            if self._sign in data or any(b"\x00%b\x00" % name in data for name in names):
                heard.signed = True
            if heard.signed and b"COMMIT" in data:
                heard.deaf, self._sign = True, None
            if b"COMMIT" in data or b"ROLLBACK" in data:
                heard.signed = False

    def _is_lost(self, link: Link) -> bool:
        with self._orders:
            heard = self._heard.get(link)
            if heard is None or not heard.deaf:
                return False
            heard.deaf = False
            self.lost += 1
            return True
