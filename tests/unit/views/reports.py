"""Reports for tests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from broadcast.rules.gates.gate import Gate, GateKind, GateScope
from broadcast.rules.reports import SETS, SKIPS, BatchLine, LaneView, Report
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason
from broadcast.views.texts import LANGUAGES, Texts

ID = "20261127-abcdef"
NOW = datetime(2026, 11, 27, 6, 0, tzinfo=UTC)  # Friday 14:00 in Beijing
HELLO = json.dumps({"msgtype": "text", "text": {"content": "hello"}})
ZH, EN = map(Texts, LANGUAGES)
FREE = LaneView(not_before=None, wait_reason=None)
LATER = replace(FREE, not_before=NOW + timedelta(hours=6), wait_reason=Reason.QUOTA_TODAY)


def of_account(kind: GateKind, **facts: Any) -> Gate:
    """A closed gate of the account."""
    given: dict[str, Any] = {"closed_at": NOW - timedelta(hours=1), "closed_by": "worker"} | facts
    return Gate(
        id=1,
        scope=GateScope.ACCOUNT,
        kind=kind,
        account="shop",
        broadcast_id=None,
        path=None,
        **given,
    )


def own(kind: GateKind, **facts: Any) -> Gate:
    """A closed gate of the broadcast itself."""
    return replace(of_account(kind, **facts), scope=GateScope.BROADCAST, broadcast_id=ID)


def stopped(**facts: Any) -> LaneView:
    """The lane of an account that is stopped."""
    return replace(FREE, gates=(of_account(GateKind.STOP, **facts),))


HALT = of_account(GateKind.HALT, closed_by="cli:ann@desk")
HALTED = replace(FREE, gates=(HALT,))
STOPPED = stopped(
    closed_at=NOW - timedelta(hours=2),
    reason=Reason.ACCOUNT_STOPPED,
    errcode=48001,
    errmsg="api unauthorized",
)
BOTH = replace(STOPPED, gates=(*STOPPED.gates, HALT))
#: In which set the followers of a batch are.
SET_OF = {
    BatchState.ACCEPTED: "accepted",
    BatchState.REFUSED: "refused",
    BatchState.CANCELLED: "cancelled",
    BatchState.IN_DOUBT: "in_doubt",
}


def batch(n: int, size: int = 5, state: BatchState = BatchState.PLANNED, **facts: Any) -> BatchLine:
    values: dict[str, Any] = {
        "n": n,
        "size": size,
        "state": state,
        "reason": None,
        "errcode": None,
        "errmsg": None,
        "msg_id": None,
        "attempts": 0,
        "not_before": None,
    }
    return BatchLine(**(values | facts))


def refused(n: int, errcode: int, **facts: Any) -> BatchLine:
    return batch(n, state=BatchState.REFUSED, errcode=errcode, errmsg="no", attempts=1, **facts)


#: States of a broadcast that has ended.
ENDED = frozenset({BroadcastState.COMPLETED, BroadcastState.PARTIAL, BroadcastState.FAILED})
#: What closes the gate by which a state is shown, where no gate is given.
SHOWN_BY = {
    BroadcastState.PAUSED: GateKind.PAUSE,
    BroadcastState.CANCELLED: GateKind.CANCEL,
    BroadcastState.HELD: GateKind.HOLD,
}


def report(
    state: BroadcastState, lane: LaneView = FREE, gates: Sequence[Gate] = (), **facts: Any
) -> Report:
    """A broadcast to ten, of whom all wait; *gates* are its own."""
    if not gates and not lane.gates and state in SHOWN_BY:
        gates = (own(SHOWN_BY[state], closed_by="cli:ann@desk"),)
    values: dict[str, Any] = {
        "id": ID,
        "account": "shop",
        "key": "june",
        "state": state,
        "msgtype": "text",
        "content": HELLO,
        "phase": Phase.ENDED if state in ENDED else Phase.SENDING,
        "audience": dict.fromkeys(("read", *SKIPS, "planned"), 0) | {"read": 10, "planned": 10},
        "recipients": dict.fromkeys(SETS, 0) | {"waiting": 10},
        "batches": dict.fromkeys(("total", "finished", *SETS), 0) | {"total": 2, "waiting": 2},
        "batch_list": [batch(1), batch(2)],
        "calls": 0,
        "results_due": 0,
        "lane": lane,
        "gates": (*gates, *lane.gates),
        "created_at": NOW,
        "scheduled_at": None,
        "late_by": timedelta(minutes=15),
        "started_at": None,
        "finished_at": None,
        "now": NOW,
    }
    return Report(**(values | facts))


def of_batches(state: BroadcastState, *lines: BatchLine, **facts: Any) -> Report:
    """A broadcast with these batches, and figures that fit them."""
    recipients, batches = dict.fromkeys(SETS, 0), dict.fromkeys(("total", *SETS), 0)
    for line in lines:
        name = SET_OF.get(line.state, "waiting")
        recipients[name] += line.size or 0
        batches[name] += 1
        batches["total"] += 1
    return report(state, recipients=recipients, batches=batches, batch_list=lines, **facts)
