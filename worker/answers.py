"""Answers to other programs: where Celery looks for the result of a task that it sent.

Apart from the application's own backend, of which there is none: an answer that cannot be left is a
line in the log, and nothing else waits for its Redis.
"""

from __future__ import annotations

import functools
import logging
import os
from typing import Any, Final

from celery import states
from celery.backends.redis import RedisBackend
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from broadcast.redaction import redact
from worker.application import make
from worker.wiring import parts

log = logging.getLogger(__name__)

#: Seconds, after which Redis forgets it.
KEPT_S: Final = 3600
_PATIENCE: Final = {
    "socket_connect_timeout": 1, "socket_timeout": 2, "retry": Retry(NoBackoff(), 0),
}  # fmt: skip


def leave(task_id: str, answer: dict[str, Any]) -> None:
    """Leave *answer* for whoever waits for the result of *task_id*, where Redis can be reached."""
    try:
        _backend(os.getpid()).store_result(task_id, answer, states.SUCCESS)
    except (RedisError, OperationalError, OSError) as error:
        why = redact(str(error).splitlines()[0] if str(error) else type(error).__name__)
        log.warning("no answer was left for the sender of %s: %s", task_id, why)


@functools.cache
def _backend(pid: int) -> Any:  # noqa: ANN401 - Celery's
    """Return the backend of this process."""
    del pid
    # As Celery itself takes the transport's name off a socket's URL.
    url = parts().settings.result_backend.removeprefix("redis+")
    backend: Any = RedisBackend(app=make(), url=url, expires=KEPT_S)
    # Those of a socket have no time-out to connect.
    known = backend.connparams.keys() | {"retry"}
    backend.connparams.update({name: _PATIENCE[name] for name in known & _PATIENCE.keys()})
    backend.retry_policy = {"max_retries": 0}
    backend.always_retry = False
    return backend
