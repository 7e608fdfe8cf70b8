"""Examples of answers, for the OpenAPI document, by the name of their schema.

A test holds them against what the server says.
"""

from __future__ import annotations

import json
from typing import Any, Final

from api.examples import ID, KEY, LETTER_ID, WHY
from broadcast.message import Message
from models.ledger.audit import Check
from presentation.for_programs import refusal
from presentation.texts import Texts

AT: Final = "2026-11-27T04:00:00.000Z"
SETS: Final = {"accepted": 10_000, "refused": 0, "cancelled": 0, "in_doubt": 0, "waiting": 2_500}
BATCHES: Final = {
    "total": 2, "accepted": 1, "finished": 0, "refused": 0, "cancelled": 0, "in_doubt": 0,
    "waiting": 1,
}  # fmt: skip
_IN_A_LIST: Final[dict[str, Any]] = {
    "id": ID, "state": "paused", "reason": None, "account": "default", "key": KEY,
    "title": "Friday", "content": {"msgtype": "text", "preview": "Live on Friday, 20:00"},
    "created_by": "shop", "priority": 0, "to": {"openids": True}, "selection": {},
    "audience": {
        "read": 12_504, "malformed": 1, "duplicate": 3, "suppressed": 0, "excluded": 0,
        "unsubscribed": 0, "capped": 0, "sampled_out": 0, "planned": 12_500,
    },
    "recipients": SETS,
    "batches": BATCHES,
    "blockers": [{
        "cause": "paused", "reason": "by_hand", "errcode": None, "errmsg": None, "since": AT,
        "until": None, "who": "shop", "why": WHY["pause"], "count": None, "broadcasts": [],
        "batch": None, "command": f"broadcast resume {ID}", "path": None,
    }],
    "calls": 1, "delivered": {
        "total": None, "eligible": None, "sent": None, "errors": None, "jobs": 0,
    },
    "created_at": AT, "scheduled_at": None, "started_at": AT, "finished_at": None, "error": None,
}  # fmt: skip
_BATCH: Final = {
    "errcode": None, "reason": None, "not_before": None, "msg_status": None, "verified": True,
    "finish": None,
}  # fmt: skip
BROADCAST: Final[dict[str, Any]] = _IN_A_LIST | {
    "batch_list": [
        _BATCH | {"n": 1, "size": 10_000, "state": "accepted", "msg_id": 3_147_483_655,
                  "attempts": 1},
        _BATCH | {"n": 2, "size": 2_500, "state": "planned", "msg_id": None, "attempts": 0},
    ],
    "batch_next": None,
    "operator_actions": [{"at": AT, "who": "shop", "action": "pause", "why": WHY["pause"]}],
    "operator_actions_earlier": 0,
}  # fmt: skip
#: As a submit is answered: nothing is planned yet.
_NEW: Final[dict[str, Any]] = BROADCAST | {
    "state": "planning", "blockers": [], "batch_list": [], "calls": 0, "started_at": None,
    "operator_actions": [], "recipients": dict.fromkeys(SETS, 0) | {"waiting": 12_500},
    "batches": dict.fromkeys(_IN_A_LIST["batches"], 0),
}  # fmt: skip
_MISSING: Final = Message("error.request.missing", field="content")
LETTER: Final[dict[str, Any]] = {
    "id": LETTER_ID, "state": "dead", "source": "celery", "key": KEY, "account": None,
    "reason": {
        "code": _MISSING.id, "field": "content", "text": refusal(_MISSING, Texts("en")),
    },
    "times": 1, "first_at": AT, "last_at": AT, "broadcast_id": None, "closed_at": None,
    "closed_by": None, "error": None,
}  # fmt: skip
WEBHOOK: Final[dict[str, Any]] = {
    "id": f"{ID}-12", "broadcast_id": ID, "version": 12, "account": "default",
    "type": "broadcast.completed", "state": "waiting",
    "url": "https://shop.example.com/hooks/broadcast", "tries": 2, "http_status": 500,
    "problem": {"code": "webhook.problem.status", "text": "it answered 500"},
    "created_at": AT, "tried_at": "2026-11-27T04:00:36.000Z",
    "next_try_at": "2026-11-27T04:02:36.000Z", "give_up_at": "2026-11-28T04:00:00.000Z",
    "closed_at": None,
}  # fmt: skip

_ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "Submitted": _NEW | {
        "notices": [{
            "code": "notice.plan.unproved",
            "text": "Today's remaining calls are unknown. The plan is checked before the first "
            "call instead.",
        }],
    },
    "Broadcast": BROADCAST,
    "BroadcastList": {"broadcasts": [_IN_A_LIST], "next": None},
    "Plan": {
        "fits": True, "problem": None, "existing": None, "account": "default",
        "audience": {"read": 12_504, "malformed": 1, "duplicate": 3, "planned": 12_500},
        "left_out": {}, "recipients": 12_500, "calls": 2, "days": 1,
        "quota": {"daily_limit": 100, "used": 2, "remain": 98}, "starts_at": AT, "notices": [],
    },
    "Audit": {
        "id": ID, "ok": True,
        "audited": {"broadcasts": 1, "openids": 12_500, "batches": 2, "calls": 1},
        "checks": {check.value: 0 for check in Check}, "findings": [],
    },
    "AccountList": {
        "accounts": [{
            "name": "default", "appid": "wx0123456789abcdef", "kind": "service",
            "calls_per_minute": 60, "halted": None, "stopped": None,
        }],
    },
    "DeadLetter": LETTER | {"body": {"key": KEY, "audience": {"tag_id": 2}}},
    "DeadLetterList": {"dead_letters": [LETTER], "next": None},
    "Dropped": {"dropped": 12, "left": 0},
    "Webhook": WEBHOOK,
    "WebhookList": {"webhooks": [WEBHOOK], "next": None},
    "Health": {"ok": True},
    "Readiness": {"ready": True, "missing": [], "away": ["broker"], "full": []},
}  # fmt: skip
_ROW: Final = {
    "openid": "oAbcde000000000000000000000A", "batch": 1, "state": "accepted", "reason": None,
    "errcode": None, "msg_id": 3_147_483_655,
}  # fmt: skip
LINES: Final = json.dumps(_ROW) + "\n"
ROWS: Final = """openid,batch,state,reason,errcode,msg_id
oAbcde000000000000000000000A,1,accepted,,,3147483655
"""
_BECAME: Final = {
    "id": _IN_A_LIST["id"], "state": _IN_A_LIST["state"], "at": "2026-12-01T12:00:04.218734Z",
}  # fmt: skip
EVENTS: Final = (
    f"id: 118.0\nevent: state\ndata: {json.dumps(_BECAME)}\n\n"
    f"id: 118.0-12-8d2f01c94a7b\nevent: broadcast\ndata: {json.dumps(_IN_A_LIST)}\n\n"
)


def of(schema: str, status: int) -> dict[str, Any]:
    """Return the example of a schema for an answer with this status."""
    if schema == "Readiness" and status == _AWAY:
        return {"ready": False, "missing": ["database"], "away": [], "full": []}
    return _ANSWERS[schema]


_AWAY: Final = 503
