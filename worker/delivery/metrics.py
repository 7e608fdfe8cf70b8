"""Metrics of this process: what its lanes did since it began."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.outcomes import Outcome

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY: Final = CollectorRegistry()
#: Up to the longest that a call may take.
_SECONDS: Final = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60)

CALLS: Final = Counter(
    "broadcast_worker_calls",
    "Calls by how they ended",
    ["account", "outcome", "errcode"],
    registry=REGISTRY,
)
CALL_SECONDS: Final = Histogram(
    "broadcast_worker_call_seconds",
    "From the first byte of a call to WeChat's last",
    registry=REGISTRY,
    buckets=_SECONDS,
)
LANE_WAIT_SECONDS: Final = Histogram(
    "broadcast_worker_lane_wait_seconds",
    "From the end of a call, or the beginning of a slice, to the claim of the next call",
    registry=REGISTRY,
    buckets=_SECONDS,
)


def count_call(account: str, fact: CallResult) -> None:
    """Count a call; a code that no list names is ``other``, or there would be ever more labels."""
    code = "other" if fact.outcome is Outcome.UNLISTED else fact.errcode
    CALLS.labels(account, fact.outcome, "" if code is None else code).inc()
    CALL_SECONDS.observe((fact.elapsed_ms or 0) / 1000)
