"""Listeners that keep whatever goes through the broker while they are open."""

from __future__ import annotations

import base64
import binascii
import re
import threading
from typing import TYPE_CHECKING, Any

from celery import Celery

from broadcast import names
from tests.kit.wait import until

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from tests.servers.valkey import Valkey

END = "the listener's own last command"
_BODY = re.compile(r'"body": "([A-Za-z0-9+/=]+)"')


class CommandListener:
    """Every command that a Valkey executes, those of its scripts too, as `MONITOR` tells them."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="commands", daemon=True)
        self.commands: list[str] = []

    def __enter__(self) -> Self:
        """Listen from now on."""
        self._thread.start()
        assert self._listening.wait(60), "MONITOR was refused"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hear everything up to now, then stop."""
        with self._valkey.client() as client:
            client.echo(END)
        self._thread.join(60)

    def _listen(self) -> None:
        with self._valkey.client() as client, client.monitor() as monitor:
            # Silence between two commands is no failure.
            monitor.connection._sock.settimeout(None)
            monitor.connection.socket_timeout = None
            self._listening.set()
            for told in monitor.listen():
                if END in told["command"]:
                    return
                self.commands.append(with_bodies(told["command"]))


class EventListener:
    """Every Celery event, as Flower sees them."""

    def __init__(self, broker_url: str) -> None:
        self._app = Celery(broker=broker_url, set_as_current=False)
        self._app.conf.event_exchange = names.EVENTS
        self._thread = threading.Thread(target=self._listen, name="events", daemon=True)
        self._receiver: Any = None
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        """Start listening; `wait_for` the first heartbeat of a worker to be sure that it does."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        if self._receiver is not None:
            self._receiver.should_stop = True
        self._thread.join(60)
        self._app.close()

    def wait_for(self, kind: str, *, timeout_s: float = 20) -> None:
        """Wait for an event of this type.

        Raises:
            AssertionError: the deadline passed.
        """
        until(lambda: any(e["type"] == kind for e in self.events), timeout_s, f"event {kind}")

    def _listen(self) -> None:
        with self._app.connection() as connection:
            self._receiver = self._app.events.Receiver(connection, handlers={"*": self._keep})
            self._receiver.capture(limit=None, timeout=None, wakeup=False)

    def _keep(self, event: dict[str, Any]) -> None:
        self.events.append(event)


def with_bodies(command: str) -> str:
    """The command, and after it what kombu wraps in base64 in the clear."""
    bodies = []
    for encoded in _BODY.findall(command.replace('\\"', '"')):
        try:
            bodies.append(base64.b64decode(encoded).decode("utf-8", "replace"))
        except binascii.Error:
            continue
    return "\n".join([command, *bodies])
