"""Ringing: a message that says "look at the database". A lost one is rung again by a sweep."""

from __future__ import annotations

import logging

from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)


def ring(task: str, *args: object, **kwargs: object) -> bool:
    """Publish *task*; return False, having said so, when the broker is away."""
    from worker.application import make  # noqa: PLC0415 - the application imports the signals

    try:
        make().send_task(task, args=args, kwargs=kwargs)
    except OperationalError as error:
        log.warning("broker away, %s is left to the sweep: %s", task, error)
        return False
    return True
