"""A server as an account's owner runs it, to which WeChat pushes."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, ClassVar, Self
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET

from simulator.core.cipher import signature
from tests.kit.wait import until

if TYPE_CHECKING:
    from types import TracebackType

TOKEN = "callbackToken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One POST; `at` is in Unix seconds."""

    at: float
    path: str
    query: dict[str, str]
    content_type: str
    body: str

    @property
    def fields(self) -> dict[str, str]:
        """The first level of the XML."""
        return {one.tag: one.text or "" for one in ET.fromstring(self.body)}


class Receiver:
    """Answers `success`, or first what it was told to: a status, or None to say nothing."""

    def __init__(self, *answers: int | None, body: bytes = b"success", echo: bool = True) -> None:
        self.received: list[Received] = []
        self.checked = False
        self.echo = echo
        self._answers = list(answers)
        self._body = body
        self._released = threading.Event()
        handler = type("Handler", (_Handler,), {"receiver": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/wechat?own=1"

    def __enter__(self) -> Self:
        """Start."""
        # Its end waits for the next look.
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, whatever is not answered yet."""
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def wait(self, count: int) -> list[Received]:
        """Return what came when at least so many have come."""
        until(lambda: len(self.received) >= count, 20, f"{count} pushes")
        return self.received

    def check(self, query: dict[str, str]) -> bytes:
        """Return the answer to the check of the URL."""
        self.checked = query["signature"] == signature(TOKEN, query["timestamp"], query["nonce"])
        return query["echostr"].encode() if self.echo else self._body

    def take(self, received: Received) -> tuple[int, bytes]:
        """Note a POST; return status and body of the answer."""
        self.received.append(received)
        status = self._answers.pop(0) if self._answers else 200
        if status is None:
            self._released.wait(600)
            status = 200
        return status, self._body


class _Handler(BaseHTTPRequestHandler):
    receiver: ClassVar[Receiver]

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        received = Received(
            at=time.time(),
            path=parts.path,
            query={name: values[0] for name, values in parse_qs(parts.query).items()},
            content_type=self.headers["content-type"],
            body=self.rfile.read(int(self.headers["content-length"])).decode(),
        )
        self._answer(*self.receiver.take(received))

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self._answer(200, self.receiver.check({name: one[0] for name, one in query.items()}))

    def _answer(self, status: int, body: bytes) -> None:
        try:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            return  # the sender did not wait

    def log_message(self, *words: object) -> None:
        """Stay quiet."""
