"""A receiver of webhooks: a real HTTP server that verifies, keeps and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from standardwebhooks import Webhook

from tests.kit.wait import until

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

#: Two secrets in the form of the specification.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLDER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@dataclass(frozen=True, kw_only=True)
class Posted:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        return json.loads(self.body)

    def verify(self, secret: str = SECRET) -> None:
        """Raise unless the specification's own library accepts the signature."""
        Webhook(secret).verify(self.body, dict(self.headers))


@dataclass
class Receiver:
    """Answers every POST with `status`, after `before` was called with what came."""

    status: int = 204
    before: Callable[[Posted], None] = lambda _: None
    headers: Mapping[str, str] = field(default_factory=dict)
    answer: bytes = b""
    posted: list[Posted] = field(default_factory=list)
    #: While it is not set, a request that came gets no answer.
    answers: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def __enter__(self) -> Self:
        """Listen on a port of its own, or on the one that it had before."""
        self.answers.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop listening: whoever connects is refused."""
        self.answers.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.posted]

    def until_posted(self, count: int, timeout_s: float = 30) -> list[Posted]:
        """Wait for so many requests; return them."""
        until(lambda: len(self.posted) >= count, timeout_s, f"{count} webhooks")
        return list(self.posted)


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            posted = Posted(
                path=self.path,
                body=self.rfile.read(length),
                headers={name.lower(): value for name, value in self.headers.items()},
            )
            receiver.posted.append(posted)
            receiver.before(posted)
            receiver.answers.wait(600)
            try:
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(receiver.answer)))
                self.end_headers()
                self.wfile.write(receiver.answer)
            except OSError:
                # Who posted waits no more.
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
            del format, args

    return Handler
