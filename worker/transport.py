"""Kombu's transports, with four faults fixed.

**A worker outlives a Redis that is away.** When the connection breaks, Celery takes it away from
its channels before it closes them and before the running tasks acknowledge. A channel that has a
message in hand then asks for a new connection and meets an AttributeError, which nobody expects:
the worker ends. As a connection error it is one that kombu and Celery ignore where they clean up,
and the worker waits for the broker. What was not acknowledged comes again, and finds in the
database that there is nothing to do.

**A worker outlives junk in a Redis queue.** Kombu takes whatever was pushed for its own envelope.

**A worker that is killed takes no message of another program along**: see :mod:`worker.taking`.

**A worker outlives properties that py-amqp cannot read:** a content type that is no UTF-8, a header
with a time in milliseconds. RabbitMQ takes and delivers them, py-amqp raises in the middle of a
frame, and the message goes back into the queue for the next worker.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from queue import Empty
from typing import Any

from amqp import serialization, spec
from kombu.transport import TRANSPORT_ALIASES, redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads
from redis.exceptions import ConnectionError as RedisConnectionError

from broadcast import names
from worker import envelope, taking


def install() -> None:
    """Let this process use them."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "worker.transport:Transport"))
    readers: dict[int, Any] = serialization.PROPERTY_CLASSES
    readers[spec.Basic.CLASS_ID] = _properties


class Channel(redis.Channel):
    """A channel that gives on nothing but kombu's envelopes."""

    #: Nothing was there at the last look: the next command waits.
    _waits = False

    def _connparams(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - kombu's own
        if self.connection.client is None:
            raise RedisConnectionError("the connection of this channel was closed")
        return super()._connparams(*args, **kwargs)  # type: ignore[misc] # not in its stubs

    def _create_client(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - kombu's own
        client = super()._create_client(*args, **kwargs)  # type: ignore[misc] # not in its stubs
        client.set_response_callback("BRPOP", self._envelope)
        return client

    def _brpop_start(self, timeout: float | None = None) -> None:
        cycle: Any = self._queue_cycle  # type: ignore[attr-defined] # not in its stubs
        queues: list[str] = cycle.consume(len(self.active_queues))
        if names.ENQUEUE not in queues:
            super()._brpop_start(timeout)  # type: ignore[misc] # not in its stubs
            return
        prefix = self.global_keyprefix
        list_of: Callable[[str, int], str] = self._q_for_pri  # type: ignore[attr-defined] # as above
        found = [
            (f"{prefix}{list_of(queue, priority)}", queue == names.ENQUEUE)
            for priority in self.priority_steps
            for queue in queues
        ]
        command: Sequence[str | float] = taking.wait(found)
        if not self._waits:
            unacked, index = f"{prefix}{self.unacked_key}", f"{prefix}{self.unacked_index_key}"
            command = taking.take(found, unacked=unacked, unacked_index=index)
        self._in_poll = self.client.connection
        self._brpop_sent_at = time.monotonic()
        self.client.connection.send_command(*command)

    def _brpop_read(self, **options: Any) -> Any:  # noqa: ANN401 - kombu's own
        looked, self._waits = not self._waits, False
        try:
            return super()._brpop_read(**options)  # type: ignore[misc] # not in its stubs
        except Empty:
            self._waits = looked
            raise

    def _envelope(self, reply: Sequence[bytes] | None) -> tuple[bytes, bytes] | None:
        """Return queue and message as kombu takes them; nothing where it would raise over them."""
        if not reply:
            return None
        queue, item = reply
        if self._takes(lambda: loads(bytes_to_str(item))):
            return (queue, item)
        self._keep(bytes_to_str(queue), item)
        self._let_go(item)
        return None

    def _let_go(self, item: bytes) -> None:
        """Forget that what cannot be acknowledged was taken, or it would come again for ever."""
        with contextlib.suppress(Exception):
            tag = loads(bytes_to_str(item))["properties"]["delivery_tag"]
            with self.conn_or_acquire() as client:
                client.zrem(self.unacked_index_key, tag)
                client.hdel(self.unacked_key, tag)

    def _keep(self, queue: str, item: bytes) -> None:
        """Keep what another program pushed, unread as it is, in the dead letters."""
        # Priorities have queues of their own, whose names begin so.
        if not queue.startswith(f"{self.global_keyprefix}{names.ENQUEUE}"):
            return
        from worker import letters  # noqa: PLC0415 - a process that only publishes needs no database

        text = item.decode("utf-8", "backslashreplace")
        letters.bury_in_time(text, "it is no message of kombu's")

    def _deliver_fanout_message(self, message: Any, exchange: str) -> Any:  # noqa: ANN401 - kombu's own
        # What is published to every worker: events, and the commands of `celery control`.
        if not self._takes(lambda: message):
            return True
        return super()._deliver_fanout_message(message, exchange)  # type: ignore[misc] # as above

    def _takes(self, read: Callable[[], Any]) -> bool:
        """Return whether kombu could take the message; if not, drop it with one line."""
        try:
            envelope.check_envelope(self.Message(read(), channel=self))
        except envelope.MalformedError as error:
            envelope.log_dropped(str(error))
        except Exception as error:  # noqa: BLE001 - whatever kombu would raise: see its name
            envelope.log_dropped(f"it is no message of kombu's: {type(error).__name__}")
        else:
            return True
        return False


class Transport(redis.Transport):
    """The transport of ``redis://`` and ``rediss://``, with channels as above."""

    Channel = Channel


def _properties(buffer: bytes, offset: int) -> tuple[dict[str, Any], int]:
    """Return a message's properties as py-amqp does; of unreadable ones a task that is none."""
    try:
        return serialization.decode_properties_basic(buffer, offset)
    except Exception:  # noqa: BLE001 - whatever it is, the message is dropped by its headers
        return {"application_headers": {"task": None}}, len(buffer)
