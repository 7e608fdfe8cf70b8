"""The settings that what follows from a call depends on."""

from __future__ import annotations

from dataclasses import field

from broadcast.call.circuit_breaker import CircuitBreaker
from broadcast.call.waits import Waits
from broadcast.frozen import frozen


@frozen
class Rules:
    """How long is waited, how often a batch is halved, and what a guard takes."""

    waits: Waits = field(default_factory=Waits)
    #: How often a batch may be halved in search of the OpenIDs that WeChat refuses.
    split_depth: int = 4
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    #: mass/send and mass/sendall count against one daily number of calls.
    shared_quota: bool = True
    #: A draft that was edited after the submit is held.
    watch_drafts: bool = True


DEFAULT_RULES = Rules()
