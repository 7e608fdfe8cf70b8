"""Workers and beat, by what they answer on the broker."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from broadcast.errors import BrokerAwayError
from broadcast.rules.findings import Facts, Fault, Finding, of_workers
from entrypoints.cli.probes.shell_words import celery
from models import schema
from producer.waking import CeleryWaker
from producer.wiring.store_parts import StoreParts


def probe(waker: CeleryWaker, facts: Facts) -> Iterator[Finding]:
    """Note who answers; yield that the broker is away."""
    with contextlib.closing(waker):
        try:
            facts.has_beat = waker.has_beat()
            facts.workers = waker.workers()
        except BrokerAwayError as error:
            yield Finding(fault=Fault.BROKER_AWAY, what=error.message)


def unfit(parts: StoreParts) -> list[Finding]:
    """Return the workers that answer and do none of our work; all are asked if the first does none.

    Raises BrokerAwayError and DatabaseAwayError.
    """
    installation = schema.installation(parts.engine)
    found: list[Finding] = []
    for limit in (1, None):
        workers = parts.waker.workers(limit=limit)
        found = list(of_workers(workers, installation, celery=celery(), has_beat=True))
        if not found:
            break
    return [one for one in found if one.fault is not Fault.NO_WORKER]
