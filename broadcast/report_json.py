"""A report as the object of ``--json``: moments in UTC, counts as numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from broadcast.call.attempts import Reason
from broadcast.gates import blockers
from broadcast.gates.blockers import Blocker
from broadcast.reports import Did, OperatorAction, OperatorActions, Report


def as_json(told: Report, *, error: str | None = None) -> dict[str, Any]:
    """Return the object; *error* is what kept the command from doing all that it was to do."""
    return {
        "id": told.id,
        "state": told.state.value,
        "account": told.account,
        "key": told.key,
        "priority": told.priority,
        "audience": told.audience,
        "recipients": told.recipients,
        "batches": told.batches,
        "batch_list": [
            {
                "n": line.n, "size": line.size, "state": line.state.value, "msg_id": line.msg_id,
                "attempts": line.attempts, "errcode": line.errcode,
                "reason": _word(line.reason), "not_before": _utc(line.not_before),
            }
            for line in told.batch_list
        ],
        "standstills": [_standstill(one) for one in blockers.of(told)],
        "calls": told.calls,
        "delivered": {"total": None, "eligible": None, "sent": None, "errors": None},
        "created_at": _utc(told.created_at),
        "scheduled_at": _utc(told.scheduled_at),
        "started_at": _utc(told.started_at),
        "finished_at": _utc(told.finished_at),
        **_people(told.operator_actions),
        "error": error,
    }  # fmt: skip


def _standstill(one: Blocker) -> dict[str, Any]:
    return {
        "cause": one.cause.value, "reason": _word(one.reason), "errcode": one.errcode,
        "errmsg": one.errmsg, "since": _utc(one.since), "until": _utc(one.until), "who": one.who,
        "why": one.why, "count": one.count, "broadcasts": list(one.broadcasts), "batch": one.batch,
        "command": one.command,
    }  # fmt: skip


def _word(reason: Reason | None) -> str | None:
    return reason.value if reason else None


def _people(people: OperatorActions | None) -> dict[str, Any]:
    if people is None:
        return {}
    return {"people": [_deed(deed) for deed in people.actions], "people_earlier": people.earlier}


def _deed(deed: OperatorAction) -> dict[str, Any]:
    told = {"at": utc(deed.at), "who": deed.who, "did": deed.did.value, "why": deed.why}
    match deed.did:
        case Did.RESOLVE:
            return told | {"batch": deed.batch, "msg_id": deed.msg_id}
        case Did.RETRY:
            return told | {"batches": deed.batches}
        case Did.HALT | Did.UNHALT:
            return told | {"account": deed.account}
    return told


def _utc(value: datetime | None) -> str | None:
    return None if value is None else utc(value)


def utc(moment: datetime, *, timespec: str = "milliseconds") -> str:
    """Return a moment as ``--json`` writes it; *timespec* is that of ``datetime.isoformat``."""
    return moment.astimezone(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
