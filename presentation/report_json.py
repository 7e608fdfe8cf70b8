"""A report as the object of ``--json``: moments in UTC, counts as numbers."""

from __future__ import annotations

from typing import Any, Final

from broadcast import report_object
from broadcast.gates.kinds import GateKind
from broadcast.report_object import utc, utc_if_any, word
from broadcast.reports import BatchLine, Did, LaneView, OperatorAction, OperatorActions, Report
from presentation import delivered, drafts

__all__ = ["as_json", "forbidden", "in_a_list", "utc"]


def as_json(report: Report, *, error: str | None = None) -> dict[str, Any]:
    """Return the object; *error* is what kept the command from doing all that it was to do.

    Raises ValueError if the report's content is none.
    """
    behind = {
        "batches": {"batch_list": [_batch(line) for line in report.batch_list]},
        "finished_at": {
            **drafts.as_json(report.draft, utc=utc_if_any),
            **_operator_actions(report.operator_actions),
        },
    }
    whole: dict[str, Any] = {}
    for name, value in report_object.of(report, error=error).items():
        whole |= {name: value, **behind.get(name, {})}
    return whole


def in_a_list(report: Report) -> dict[str, Any]:
    """Return the object as it stands among others, which is without its batches."""
    return {name: value for name, value in as_json(report).items() if name != "batch_list"}


def _batch(line: BatchLine) -> dict[str, Any]:
    return {
        "n": line.n, "size": line.size, "state": line.state.value, "msg_id": line.msg_id,
        "attempts": line.attempts, "errcode": line.errcode, "reason": word(line.reason),
        "not_before": utc_if_any(line.not_before),
        "msg_status": line.msg_status, "verified": not line.is_unverified,
        "finish": line.finish and delivered.event_as_json(line.finish),
    }  # fmt: skip


def _operator_actions(people: OperatorActions | None) -> dict[str, Any]:
    if people is None:
        return {}
    return {
        "operator_actions": [_action(one) for one in people.actions],
        "operator_actions_earlier": people.earlier,
    }


def _action(one: OperatorAction) -> dict[str, Any]:
    action = {"at": utc(one.at), "who": one.who, "action": one.did.value, "why": one.why}
    match one.did:
        case Did.RESOLVE:
            return action | {"batch": one.batch, "sent": one.sent, "msg_id": one.msg_id}
        case Did.RETRY:
            return action | {"batches": one.batches}
        case Did.RECALL:
            return action | {
                "msg_id": one.msg_id, "article": one.article, "through": one.through,
                "possibly": one.maybe,
            }  # fmt: skip
        case Did.HALT | Did.UNHALT:
            return action | {"account": one.account}
    return action


def forbidden(lane: LaneView | None) -> dict[str, Any]:
    """Return the halt and the stop of an account, None where there is none."""
    return {"halted": _halt(lane), "stopped": _stop(lane)}


def _halt(lane: LaneView | None) -> dict[str, Any] | None:
    gate = lane and lane.gate(GateKind.HALT)
    if not gate:
        return None
    return {"at": utc(gate.closed_at), "by": gate.closed_by, "why": gate.why}


def _stop(lane: LaneView | None) -> dict[str, Any] | None:
    """Return the stop that forbids most: that of the whole account before that of one path."""
    closed = [gate for gate in lane.gates if gate.kind in _STOPS] if lane else []
    gate = next((one for one in closed if one.path is None), closed[0] if closed else None)
    if gate is None:
        return None
    return {
        "at": utc(gate.closed_at), "reason": gate.reason and gate.reason.value,
        "errcode": gate.errcode, "errmsg": gate.errmsg, "path": gate.path and gate.path.value,
    }  # fmt: skip


_STOPS: Final = frozenset({GateKind.STOP, GateKind.BREAKER})
