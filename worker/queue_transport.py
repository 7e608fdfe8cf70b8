"""Kombu's transports, with five faults fixed.

**A worker outlives a Redis that is away.** When the connection breaks, Celery takes it away from
its channels before it closes them and before the running tasks acknowledge. A channel that has a
message in hand then asks for a new connection and meets an AttributeError, which nobody expects:
the worker ends. As a connection error it is one that kombu and Celery ignore where they clean up,
and the worker waits for the broker. What was not acknowledged comes again, and finds in the
database that there is nothing to do.

**A worker outlives junk in a Redis queue.** Kombu takes whatever was pushed for its own envelope,
and ends over what it cannot read, as it comes or as it goes back to its queue.

**A worker that is killed takes no message of another program along**: see :func:`take_message`.

**A worker outlives properties that py-amqp cannot read:** a content type that is no UTF-8, a header
with a time in milliseconds. RabbitMQ takes and delivers them, py-amqp raises in the middle of a
frame, and the message goes back into the queue for the next worker.

**A worker outlives a compressed message**, however long it is unpacked: see
:mod:`worker.unpacking`.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from queue import Empty
from typing import Any, Final

from amqp import serialization, spec
from kombu.transport import TRANSPORT_ALIASES, redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps, loads
from redis.exceptions import ConnectionError as RedisConnectionError

from broadcast import names
from worker import messages, unpacking


def install() -> None:
    """Install them in this process."""
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "worker.queue_transport:Transport"))
    readers: dict[int, Any] = serialization.PROPERTY_CLASSES
    readers[spec.Basic.CLASS_ID] = _properties
    unpacking.install()


class QoS(redis.QoS):
    """Kombu's notes of what was taken, whatever stands in them."""

    def restore_by_tag(self, tag: Any, *args: Any, **kwargs: Any) -> None:
        """Return a message to its queue; one that cannot be read is put aside.

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

    def _connparams(self, *args: Any, **kwargs: Any) -> Any:
        if self.connection.client is None:
            raise RedisConnectionError("the connection of this channel was closed")
        return super()._connparams(*args, **kwargs)  # type: ignore[misc] # not in its stubs

    def _create_client(self, *args: Any, **kwargs: Any) -> Any:
        client = super()._create_client(*args, **kwargs)  # type: ignore[misc] # not in its stubs
        client.set_response_callback("BRPOP", self._envelope)
        return client

    @property
    def unread(self) -> str:
        """The list of unreadable messages, with the prefix of this Redis."""
        return f"{self.global_keyprefix}{names.UNREAD}"

    def _lists(self) -> dict[str, str]:
        """Return the lists between which a script moves a message."""
        prefix = self.global_keyprefix
        return {
            "unacked": f"{prefix}{self.unacked_key}",
            "unacked_index": f"{prefix}{self.unacked_index_key}",
            "unread": self.unread,
        }

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
        command: Sequence[str | float] = wait_for_message(found)
        if not self._waits:
            command = take_message(found, **self._lists())
        self._in_poll = self.client.connection
        self._brpop_sent_at = time.monotonic()
        self.client.connection.send_command(*command)

    def _brpop_read(self, **options: Any) -> Any:
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
            messages.log_dropped(problem)
        elif self.put_aside(tag):
            self._keep_what_is_aside()
        return None

    def _do_restore_message(self, payload: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        if not isinstance(payload.get("headers"), dict):
            # Kombu would lose it with an error: it writes there that the message comes again.
            payload = {**payload, "headers": {}}
        super()._do_restore_message(payload, *args, **kwargs)  # type: ignore[misc] # as above

    def put_aside(self, tag: bytes | str) -> bool:
        """Move what was taken under *tag*, and is no message, to the list of such."""
        errors: tuple[type[Exception], ...] = self.connection_errors  # type: ignore[attr-defined]
        with contextlib.suppress(*errors), self.conn_or_acquire() as client:
            return bool(client.execute_command(*put_aside(tag, **self._lists())))
        # It comes again when it is as old as a killed worker's.
        return False

    def _keep_what_is_aside(self) -> None:
        from worker import dead_letters

        dead_letters.store_soon()

    def _deliver_fanout_message(self, message: Any, exchange: str) -> Any:
        # What is published to every worker: events, and the commands of `celery control`.
        problem = _problem(lambda: self.Message(message, channel=self))
        if problem is not None:
            messages.log_dropped(problem)
            return True
        return super()._deliver_fanout_message(message, exchange)  # type: ignore[misc] # as above


class Transport(redis.Transport):
    """The transport of ``redis://`` and ``rediss://``, with channels as above."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str | None) -> Any:
        if queue == names.ENQUEUE:
            # As it was noted: by what its sender wrote there, it might not find back.
            again = message["properties"]["delivery_info"].get("redelivered")
            message["properties"]["delivery_info"] = {
                "exchange": "",
                "routing_key": queue,
                "redelivered": bool(again),
            }
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
        messages.check_envelope(read())
    except messages.MalformedError as error:
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


LONGEST_WAIT_S: Final = 0.5
#: Of kombu's own form: the message, its exchange and its routing key, by its delivery tag; and when
#: it was taken. By these two it goes back to its queue, whatever its sender wrote there. One whose
#: tag another has that is not acknowledged is noted under a new tag, or its note would replace the
#: first: nothing waits for another. Of what is no message, some are put aside at a time, and the
#: other queues come next. Halves of characters, which cjson refuses, stand in what Celery shows of
#: a good task's arguments.
_TAKE: Final = r"""
local function tag_of(item)
  local read, message = pcall(cjson.decode, item)
  local unsure = not read
  if unsure then
    local whole = string.gsub(string.gsub(item, '\\\\', '?'), '\\u[dD][89a-fA-F]%x%x', '?')
    read, message = pcall(cjson.decode, whole)
  end
  local properties = read and type(message) == 'table' and message.properties
  local where = type(properties) == 'table' and properties.delivery_info
  if type(where) ~= 'table' then return end
  if type(where.exchange) ~= 'string' or type(where.routing_key) ~= 'string' then return end
  local tag = properties.delivery_tag
  return type(tag) == 'string' and (not unsure or not string.find(tag, '?', 1, true)) and tag
end
local aside = '0'
for n = 4, #KEYS do
  for _ = 1, 100 do
    local item = redis.call('RPOP', KEYS[n])
    if not item then break end
    if ARGV[n - 2] == '0' then return {KEYS[n], item, '', aside} end
    local tag = tag_of(item)
    if not tag then
      redis.call('LPUSH', KEYS[3], item)
      aside = '1'
    else
      local now, own, count = redis.call('TIME'), tag, 0
      while redis.call('HEXISTS', KEYS[1], tag) == 1 do
        count = count + 1
        tag = string.sub(own, 1, 100) .. ' ' .. now[1] .. '.' .. now[2] .. '.' .. count
      end
      redis.call('HSET', KEYS[1], tag, '[' .. item .. ARGV[1])
      redis.call('ZADD', KEYS[2], now[1] .. '.' .. string.format('%06d', now[2]), tag)
      return {KEYS[n], item, tag, aside}
    end
  end
end
return aside == '1' and {'', '', '', aside}
"""
#: What was noted as above, and cannot be read after all.
_PUT_ASIDE: Final = """
local held = redis.call('HGET', KEYS[1], ARGV[2])
if not held or string.sub(held, -#ARGV[1]) ~= ARGV[1] then return 0 end
redis.call('LPUSH', KEYS[3], string.sub(held, 2, -#ARGV[1] - 1))
redis.call('HDEL', KEYS[1], ARGV[2])
redis.call('ZREM', KEYS[2], ARGV[2])
return 1
"""
_ENDS: Final = f',"",{json.dumps(names.ENQUEUE)}]'


def take_message(
    queues: Sequence[tuple[str, bool]], *, unacked: str, unacked_index: str, unread: str
) -> list[str | int]:
    """Return the command that takes the first message of *queues*, each with whether it is noted.

    It is answered by the queue, the message, the tag by which it was noted, and ``1`` where
    something was put aside into *unread*; or by nothing.
    """
    keys = [unacked, unacked_index, unread, *(name for name, _ in queues)]
    noted = [str(int(is_noted)) for _, is_noted in queues]
    return ["EVAL", _TAKE, len(keys), *keys, _ENDS, *noted]


def put_aside(
    tag: bytes | str, *, unacked: str, unacked_index: str, unread: str
) -> list[bytes | str | int]:
    """Return the command that moves what was taken under *tag* into *unread*.

    It is answered by 0 where that was not taken so, or is not held any more.
    """
    return ["EVAL", _PUT_ASIDE, 3, unacked, unacked_index, unread, _ENDS, tag]


def wait_for_message(queues: Sequence[tuple[str, bool]]) -> list[str | float]:
    """Return the command that waits for a message of those *queues* whose messages need no note."""
    others = [name for name, is_noted in queues if not is_noted]
    # A worker of that queue alone waits for what nobody sends.
    return ["BRPOP", *(others or [f"{queues[0][0]}:nothing"]), LONGEST_WAIT_S]
