"""The worker: plans broadcasts, drives lanes, settles results. ``celery -A worker`` finds ``app``.

``app`` is made when it is asked for, so that importing another module does not load Celery.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery import Celery

    app: Celery


def __getattr__(name: str) -> Celery:
    """Return the Celery application as ``worker.app``."""
    if name != "app":
        raise AttributeError(name)
    from worker.application import make

    return make()
