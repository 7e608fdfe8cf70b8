"""Kombu's transports, with five faults fixed.

**A worker outlives a Redis that is away.** When the connection breaks, Celery takes it away from
its channels before it closes them and before the running tasks acknowledge. A channel that has a
message in hand then asks for a new connection and meets an AttributeError, which nobody expects:
the worker ends. As a connection error it is one that kombu and Celery ignore where they clean up,
and the worker waits for the broker. What was not acknowledged comes again, and finds in the
database that there is nothing to do.

**A worker outlives junk in a Redis queue.** Kombu takes whatever was pushed for its own envelope,
and ends over what it cannot read, as it comes or as it goes back to its queue.

**A worker that is killed takes no message of another program along**: see :mod:`worker.taking`.

**A worker outlives properties that py-amqp cannot read:** a content type that is no UTF-8, a header
with a time in milliseconds. RabbitMQ takes and delivers them, py-amqp raises in the middle of a
frame, and the message goes back into the queue for the next worker.

**A worker outlives a compressed message**, however long it is unpacked: see
:mod:`worker.unpacking`.
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
from kombu.utils.json import dumps, loads
from redis.exceptions import ConnectionError as RedisConnectionError

from broadcast import names
from worker import envelope, taking, unpacking


def install() -> None:
    """Let this process use them."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "worker.transport:Transport"))
    readers: dict[int, Any] = serialization.PROPERTY_CLASSES
    readers[spec.Basic.CLASS_ID] = _properties
    unpacking.install()


class QoS(redis.QoS):
    """Kombu's notes of what was taken, whatever stands in them."""

    def restore_by_tag(self, tag: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - kombu's own
        """Give a message back to its queue; what cannot be read is put aside.

        Its worker was killed before it saw that, and no other may end over it.
        """
        channel: Any = self.channel
        try:
            super().restore_by_tag(tag, *args, **kwargs)
        except channel.connection_errors:
            raise
        except Exception:
            if not channel.put_aside(tag):
                raise


class Channel(redis.Channel):
    """A channel that gives on nothing but kombu's envelopes."""

    QoS = QoS
    #: Nothing was there at the last look: the next command waits.
    _waits = False
    #: Something was there at this one.
    _heard = False

    def _connparams(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - kombu's own
        if self.connection.client is None:
            raise RedisConnectionError("the connection of this channel was closed")
        return super()._connparams(*args, **kwargs)  # type: ignore[misc] # not in its stubs

    def _create_client(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - kombu's own
        client = super()._create_client(*args, **kwargs)  # type: ignore[misc] # not in its stubs
        client.set_response_callback("BRPOP", self._envelope)
        return client

    @property
    def unread(self) -> str:
        """The list of what is no message, with the prefix of this Redis."""
        return f"{self.global_keyprefix}{names.UNREAD}"

    def _lists(self) -> dict[str, str]:
        """Return the lists between which a script moves a message."""
        prefix = self.global_keyprefix
        return {
            "unacked": f"{prefix}{self.unacked_key}",
            "unacked_index": f"{prefix}{self.unacked_index_key}", "unread": self.unread,
        }  # fmt: skip

    def _brpop_start(self, timeout: float | None = None) -> None:
        cycle: Any = self._queue_cycle  # type: ignore[attr-defined] # not in its stubs
        queues: list[str] = cycle.consume(len(self.active_queues))
        if names.ENQUEUE not in queues:
            super()._brpop_start(timeout)  # type: ignore[misc] # not in its stubs
            return
        list_of: Callable[[str, int], str] = self._q_for_pri  # type: ignore[attr-defined] # as above
        found = [
            (f"{self.global_keyprefix}{list_of(queue, priority)}", queue == names.ENQUEUE)
            for priority in self.priority_steps
            for queue in queues
        ]
        command: Sequence[str | float] = taking.wait(found)
        if not self._waits:
            command = taking.take(found, **self._lists())
        self._in_poll = self.client.connection
        self._brpop_sent_at = time.monotonic()
        self.client.connection.send_command(*command)

    def _brpop_read(self, **options: Any) -> Any:  # noqa: ANN401 - kombu's own
        looked, self._waits, self._heard = not self._waits, False, False
        try:
            return super()._brpop_read(**options)  # type: ignore[misc] # not in its stubs
        except Empty:
            # Behind what was put aside something may stand.
            self._waits = looked and not self._heard
            raise

    def _envelope(self, reply: Sequence[bytes] | None) -> tuple[bytes, bytes] | None:
        """Return queue and message as kombu takes them; nothing where it would raise over them."""
        if not reply:
            return None
        self._heard = True
        queue, item, *more = reply
        tag, is_aside = more or (b"", b"0")
        if is_aside == b"1":
            self._keep_what_is_aside()
        if not queue:
            return None
        problem = _problem(lambda: self.Message(loads(bytes_to_str(item)), channel=self))
        if problem is None:
            return (queue, _under(tag, item) if tag else item)
        if not tag:
            envelope.log_dropped(problem)
        elif self.put_aside(tag):
            self._keep_what_is_aside()
        return None

    def _do_restore_message(self, payload: dict[str, Any], *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - kombu's own
        if not isinstance(payload.get("headers"), dict):
            # Kombu would lose it with an error: it writes there that the message comes again.
            payload = {**payload, "headers": {}}
        super()._do_restore_message(payload, *args, **kwargs)  # type: ignore[misc] # as above

    def put_aside(self, tag: bytes | str) -> bool:
        """Move what was taken under *tag*, and is no message, to the list of such."""
        errors: tuple[type[Exception], ...] = self.connection_errors  # type: ignore[attr-defined]
        with contextlib.suppress(*errors), self.conn_or_acquire() as client:
            return bool(client.execute_command(*taking.put_aside(tag, **self._lists())))
        # It comes again when it is as old as a killed worker's.
        return False

    def _keep_what_is_aside(self) -> None:
        from worker import unread  # noqa: PLC0415 - a process that only publishes needs no database

        unread.keep_soon()

    def _deliver_fanout_message(self, message: Any, exchange: str) -> Any:  # noqa: ANN401 - kombu's own
        # What is published to every worker: events, and the commands of `celery control`.
        problem = _problem(lambda: self.Message(message, channel=self))
        if problem is not None:
            envelope.log_dropped(problem)
            return True
        return super()._deliver_fanout_message(message, exchange)  # type: ignore[misc] # as above


class Transport(redis.Transport):
    """The transport of ``redis://`` and ``rediss://``, with channels as above."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str | None) -> Any:  # noqa: ANN401 - kombu's own
        if queue == names.ENQUEUE:
            # As it was noted: by what its sender wrote there, it might not find back.
            again = message["properties"]["delivery_info"].get("redelivered")
            message["properties"]["delivery_info"] = {
                "exchange": "", "routing_key": queue, "redelivered": bool(again),
            }  # fmt: skip
        return super()._deliver(message, queue)


def _under(tag: bytes, item: bytes) -> bytes:
    """Return a message that can be read with the tag by which it was noted: it is acknowledged so.

    Another may have had its own.
    """
    noted, message = bytes_to_str(tag), loads(bytes_to_str(item))
    if message["properties"]["delivery_tag"] == noted:
        return item
    message["properties"]["delivery_tag"] = noted
    return dumps(message).encode()


def _problem(read: Callable[[], Any]) -> str | None:
    """Return why kombu could not take a message, in words without any of its values."""
    try:
        envelope.check_envelope(read())
    except envelope.MalformedError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever kombu would raise: see its name
        return f"it is no message of kombu's: {type(error).__name__}"
    return None


def _properties(buffer: bytes, offset: int) -> tuple[dict[str, Any], int]:
    """Return a message's properties as py-amqp does; of unreadable ones a task that is none."""
    try:
        return serialization.decode_properties_basic(buffer, offset)
    except Exception:  # noqa: BLE001 - whatever it is, the message is dropped by its headers
        return {"application_headers": {"task": None}}, len(buffer)
