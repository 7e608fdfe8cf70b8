"""A report as the object of ``--json``: moments in UTC, counts as numbers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from broadcast.gates import blockers
from broadcast.gates.blockers import Blocker
from broadcast.gates.kinds import GateKind
from broadcast.reasons import Reason
from broadcast.reports import BatchLine, Did, LaneView, OperatorAction, OperatorActions, Report
from presentation import content, delivered, drafts


def as_json(report: Report, *, error: str | None = None) -> dict[str, Any]:
    """Return the object; *error* is what kept the command from doing all that it was to do.

    Raises ValueError if the report's content is none.
    """
    return {
        "id": report.id,
        "state": report.state.value,
        "reason": _word(report.failed_uncalled),
        "account": report.account,
        "key": report.key,
        "title": report.title,
        "content": content.as_json(report.content),
        "created_by": report.created_by,
        "priority": report.priority,
        "to": _to(report),
        "selection": json.loads(report.selection or "{}"),
        "audience": report.audience,
        "recipients": report.recipients,
        "batches": report.batches,
        "batch_list": [_batch(line) for line in report.batch_list],
        "blockers": [_blocker(one) for one in blockers.of(report)],
        "calls": report.calls,
        "delivered": delivered.as_json(report.delivered),
        "created_at": _utc(report.created_at),
        "scheduled_at": _utc(report.scheduled_at),
        "started_at": _utc(report.started_at),
        "finished_at": _utc(report.finished_at),
        **drafts.as_json(report.draft, utc=_utc),
        **_operator_actions(report.operator_actions),
        "error": error,
    }


def _to(report: Report) -> dict[str, Any]:
    """Return whom it goes to, as a request says it; a list is not repeated."""
    said = json.loads(report.audience_spec)
    match report.audience_kind:
        case "followers":
            tag = said.get("tag_id")
            return {"followers": True} if tag is None else {"followers": True, "with_tag": tag}
        case "tag":
            return {"tag_id": said.get("tag_id")}
        case "everyone":
            return {"to_all": True}
        case "openids":
            return {"openids": True}
    # Of a newer release.
    return {report.audience_kind: True}


def in_a_list(report: Report) -> dict[str, Any]:
    """Return the object as it stands among others, which is without its batches."""
    return {name: value for name, value in as_json(report).items() if name != "batch_list"}


def _batch(line: BatchLine) -> dict[str, Any]:
    return {
        "n": line.n, "size": line.size, "state": line.state.value, "msg_id": line.msg_id,
        "attempts": line.attempts, "errcode": line.errcode, "reason": _word(line.reason),
        "not_before": _utc(line.not_before),
        "msg_status": line.msg_status, "verified": not line.is_unverified,
        "finish": line.finish and delivered.event_as_json(line.finish),
    }  # fmt: skip


def _blocker(one: Blocker) -> dict[str, Any]:
    return {
        "cause": one.cause.value, "reason": _word(one.reason), "errcode": one.errcode,
        "errmsg": one.errmsg, "since": _utc(one.since), "until": _utc(one.until), "who": one.who,
        "why": one.why, "count": one.count, "broadcasts": list(one.broadcasts), "batch": one.batch,
        "command": one.command,
        "path": one.path and one.path.value,
    }  # fmt: skip


def _word(reason: Reason | None) -> str | None:
    return reason.value if reason else None


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


def _utc(value: datetime | None) -> str | None:
    return None if value is None else utc(value)


def utc(moment: datetime, *, timespec: str = "milliseconds") -> str:
    """Return a moment as ``--json`` writes it; *timespec* is that of ``datetime.isoformat``."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def forbidden(lane: LaneView | None) -> dict[str, Any]:
    """Return the halt and the stop of an account, None where there is none."""
    return {"halted": _halt(lane), "stopped": _stop(lane)}


def _halt(lane: LaneView | None) -> dict[str, Any] | None:
    gate = lane and lane.gate(GateKind.HALT)
    if not gate:
        return None
    return {"at": utc(gate.closed_at), "by": gate.closed_by, "why": gate.why}


def _stop(lane: LaneView | None) -> dict[str, Any] | None:
    gate = lane and lane.gate(GateKind.STOP, GateKind.BREAKER)
    if not gate:
        return None
    return {
        "at": utc(gate.closed_at), "reason": gate.reason and gate.reason.value,
        "errcode": gate.errcode, "errmsg": gate.errmsg,
    }  # fmt: skip
