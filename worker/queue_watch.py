"""The longest wait of a message of another program, by the database's clock.

The clock of its sender says nothing. But what a worker takes was sent after some worker last found
the queue empty. A moment counts for what comes two ticks of Celery's loop later: a message that was
on its way to this worker when the queue was empty has come by then.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any, Final

from amqp.exceptions import AMQPError
from kombu import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from broadcast import names
from broadcast.digests import sha256
from broadcast.errors import OutOfReachError
from models.ledger.boxes import outbox
from worker.wiring import parts

log = logging.getLogger(__name__)

TICK_S: Final = outbox.QUEUE_FOUND_EMPTY_EVERY.total_seconds()


class QueueWatch:
    """The state of the queue of other programs, as this process knows it."""

    def __init__(self) -> None:
        """Know nothing yet."""
        #: What is taken now was sent after this; None: any time ago.
        self.empty_at: datetime | None = None
        self._next: datetime | None = None
        self._found: datetime | None = None

    def begin(self) -> None:
        """Check the queue before this worker takes its first message by a new connection."""
        self.check_queue()
        self.empty_at = self._next = self._found

    def tick(self, pool: Any) -> None:
        """Check again by a thread of *pool*; called by the thread that takes the messages."""
        self.empty_at, self._next = self._next, self._found
        pool.apply_async(self.check_queue, callback=lambda _: None)

    def check_queue(self) -> None:
        """Check whether the queue is empty; the next tick asks a part that is away."""
        from worker.application import make

        try:
            with make().connection_or_acquire() as connection:
                self._found = outbox.queue_empty_at(
                    parts().engine, _named(connection), is_empty=lambda: _is_empty(connection)
                )
        except (OutOfReachError, OperationalError, RedisError, AMQPError, OSError) as error:
            log.info("the queue of other programs was not looked at: %s", error)
        except Exception:
            log.exception("the queue of other programs cannot be looked at")


def _named(connection: Connection) -> str:
    prefix = parts().settings.redis_prefix
    return sha256(f"{connection.as_uri()} {prefix}")


def _is_empty(connection: Connection) -> bool:
    channel: Any = connection.default_channel
    # As celeryconfig declares it.
    found = channel.queue_declare(queue=names.ENQUEUE, durable=True, auto_delete=False)
    return not found.message_count


#: Of this process.
watch: Final = QueueWatch()
