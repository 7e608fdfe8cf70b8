"""Whether a broadcast waits so long for a worker that an operator must consent to its send."""

from __future__ import annotations

from broadcast.gates.late import is_late
from broadcast.reports import Report


def will_be_held(report: Report) -> bool:
    """Return whether the worker that takes it up now holds it, by the rule of its first claim.

    *report* of one broadcast, with its batches.
    """
    return report.first_call is not None and is_late(report.first_call, report.now)
