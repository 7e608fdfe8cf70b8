"""Celery's events, with two faults fixed.

**A worker whose broker is away can be stopped.** A heartbeat is published again and again until the
broker takes it, in the thread that is to receive a stop. While a broker was silent, SIGTERM was
therefore noted and nothing ended.

**One thread alone reads the connection for events.** Celery lets its loop read it, for RabbitMQ's
heartbeats. A thread that publishes an event would read it too, for the confirmation; each takes a
part of the other's frame, and the worker is deaf until RabbitMQ closes the connection.
"""

from __future__ import annotations

from typing import Any

from celery.app import events
from celery.events.dispatcher import EventDispatcher
from celery.worker import state


class Dispatcher(EventDispatcher):
    """A dispatcher that asks before each repeat whether the worker is to stop."""

    def __init__(self, connection: Any = None, *args: Any, **options: Any) -> None:  # noqa: ANN401
        """Take the connection; publish unconfirmed where Celery's loop reads it, too."""
        # Only there events are buffered. The other connections publish wakes as well.
        if options.get("buffer_group") and connection.transport.driver_type == "amqp":
            connection.transport_options.pop("confirm_publish", None)
            connection.connection.confirm_publish = False
        super().__init__(connection, *args, **options)

    def send(self, type: str, **options: Any) -> None:  # type: ignore[override] # noqa: A002, ANN401 - Celery's own
        """Send an event; raise WorkerShutdown between two tries once the worker is to stop.

        One with a policy of its own, as tasks send them, ends by that.
        """
        options.setdefault("retry_policy", {"errback": _stop_where_asked})
        try:
            super().send(type, **options)
        finally:
            # Kombu keeps it for whatever connects later, and a worker that ends says goodbye.
            if self.connection and self.connection.transport_options:
                self.connection.transport_options.pop("errback", None)


class Events(events.Events):
    """Celery's events with the dispatcher above."""

    dispatcher_cls = "worker.events:Dispatcher"


def _stop_where_asked(*_: object) -> None:
    state.maybe_shutdown()
