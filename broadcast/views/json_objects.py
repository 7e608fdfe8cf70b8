"""Objects of ``--json``: reports, dead letters, webhooks. Moments in UTC, counts as numbers."""

from __future__ import annotations

import json
import math
from typing import Any, Final

from broadcast.errors import field_of
from broadcast.message import Message
from broadcast.rules.calls.waits import Waits
from broadcast.rules.dead_letters import KeptLetter
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.notices import Notice
from broadcast.rules.reports import (
    BatchLine,
    Did,
    LaneView,
    OperatorAction,
    OperatorActions,
    Report,
)
from broadcast.rules.states import WebhookState
from broadcast.rules.webhooks import last_try, shown_url
from broadcast.views import content, delivered, objects
from broadcast.views.objects import Webhook, reason_word, utc, utc_if_any
from broadcast.views.program_words import refusal
from broadcast.views.texts import Texts

__all__ = ["as_json", "forbidden", "in_a_list", "utc"]


def as_json(report: Report, *, error: str | None = None) -> dict[str, Any]:
    """Return the object; *error* is what kept the command from doing all that it was to do.

    Raises ValueError if the report's content is none.
    """
    behind = {
        "batches": {"batch_list": [_batch(line) for line in report.batch_list]},
        "finished_at": {
            **content.drafts_json(report.draft),
            **_operator_actions(report.operator_actions),
        },
    }
    whole: dict[str, Any] = {}
    for name, value in objects.object_of(report, error=error).items():
        whole |= {name: value, **behind.get(name, {})}
    return whole


def in_a_list(report: Report) -> dict[str, Any]:
    """Return the object as it stands among others, which is without its batches."""
    return {name: value for name, value in as_json(report).items() if name != "batch_list"}


def _batch(line: BatchLine) -> dict[str, Any]:
    return {
        "n": line.n, "size": line.size, "state": line.state.value, "msg_id": line.msg_id,
        "attempts": line.attempts, "errcode": line.errcode, "reason": reason_word(line.reason),
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
    """Return the halt and the stop of an account, and that a restore closed its lane.

    None where there is none.
    """
    return {"halted": _halt(lane), "stopped": _stop(lane), "restored": _restored(lane)}


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


def _restored(lane: LaneView | None) -> dict[str, Any] | None:
    gate = lane and lane.gate(GateKind.RESTORED)
    if not gate:
        return None
    return {"at": utc(gate.closed_at), "reason": gate.reason and gate.reason.value}


_STOPS: Final = frozenset({GateKind.STOP, GateKind.BREAKER})


#: Deeper than any request; writers of JSON end at some depth.
_DEEPEST: Final = 50


def letter_object(one: KeptLetter, texts: Texts) -> dict[str, Any]:
    """Return a dead letter as ``--json`` and HTTP have it."""
    return {
        "id": one.id, "state": one.state.value, "source": one.source.value, "key": one.key,
        "account": one.account, "reason": _reason(one.reason, texts), "times": one.times,
        "first_at": utc(one.first_at), "last_at": utc(one.last_at),
        "broadcast_id": one.broadcast_id,
        "closed_at": utc_if_any(one.closed_at), "closed_by": one.closed_by, "error": None,
    }  # fmt: skip


def _reason(reason: Message, texts: Texts) -> dict[str, object]:
    return {"code": reason.id, "field": field_of(reason), "text": refusal(reason, texts)}


def body_of(text: str) -> object:
    """Return a body as JSON where it is such that every program can read it, else as its text."""
    try:
        value = json.loads(text, parse_constant=_refuse)
        return value if _is_plain(value) else text
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _is_plain(value: object, depth: int = 0) -> bool:
    """Return whether a value is of plain numbers and whole characters, and not too deep."""
    if depth > _DEEPEST:
        return False
    match value:
        case str():
            value.encode()
        case int():
            return -(2**63) <= value < 2**63
        case float():
            return math.isfinite(value)
        case list():
            return all(_is_plain(one, depth + 1) for one in value)
        case dict():
            return all(_is_plain(each, depth + 1) for one in value.items() for each in one)
    return True


def notice_object(one: Notice, texts: Texts) -> dict[str, Any]:
    """Return a notice to a chat as ``--json`` has it."""
    said, problem = one.message, one.problem
    return {
        "id": one.id, "receiver": one.receiver, "state": one.state.value, "tries": one.tries,
        "notice": {"code": said.id, "text": texts(said)},
        "problem": problem and {"code": problem.id, "text": texts(problem)},
        "since": utc(one.since), "next_try_at": utc_if_any(one.due_at),
    }  # fmt: skip


def webhook_object(one: Webhook, texts: Texts, *, waits: Waits) -> dict[str, Any]:
    """Return a webhook as ``--json`` and HTTP have it."""
    problem = one.problem
    waiting = one.state is WebhookState.WAITING
    return {
        "id": one.id, "broadcast_id": one.broadcast_id, "version": one.version,
        "account": one.account, "type": one.kind, "state": one.state.value,
        "url": shown_url(one.url),
        "tries": one.tries, "http_status": one.http_status,
        "problem": problem and {"code": problem.id, "text": texts(problem)},
        "created_at": utc(one.created_at), "tried_at": utc_if_any(one.tried_at),
        "next_try_at": utc_if_any(one.due_at),
        "give_up_at": utc(last_try(one.since, waits=waits)) if waiting else None,
        "closed_at": utc_if_any(one.closed_at),
    }  # fmt: skip
