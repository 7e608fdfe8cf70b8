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
from broadcast.views.objects import Webhook, coded, members, utc, utc_if_any
from broadcast.views.program_words import refusal
from broadcast.views.texts import Texts

__all__ = ["as_json", "forbidden", "in_a_list", "utc"]


def as_json(report: Report) -> dict[str, Any]:
    """Return the object. Raises ValueError if the report's content is none."""
    behind = {
        "batches": {"batch_list": [_batch(line) for line in report.batch_list]},
        "pruned_at": {
            **content.drafts_json(report.draft),
            **_operator_actions(report.operator_actions),
        },
    }
    whole: dict[str, Any] = {}
    for name, value in objects.object_of(report).items():
        whole |= {name: value, **behind.get(name, {})}
    return whole


def in_a_list(report: Report) -> dict[str, Any]:
    """Return the object as it stands among others, which is without its batches."""
    return {name: value for name, value in as_json(report).items() if name != "batch_list"}


def _batch(line: BatchLine) -> dict[str, Any]:
    return {
        **members(
            line,
            "n",
            "size",
            "state",
            "msg_id",
            "attempts",
            "errcode",
            "reason",
            "not_before",
            "msg_status",
        ),
        "verified": not line.is_unverified,
        "finish": line.finish and delivered.event_as_json(line.finish),
    }


def _operator_actions(people: OperatorActions | None) -> dict[str, Any]:
    if people is None:
        return {}
    return {
        "operator_actions": [_action(one) for one in people.actions],
        "operator_actions_earlier": people.earlier,
    }


def _action(one: OperatorAction) -> dict[str, Any]:
    action = {**members(one, "at", "who"), "action": one.did.value, "why": one.why}
    action |= members(one, *_OF_ACTIONS.get(one.did, ()))
    return action | ({"possibly": one.maybe} if one.did is Did.RECALL else {})


#: What some actions have beside.
_OF_ACTIONS: Final = {
    Did.RESOLVE: ("batch", "sent", "msg_id"),
    Did.RETRY: ("batches",),
    Did.RECALL: ("msg_id", "article", "through"),
    Did.HALT: ("account",),
    Did.UNHALT: ("account",),
}


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
    return {"at": utc(gate.closed_at), **members(gate, "reason", "errcode", "errmsg", "path")}


def _restored(lane: LaneView | None) -> dict[str, Any] | None:
    gate = lane and lane.gate(GateKind.RESTORED)
    if not gate:
        return None
    return {"at": utc(gate.closed_at), **members(gate, "reason")}


_STOPS: Final = frozenset({GateKind.STOP, GateKind.BREAKER})


#: Deeper than any request; writers of JSON end at some depth.
_DEEPEST: Final = 50


def letter_object(one: KeptLetter, texts: Texts) -> dict[str, Any]:
    """Return a dead letter as ``--json`` and HTTP have it."""
    return {
        **members(one, "id", "state", "source", "key", "account"),
        "reason": _reason(one.reason, texts),
        **members(one, "times", "first_at", "last_at", "broadcast_id", "closed_at", "closed_by"),
        "error": None,
    }


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
        **members(one, "id", "receiver", "state", "tries"),
        "notice": coded(said, texts),
        "problem": problem and coded(problem, texts),
        "since": utc(one.since),
        "next_try_at": utc_if_any(one.due_at),
    }


def webhook_object(one: Webhook, texts: Texts, *, waits: Waits) -> dict[str, Any]:
    """Return a webhook as ``--json`` and HTTP have it."""
    problem = one.problem
    waiting = one.state is WebhookState.WAITING
    return {
        **members(one, "id", "broadcast_id", "version", "account"),
        "type": one.kind,
        "state": one.state.value,
        "url": shown_url(one.url),
        **members(one, "tries", "http_status"),
        "problem": problem and coded(problem, texts),
        **members(one, "created_at", "tried_at"),
        "next_try_at": utc_if_any(one.due_at),
        "give_up_at": utc(last_try(one.since, waits=waits)) if waiting else None,
        "closed_at": utc_if_any(one.closed_at),
    }
