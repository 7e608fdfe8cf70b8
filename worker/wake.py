"""Wakes among workers: "look at the database". A sweep repeats a lost one.

Producers wake by :mod:`producer.waking`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from celery import current_task
from celery.exceptions import Ignore
from kombu.exceptions import OperationalError

from broadcast.logs import request_ids

log = logging.getLogger(__name__)

#: Workers take messages in turn, so after a few of them a wake-up has reached one that can answer.
MOST_FORWARDS = 8


def wake(task: str, *args: object, **kwargs: object) -> bool:
    """Publish *task*; log a line and return False when the broker is away."""
    return _publish(task, args, kwargs)


def _publish(task: str, args: Sequence[object], kwargs: dict[str, object], **more: Any) -> bool:
    from worker.application import make

    try:
        make().send_task(task, args=args, kwargs=kwargs, headers=request_ids.headers(), **more)
    except OperationalError as error:
        log.warning("broker away: %s was not woken, the sweep wakes it later: %s", task, error)
        return False
    return True


def forward(task: str, *args: object, forward_count: int) -> bool:
    """Wake for another worker after *forward_count* workers could not answer; False at the end.

    A task that passes itself on ends here, without a result: under its own id it is one row of a
    monitor, whoever does it in the end.

    Left to the sweep, the next wake may come to the same worker again and again: the one that swept
    stands last in the broker's line, behind the one that has nothing to do.
    """
    if not 0 <= forward_count < MOST_FORWARDS:
        return False
    log.info(
        "%s: not to be done by this worker, passed to another",
        " ".join(map(str, (task, *args))),
    )
    counted: dict[str, object] = {"forward_count": forward_count + 1}
    own = current_task.request.id if getattr(current_task, "name", None) == task else None
    if own is None:
        return _publish(task, args, counted)
    if _publish(task, args, counted, task_id=own):
        raise Ignore("passed to another worker")
    return False
