"""What goes to WeChat, kept byte by byte on its way to WeChat's stand-in."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import threading
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_MASS = "/cgi-bin/message/mass/send"
_NAME = re.compile(r"\bc[0-9]{3}\b")
#: Of the connection, not of the message.
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "host"})
_TIMEOUT_S = 60


@dataclass(frozen=True, kw_only=True)
class MassCall:
    """One request for a mass send, as its bytes were."""

    path: str
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @cached_property
    def name(self) -> str:
        """The name of the combination, which stands in every content."""
        found = _NAME.search(self.body.decode())
        return found[0] if found else ""

    @property
    def evidence(self) -> list[object]:
        """How many people, the digest of their OpenIDs, WeChat's key, the digest of the body."""
        message = self.message
        openids = message.get("touser")
        people = None if openids is None else hashlib.sha256("".join(openids).encode()).hexdigest()
        digest = hashlib.sha256(self.body).hexdigest()
        size = None if openids is None else len(openids)
        return [size, people, message["clientmsgid"], digest]


@dataclass
class Wire:
    """Passes every request on to the stand-in at `upstream`, and keeps those for a mass send."""

    upstream: str
    calls: list[MassCall] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Listen."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening; whoever is connected must have gone."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_TIMEOUT_S)

    @property
    def url(self) -> str:
        """Where WeChat seems to be."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"


def _handler(wire: Wire) -> type[BaseHTTPRequestHandler]:
    address = urlsplit(wire.upstream).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            self.onward = http.client.HTTPConnection(address, timeout=_TIMEOUT_S)

        def finish(self) -> None:
            self.onward.close()
            super().finish()

        def do_GET(self) -> None:
            self.do_POST()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            path = urlsplit(self.path).path
            if path.startswith(_MASS):
                wire.calls.append(MassCall(path=path, body=body))
            kept = {name: v for name, v in self.headers.items() if name.lower() not in _HOP}
            self.onward.request(self.command, self.path, body, kept)
            answer = self.onward.getresponse()
            said = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {*_HOP, "content-length", "date", "server"}:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
            del format, args

    return Handler
