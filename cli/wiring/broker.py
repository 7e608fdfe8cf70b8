"""The broker."""

from __future__ import annotations

import functools

from cli.wiring.database import settings
from producer.publish import CeleryBell


@functools.cache
def bell() -> CeleryBell:
    """Return the way to ring for a worker; it connects when it rings."""
    return CeleryBell(settings().celery_broker_url)
