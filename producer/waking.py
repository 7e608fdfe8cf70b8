"""Waking for a worker: a task by its name, never by its code.

The app is built from the same ``celeryconfig`` as the worker's, but bounded in time: a producer
must know within seconds that the broker is away, because what it submitted is safe already.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

from broadcast import names
from broadcast.built_once import built_once
from broadcast.errors import BrokerAwayError
from broadcast.logs import request_ids
from broadcast.redaction import redact
from broadcast.rules.findings import Worker

if TYPE_CHECKING:
    from celery import Celery

T = TypeVar("T")
log = logging.getLogger(__name__)

#: Seconds to connect, and between two pieces of the broker's answer.
CONNECT_TIMEOUT_S = 1
SOCKET_TIMEOUT_S = 2
#: A worker that runs answers in hundredths of a second.
ANSWER_TIMEOUT_S = 0.7
#: A broker that was away is left alone for this long: the sweep wakes for what was stored.
BROKER_REST_S: Final = 2.0

_BOUNDED: dict[str, Any] = {
    # With `retry=False` kombu falls back on its own steps of 2, 4 … s, so the retry is kept and
    # its policy allows none.
    "task_publish_retry": True,
    "task_publish_retry_policy": {"max_retries": 0},
    "broker_connection_timeout": SOCKET_TIMEOUT_S,
}
_REDIS_BOUNDS: dict[str, Any] = {
    "max_retries": 0,
    "socket_timeout": SOCKET_TIMEOUT_S,
    "socket_connect_timeout": CONNECT_TIMEOUT_S,
}
_AMQP_BOUNDS: dict[str, Any] = {
    "max_retries": 0,
    "read_timeout": SOCKET_TIMEOUT_S,
    "write_timeout": SOCKET_TIMEOUT_S,
    # Without it a publish may be lost in silence.
    "confirm_publish": True,
}


class CeleryWaker:
    """Wakes through the broker. Nothing is connected, and Celery not imported, before that."""

    def __init__(self, broker_url: str) -> None:
        """*broker_url* includes the password."""
        self._url = broker_url

    def wake_planner(self, broadcast_id: str) -> None:
        """Ask a worker to plan a broadcast. Raises BrokerAwayError; it may have woken even then."""
        self._send(names.PLAN, [broadcast_id])

    def wake_lane(self, account: str, broadcast_id: str, *, after_s: float = 0) -> None:
        """Ask a worker to drive a lane. Raises BrokerAwayError; it may have woken even then.

        *after_s*: a worker keeps the message for so long. Keep it below the time after which the
        broker gives it to another one (``_VISIBILITY_S`` of ``celeryconfig``).
        """
        self._send(names.SEND_BATCH, [account, broadcast_id], after_s=after_s)

    def wake_for(self, task: str) -> None:
        """Ask a worker to look at what waits for *task*. Raises as :meth:`wake_planner`."""
        self._send(task, [])

    def connect(self) -> None:
        """Connect now, so that the next wake leaves at once. Raises BrokerAwayError."""

        def connect() -> None:
            with self._app.producer_or_acquire() as producer:
                producer.connection.ensure_connection(max_retries=0, timeout=SOCKET_TIMEOUT_S)

        _as_ours(connect)

    def workers(self, *, limit: int | None = None) -> list[Worker]:
        """Return the workers that answer; with *limit* no more. Raises BrokerAwayError."""
        replies = self._asked(names.WHICH_DATABASE, limit=limit)
        return [
            Worker(
                name=name,
                installation=str(answer.get("ok")),
                queues=answer.get("queues"),
                has_beat=bool(answer.get("beat")),
            )
            for one in replies
            for name, answer in one.items()
        ]

    def has_beat(self) -> bool:
        """Return whether a beat answers that is no worker's. Raises BrokerAwayError."""
        return bool(self._asked("ping", limit=1, pattern="celerybeat@*", matcher="glob"))

    def _asked(self, command: str, **options: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - Celery's
        """Return what those say who know Celery's *command*. Raises BrokerAwayError."""
        replies = _as_ours(
            lambda: self._app.control.broadcast(
                command, reply=True, timeout=ANSWER_TIMEOUT_S, **options
            )
        )
        return list(replies or ())

    def queue_lengths(self) -> dict[str, int]:
        """Return how many messages wait in each queue. Raises BrokerAwayError."""
        self.connect()

        def lengths() -> dict[str, int]:
            with self._app.connection_or_acquire() as connection:
                channel: Any = connection.default_channel
                # As celeryconfig declares them.
                return {
                    name: channel.queue_declare(name, durable=True, auto_delete=False).message_count
                    for name in (names.QUEUE, names.ENQUEUE)
                }

        return _as_ours(lengths)

    def close(self) -> None:
        """Close what was connected."""
        if "_app" in self.__dict__:
            self._app.close()

    def _send(self, name: str, args: list[object], *, after_s: float = 0) -> None:
        _as_ours(
            lambda: self._app.send_task(
                name,
                args=args,
                queue=names.QUEUE,
                headers=request_ids.headers(),
                countdown=after_s or None,
            )
        )

    @built_once
    def _app(self) -> Celery:
        from celery import Celery

        app = Celery("producer", set_as_current=False)
        app.config_from_object("celeryconfig")
        app.conf.update(_BOUNDED, broker_url=self._url)
        bounds = _AMQP_BOUNDS if "amqp" in self._url.partition("://")[0] else _REDIS_BOUNDS
        app.conf.broker_transport_options = {
            **(app.conf.broker_transport_options or {}),
            **bounds,
        }
        return app


class RestingWaker(CeleryWaker):
    """Wakes workers; leaves a broker that was away alone for a while, so that nobody waits for it.

    What is stored meanwhile is found by the sweep.
    """

    def __init__(self, broker_url: str) -> None:
        """*broker_url* includes the password."""
        super().__init__(broker_url)
        self._away_until = 0.0
        self._why: BrokerAwayError | None = None

    def is_away(self) -> bool:
        """Return whether the broker cannot be reached."""
        try:
            self.connect()
        except BrokerAwayError:
            return True
        return False

    def connect(self) -> None:
        """Connect now. Raises BrokerAwayError."""
        with self._resting():
            super().connect()

    def _send(self, name: str, args: list[object], *, after_s: float = 0) -> None:
        with self._resting():
            super()._send(name, args, after_s=after_s)

    @contextlib.contextmanager
    def _resting(self) -> Iterator[None]:
        # Another thread may find the broker back meanwhile.
        why = self._why
        if why is not None and time.monotonic() < self._away_until:
            raise BrokerAwayError(why.message_id, **why.facts)
        try:
            yield
        except BrokerAwayError as error:
            self._why, self._away_until = error, time.monotonic() + BROKER_REST_S
            raise
        self._why = None


def _as_ours(work: Callable[[], T]) -> T:
    """Return what *work* on the broker returns. Raises BrokerAwayError, whatever it ends with."""
    # Celery's own name for every failure of a broker.
    from kombu.exceptions import OperationalError

    try:
        return work()
    except OperationalError as error:
        reason = str(error.__cause__ or error).strip() or type(error).__name__
    except OSError as error:
        reason = f"{type(error).__name__}: {error}".strip()
    except Exception as error:
        # What was stored stays stored, so the wake-up alone has failed: of whatever kind it is.
        log.exception("the client of the broker failed, and the broker may be there")
        reason = f"{type(error).__name__}: {error}".strip()
    # Outside the handler: the library's frames hold the URL.
    raise BrokerAwayError("error.broker.away", reason=redact(reason).splitlines()[0])
