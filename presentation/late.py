"""Whether a broadcast waits for a worker too long to be sent by it without a person's word."""

from __future__ import annotations

from broadcast.gates.kinds import GateKind
from broadcast.gates.late import First, is_late
from broadcast.gates.liveness import Liveness
from broadcast.reasons import Reason
from broadcast.reports import Report


def will_be_held(report: Report) -> bool:
    """Tell whether the worker that takes it up now holds it, by the rule of its first claim.

    *report* with who drives it: a lane that was busy until now is late for nothing.
    """
    if report.started_at is not None:
        return False
    signs = report.driven.signs if report.driven else Liveness()
    waits = [gate.until for gate in report.gates if gate.kind is GateKind.QUOTA]
    if report.lane.wait_reason is Reason.QUOTA_TODAY:
        waits.append(report.lane.not_before)
    first = First(
        scheduled_at=report.scheduled_at, published_at=report.published_at,
        lane_busy_until=signs.called_at, waited_until=max(filter(None, waits), default=None),
        late_by_s=int(report.late_by.total_seconds()),
    )  # fmt: skip
    return is_late(first, report.now, opened_at=report.opened_at)
