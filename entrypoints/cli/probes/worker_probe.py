"""Workers and beat, by what they answer on the broker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from broadcast.errors import BrokerAwayError
from broadcast.rules.findings import Facts, Fault, Finding
from entrypoints.cli.probes.shell_words import away
from producer.waking import CeleryWaker


def probe(waker: CeleryWaker, url: str, facts: Facts) -> Iterator[Finding]:
    """Note who answers; yield that the broker is away."""
    with closing(waker):
        try:
            facts.has_beat = waker.has_beat()
            facts.workers = waker.workers()
        except BrokerAwayError as error:
            yield away(Fault.BROKER_AWAY, error, url)
