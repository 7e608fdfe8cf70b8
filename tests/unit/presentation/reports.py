"""Reports for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from broadcast.call.attempts import Reason
from broadcast.reports import SETS, SKIPS, BatchLine, LaneView, Report
from broadcast.states import BatchState, BroadcastState
from presentation.texts import LANGUAGES, Texts

NOW = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)  # Friday 14:00 in Beijing
ZH, EN = map(Texts, LANGUAGES)
FREE = LaneView(
    not_before=None, wait_reason=None, stopped_at=None, stop_reason=None, stop_errcode=None,
    stop_errmsg=None, halted_at=None, halted_by=None,
)  # fmt: skip
HALTED = replace(FREE, halted_at=NOW - timedelta(hours=1), halted_by="cli:ann@desk")
STOPPED = replace(
    FREE, stopped_at=NOW - timedelta(hours=2), stop_reason=Reason.ACCOUNT_STOPPED,
    stop_errcode=48001, stop_errmsg="api unauthorized",
)  # fmt: skip
BOTH = replace(STOPPED, halted_at=HALTED.halted_at, halted_by=HALTED.halted_by)
LATER = replace(FREE, not_before=NOW + timedelta(hours=6), wait_reason=Reason.QUOTA_TODAY)
#: In which set the followers of a batch are.
SET_OF = {
    BatchState.ACCEPTED: "accepted", BatchState.REFUSED: "refused",
    BatchState.CANCELLED: "cancelled", BatchState.IN_DOUBT: "in_doubt",
}  # fmt: skip


def batch(n: int, size: int = 5, state: BatchState = BatchState.PLANNED, **facts: Any) -> BatchLine:
    values: dict[str, Any] = {
        "n": n, "size": size, "state": state, "reason": None, "errcode": None, "errmsg": None,
        "msg_id": None, "attempts": 0, "not_before": None,
    }  # fmt: skip
    return BatchLine(**(values | facts))


def refused(n: int, errcode: int, **facts: Any) -> BatchLine:
    return batch(n, state=BatchState.REFUSED, errcode=errcode, errmsg="no", attempts=1, **facts)


def report(state: BroadcastState, lane: LaneView = FREE, **facts: Any) -> Report:
    """A broadcast to ten, of whom all wait."""
    values: dict[str, Any] = {
        "id": "20261127-abcdef", "account": "shop", "key": "june", "state": state, "reason": None,
        "reason_errcode": None, "reason_errmsg": None,
        "audience": dict.fromkeys(("read", *SKIPS, "planned"), 0) | {"read": 10, "planned": 10},
        "recipients": dict.fromkeys(SETS, 0) | {"waiting": 10},
        "batches": dict.fromkeys(("total", "finished", *SETS), 0) | {"total": 2, "waiting": 2},
        "batch_list": [batch(1), batch(2)], "calls": 0, "results_due": 0, "lane": lane,
        "created_at": NOW, "scheduled_at": None, "started_at": None, "finished_at": None,
        "now": NOW,
    }  # fmt: skip
    return Report(**(values | facts))


def of_batches(state: BroadcastState, *lines: BatchLine, **facts: Any) -> Report:
    """A broadcast with these batches, and figures that fit them."""
    recipients, batches = dict.fromkeys(SETS, 0), dict.fromkeys(("total", *SETS), 0)
    for line in lines:
        name = SET_OF.get(line.state, "waiting")
        recipients[name] += line.size
        batches[name] += 1
        batches["total"] += 1
    return report(state, recipients=recipients, batches=batches, batch_list=lines, **facts)
