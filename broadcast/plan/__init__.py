"""Planning: whom a broadcast goes to, what is subtracted, how it is cut, and whether it fits."""

from __future__ import annotations

from broadcast.plan.cut import LARGEST, SMALLEST, batch_count, cut, halves
from broadcast.plan.proof import (
    MOST_DAYS,
    Fit,
    Proof,
    Quota,
    allot,
    prove,
    refuse_what_does_not_fit,
    spare_calls,
    too_many,
)

__all__ = [
    "LARGEST",
    "MOST_DAYS",
    "SMALLEST",
    "Fit",
    "Proof",
    "Quota",
    "allot",
    "batch_count",
    "cut",
    "halves",
    "prove",
    "refuse_what_does_not_fit",
    "spare_calls",
    "too_many",
]
