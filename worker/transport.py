"""Kombu's Redis transport, with one fault mended: a worker outlives a broker that is away.

When the connection breaks, Celery takes it away from its channels before it closes them and before
the running tasks acknowledge. A channel that has a message in hand then asks for a new connection
and meets an AttributeError, which nobody expects: the worker ends. As a connection error it is one
that kombu and Celery ignore where they clean up, and the worker waits for the broker. What was not
acknowledged comes again, and finds in the database that there is nothing to do.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as RedisConnectionError


class Channel(redis.Channel):
    """A channel that says what is wrong when its connection was taken away."""

    def _connparams(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - kombu's own
        if self.connection.client is None:
            raise RedisConnectionError("the connection of this channel was closed")
        return super()._connparams(*args, **kwargs)  # type: ignore[misc] # not in its stubs


class Transport(redis.Transport):
    """The transport of ``redis://`` and ``rediss://``, with channels as above."""

    Channel = Channel
