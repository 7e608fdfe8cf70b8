"""HTTP POSTs from threads of their own, so that a slow receiver holds up nobody here."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Literal, TypeAlias
from urllib.parse import urlencode, urlsplit

THREADS = 4
CAPACITY = 10_000
ANSWER_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A POST or GET to make. `timeout_s` is for the connection and for each silence."""

    url: str
    query: Mapping[str, str]
    timeout_s: float
    body: bytes = b""
    content_type: str = "text/xml"
    method: Literal["POST", "GET"] = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An answer, or the reason why there is none."""

    status: int | None = None
    answer: bytes = b""
    error: str | None = None


Done: TypeAlias = Callable[[Outcome], None]


class Poster:
    """Threads that post for the event loop and return the outcomes to it."""

    def __init__(self, *, threads: int = THREADS, capacity: int = CAPACITY) -> None:
        self._queue: queue.Queue[_Task | None] = queue.Queue(capacity)
        self._count = threads
        self._threads: list[threading.Thread] = []
        self._open: set[HTTPConnection] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def post(self, post: Post, done: Done) -> None:
        """Post soon; `done` is called in the running event loop.

        Raises:
            queue.Full: too many posts wait already.
        """
        self._queue.put_nowait(_Task(post, done))
        while len(self._threads) < self._count:
            # Daemons: a receiver that never answers must not hold up the end of the process.
            self._threads.append(threading.Thread(target=self._work, daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        """Drop waiting posts, cut those under way, end the threads; no outcome comes any more."""
        self._stopped = True
        with suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        for _ in self._threads:
            self._queue.put(None)
        with self._lock:
            for connection in self._open:
                if connection.sock is not None:
                    with suppress(OSError):  # its other end may have closed it already
                        connection.sock.shutdown(socket.SHUT_RDWR)

    def join(self, timeout_s: float) -> bool:
        """Wait for the threads' end; return whether all have ended."""
        for thread in self._threads:
            thread.join(timeout_s)
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            outcome = self._outcome(task.post)
            if not self._stopped:
                with suppress(RuntimeError):  # the loop has ended, and nobody waits for it
                    task.loop.call_soon_threadsafe(task.done, outcome)

    def _outcome(self, post: Post) -> Outcome:
        parts = urlsplit(post.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.netloc, timeout=post.timeout_s)
        with self._lock:
            self._open.add(connection)
        try:
            query = "&".join(filter(None, (parts.query, urlencode(post.query))))
            target = f"{parts.path or '/'}?{query}"
            connection.connect()
            with self._lock:
                if self._stopped:  # before there was a socket that `stop` could cut
                    return Outcome(error="stopped")
            connection.request(post.method, target, post.body or None, _headers(post))
            response = connection.getresponse()
            return Outcome(status=response.status, answer=response.read(ANSWER_BYTES))
        except TimeoutError:
            return Outcome(error=f"no answer within {post.timeout_s:g} s")
        except (OSError, HTTPException) as error:
            return Outcome(error=f"{type(error).__name__}: {error}")
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


def _headers(post: Post) -> dict[str, str]:
    agent = {"User-Agent": "Mozilla/4.0", "Accept": "*/*"}
    return agent | ({"Content-Type": post.content_type} if post.method == "POST" else {})


@dataclass(frozen=True, slots=True)
class _Task:
    post: Post
    done: Done
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
