"""Wakes among workers: "look at the database". A sweep repeats a lost one.

Producers wake by :mod:`producer.waking`.
"""

from __future__ import annotations

import logging

from kombu.exceptions import OperationalError

from broadcast.logs import request_ids

log = logging.getLogger(__name__)

#: Workers take messages in turn, so after a few of them a wake-up has reached one that can answer.
MOST_FORWARDS = 8


def wake(task: str, *args: object, **kwargs: object) -> bool:
    """Publish *task*; log a line and return False when the broker is away."""
    from worker.application import make  # noqa: PLC0415 - the application imports the signals

    try:
        make().send_task(task, args=args, kwargs=kwargs, headers=request_ids.headers())
    except OperationalError as error:
        log.warning("broker away: %s was not woken, the sweep wakes it later: %s", task, error)
        return False
    return True


def forward(task: str, *args: object, forward_count: int) -> bool:
    """Wake for another worker after *forward_count* workers could not answer; False at the end.

    Left to the sweep, the next wake may come to the same worker again and again: the one that swept
    stands last in the broker's line, behind the one that has nothing to do.
    """
    if not 0 <= forward_count < MOST_FORWARDS:
        return False
    log.info(
        "%s: not to be done by this worker, passed to another",
        " ".join(map(str, (task, *args))),
    )  # fmt: skip
    return wake(task, *args, forward_count=forward_count + 1)
