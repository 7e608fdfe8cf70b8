"""Celery's parts with faults fixed (events, late messages, beat's schedule), and our own command.

**A worker whose broker is away can be stopped.** A heartbeat is published again and again until the
broker takes it, in the thread that is to receive a stop. While a broker was silent, SIGTERM was
therefore noted and nothing ended.

**One thread alone reads the connection for events.** Celery lets its loop read it, for RabbitMQ's
heartbeats. A thread that publishes an event would read it too, for the confirmation; each takes a
part of the other's frame, and the worker is deaf until RabbitMQ closes the connection.
"""

from __future__ import annotations

import functools
import logging
import resource
import threading
import time
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import Any, Final, Literal

from celery import beat
from celery.app import events
from celery.events.dispatcher import EventDispatcher
from celery.exceptions import InvalidTaskError
from celery.utils.time import maybe_iso8601, maybe_make_aware
from celery.worker import request, state
from celery.worker.control import inspect_command
from sqlalchemy import Engine

from broadcast import names
from broadcast.errors import OutOfReachError
from broadcast.message import Message
from broadcast.redaction import redact
from models import schema
from models.engine import clock_ahead
from worker import messages
from worker.queue_watch import watch
from worker.wiring import parts, pool_size

#: Of an event of a task, what monitors show of words of others.
_SHOWN: Final = frozenset({"name", "args", "kwargs", "result", "exception", "traceback"})


class Dispatcher(EventDispatcher):
    """A dispatcher that asks before each repeat whether the worker is to stop."""

    def __init__(self, connection: Any = None, *args: Any, **options: Any) -> None:
        """Publish unconfirmed where Celery's loop reads *connection*, too."""
        # Only there events are buffered. The other connections publish wakes as well.
        if options.get("buffer_group") and connection.transport.driver_type == "amqp":
            connection.transport_options.pop("confirm_publish", None)
            connection.connection.confirm_publish = False
        super().__init__(connection, *args, **options)

    def send(self, type: str, **options: Any) -> None:  # type: ignore[override] # noqa: A002 - Celery's own
        """Send an event; raise WorkerShutdown between two tries once the worker is to stop.

        One with a policy of its own, as tasks send them, ends by that.
        """
        options.setdefault("retry_policy", {"errback": _stop_where_asked})
        for name in _SHOWN.intersection(options):
            if isinstance(options[name], str):
                options[name] = messages.without_openids(redact(options[name]))
        try:
            super().send(type, **options)
        finally:
            # Kombu keeps it for whatever connects later, and a worker that ends says goodbye.
            if self.connection and self.connection.transport_options:
                self.connection.transport_options.pop("errback", None)


class Events(events.Events):
    """Celery's events with the dispatcher above."""

    dispatcher_cls = "worker.celery_parts:Dispatcher"


def _stop_where_asked(*_: object) -> None:
    state.maybe_shutdown()


#: Less than the shortest period of beat, or its wakes would be dropped.
ONE_WITHIN_S = 2.0
_taking = threading.Lock()
#: By task and arguments: when the last one was taken that seemed too old, by `time.monotonic`.
_taken: dict[str, float] = {}


class Request(request.Request):
    """Celery's message of a task, which is not at once revoked where it seems too old."""

    _spared = False

    def __init__(self, message: Any, *args: Any, **kwargs: Any) -> None:
        """Raise InvalidTaskError for an unfit *message*, which is then dropped."""
        try:
            super().__init__(message, *args, **kwargs)
        except Exception as error:
            raise InvalidTaskError(type(error).__name__) from error
        # Celery reports with a traceback where it cannot convert such a time.
        if self.eta is not None and not MINYEAR < self.eta.year < MAXYEAR:
            raise InvalidTaskError("eta")
        # Now, and not when it runs: the queue may be empty meanwhile because this was taken.
        fields: dict[str, Any] = self._request_dict  # type: ignore[attr-defined] # not in its stubs
        if self.task.name == names.ENQUEUE:
            # Of another program, with the OpenIDs.
            self._argsrepr, self._kwargsrepr = "()", messages.outline(fields["kwargs"])
        again = fields["delivery_info"]["redelivered"]
        is_of_it = messages.is_of(message, names.ENQUEUE)
        fields["sent_after"] = watch.empty_at if is_of_it and not again else None

    def info(self, safe: bool = True) -> Any:  # noqa: FBT001, FBT002 - Celery's
        """Return what a monitor may ask of a task under way: arguments as its events say them."""
        del safe
        return super().info(safe=True)

    def maybe_expire(self) -> Literal[True] | None:
        """Revoke the message if it seems too old and another one like it was just taken."""
        # Celery asks twice: when the message comes, and before it runs.
        expires: datetime | None = self.expires
        if self._spared or expires is None or self.task.name == names.ENQUEUE:
            return None
        if datetime.now(UTC) <= expires:
            return None
        self._spared = _is_first_of_kind(f"{self.name} {self.argsrepr} {self.kwargsrepr}")
        return None if self._spared else super().maybe_expire()


def moment_of(text: object) -> datetime | None:
    """Return the time that a message's header says, read as Celery read it when it came."""
    moment = maybe_iso8601(text) if isinstance(text, str) else None
    return None if moment is None else maybe_make_aware(moment)


def _is_first_of_kind(kind: str) -> bool:
    now = time.monotonic()
    with _taking:
        for old in [each for each, at in _taken.items() if now - at >= ONE_WITHIN_S]:
            del _taken[old]
        if kind in _taken:
            return False
        _taken[kind] = now
        return True


class Scheduler(beat.PersistentScheduler):
    """A schedule whose entries were published now, where they say that it is yet to come."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Publish what is due; return the seconds until the next look."""
        now = self.app.now()
        ahead = [one for one in self.schedule.values() if one.last_run_at and one.last_run_at > now]
        for entry in ahead:
            entry.last_run_at = now
        if ahead:
            # By it they would wait all the same.
            self._heap = None
        return float(super().tick(*args, **kwargs))


log = logging.getLogger(__name__)

#: What is reported; less does no harm, and a busy machine answers late.
FELT = timedelta(minutes=1)


def compare_clocks(engine: Engine) -> None:
    """Log one line if this machine's clock is off by more than ``FELT``."""
    try:
        behind = clock_ahead(engine) or timedelta(0)
    except OutOfReachError as error:
        log.warning("this machine's clock was not compared with the database's: %s", error)
        return
    if abs(behind) > FELT:
        way = Message("worker.clock.ahead" if behind < timedelta(0) else "worker.clock.behind")
        seconds = round(abs(behind).total_seconds())
        log.warning("%s", Message("worker.clock", seconds=seconds, way=way))


#: Libraries, logs, the broker's connections and pipes.
_BESIDE = 64
#: An SQLite connection is the file, its log and their index; half of the pool's are overflow.
_OF_DATABASE = 3 * 2
#: A task that sends has one to WeChat and one to Redis.
_OF_TASK = 2


def needed(concurrency: int) -> int:
    """Return the number of descriptors that a worker with this many tasks may need."""
    return _BESIDE + _OF_DATABASE * pool_size(concurrency) + _OF_TASK * concurrency


def allow_descriptors(concurrency: int) -> None:
    """Raise the limit of this process to that; OutOfReachError where the system forbids it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed(concurrency)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise OutOfReachError(
            "error.worker.descriptors",
            most=hard,
            needed=wanted,
            concurrency=concurrency,
            name="BROADCAST_CONCURRENCY",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@inspect_command(name=names.WHICH_DATABASE)
def which_database(state: Any) -> dict[str, object]:
    """Return the id of the installation whose broadcasts this worker sends, and what it reads.

    A worker whose consumer was cancelled answers, and reads nothing.
    """
    consumer = state.consumer.task_consumer
    return {
        "ok": _installation(),
        "queues": [queue.name for queue in consumer.queues] if consumer else [],
        "beat": bool(state.consumer.controller.beat),
    }


@functools.cache
def _installation() -> str:
    return schema.installation(parts().engine)
