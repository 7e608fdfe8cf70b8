"""Examples of requests, answers and refusals, for the OpenAPI document; a test sends each request.

What is a value alone stands in ``examples.json``.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Final

from broadcast.message import Message
from broadcast.views.program_words import refusal
from broadcast.views.texts import Texts
from entrypoints.http import bodies, problems, uploading
from entrypoints.http.problems import ProblemError
from models.ledger.audit.case import Check

_KEPT: Final = json.loads(files(__package__).joinpath("examples.json").read_text("utf-8"))
ID: Final[str] = _KEPT["in_a_list"]["id"]
LETTER_ID: Final[str] = _KEPT["letter"]["id"]

SUBMIT: Final[dict[str, Any]] = _KEPT["submit"]
#: A list that comes later cannot be tried.
PLAN: Final = {name: example for name, example in SUBMIT.items() if name != "upload"}
#: Why each word is said; the answers show the same.
WHY: Final[dict[str, str]] = _KEPT["why"]
#: As WeChat's console shows the job.
RESOLVED: Final[dict[str, Any]] = _KEPT["resolved"]
VERDICT: Final[dict[str, Any]] = {
    "sent": {
        "summary": "WeChat's console shows the job",
        "value": RESOLVED,
    },
    "not_sent": {
        "summary": "WeChat's console shows no such job", "value": {"batch": 2, "sent": False},
    },
}  # fmt: skip

#: A list as it is uploaded.
LIST: Final = "\n".join(SUBMIT["list"]["value"]["audience"]["openids"]) + "\n"
KEY: Final[str] = _KEPT["in_a_list"]["key"]

DROP_ALL: Final[dict[str, Any]] = _KEPT["drop_all"]
NEW_CAMPAIGN: Final[dict[str, Any]] = _KEPT["new_campaign"]
CAMPAIGN_CHANGE: Final[dict[str, Any]] = _KEPT["campaign_change"]
CAMPAIGN_RUN: Final[dict[str, Any]] = _KEPT["run_of_campaign"]
NOTHING: Final[dict[str, Any]] = {"empty": {"summary": "It has no members", "value": {}}}

#: What a refusal is for, by its status.
_PROBLEMS: Final[dict[int, ProblemError]] = {
    400: ProblemError(400, "error.api.json", line=1, column=12),
    401: ProblemError(401, "error.api.no_key"),
    403: ProblemError(403, "error.api.scope", name="shop", scopes="read", scope="submit"),
    404: ProblemError(404, "error.api.no_broadcast"),
    408: ProblemError(408, "error.api.slow", seconds=bodies.WITHIN_S),
    409: ProblemError(
        409,
        "error.submit.key_taken",
        key=KEY,
        id=ID,
        differs="content, title",
        field=problems.KEY,
    ),
    410: ProblemError(410, "error.api.removed", id=ID),
    413: bodies.too_large(bodies.MOST_BYTES),
    415: bodies.wrong_type("text/plain", bodies.JSON),
    422: ProblemError(422, "error.request.unknown_near", field="adience", near="audience"),
    500: ProblemError(500, "error.api.failed"),
    503: ProblemError(503, "error.database.away", cause="Connection refused"),
}
#: Where it is for something else: by the operation or its subject.
_OTHERS: Final[dict[tuple[str, int], ProblemError]] = {
    ("submit", 404): ProblemError(404, "error.api.no_account", field="account"),
    ("plan", 404): ProblemError(404, "error.api.no_account", field="account"),
    **{
        (what, 404): ProblemError(404, "error.api.no_account", field="account")
        for what in ("list_broadcasts", "list_dead_letters", "list_webhooks")
    },
    ("accounts", 404): ProblemError(404, "error.api.no_account", field="name"),
    ("dead letters", 404): ProblemError(404, "error.api.no_dead_letter"),
    ("webhooks", 404): ProblemError(404, "error.api.no_webhook"),
    ("campaigns", 404): ProblemError(404, "error.api.no_campaign"),
    ("campaigns", 409): ProblemError(409, "error.campaign.edited", name="weekly", who="shop"),
    ("campaigns", 422): ProblemError(422, "error.campaign.cron_fields", text="0 20 * *", n=4),
    ("upload", 408): uploading.slow(),
    ("upload", 409): ProblemError(409, "error.api.no_upload"),
    ("upload", 413): bodies.too_large(uploading.MOST_BYTES),
    ("upload", 415): bodies.wrong_type("application/zip", *uploading.TYPES),
    ("upload", 422): ProblemError(
        422, "error.audience.empty", source="the uploaded list", field="audience"
    ),
    ("recipients", 409): ProblemError(409, "error.api.uploading"),
    ("audit", 409): ProblemError(409, "error.api.uploading"),
    ("recipients", 422): ProblemError(422, "error.request.missing", field="set"),
    ("controls", 409): ProblemError(409, "error.broadcast.ended", id=ID),
    ("controls", 422): ProblemError(422, "error.request.unknown_near", field="wy", near="why"),
    ("accounts", 422): ProblemError(422, "error.request.unknown_near", field="wy", near="why"),
    ("resolve", 409): ProblemError(409, "error.resolve.no_batch", id=ID, n=9, doubts="2"),
    ("resolve", 422): ProblemError(422, "error.request.missing", field="sent"),
    ("dead letters", 409): ProblemError(409, "error.dead.is_dropped", id=LETTER_ID),
    **{
        (what, 422): ProblemError(422, "error.request.unknown_near", field="limits", near="limit")
        for what in ("list_broadcasts", "list_dead_letters", "list_webhooks")
    },
    **{
        (what, 422): ProblemError(422, "error.request.unknown", field="x")
        for what in (
            "get_broadcast",
            "events",
            "audit",
            "list_accounts",
            "dead letters",
            "webhooks",
        )
    },
}


def control_example(name: str) -> dict[str, Any]:
    """Return the example of a request that says this word."""
    return {"why": {"summary": "With the reason, for the history", "value": {"why": WHY[name]}}}


def problem(status: int, *names: str) -> dict[str, Any]:
    """Return a refusal with this status of an operation, by its names, the closest first."""
    found = (_OTHERS[name, status] for name in names if (name, status) in _OTHERS)
    return problems.shown(
        next(found, _PROBLEMS[status]), Texts("en"), request_id="3f6a0c9be2d14457",
        keyed="submit" in names,
    )  # fmt: skip


AT: Final[str] = _KEPT["in_a_list"]["created_at"]
_IN_A_LIST: Final[dict[str, Any]] = _KEPT["in_a_list"]
SETS: Final[dict[str, int]] = _IN_A_LIST["recipients"]
BATCHES: Final[dict[str, int]] = _IN_A_LIST["batches"]
BROADCAST: Final[dict[str, Any]] = _IN_A_LIST | {
    "batch_list": _KEPT["batch_list"], "batch_next": None,
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
LETTER: Final[dict[str, Any]] = _KEPT["letter"] | {
    "reason": {"code": _MISSING.id, "field": "content", "text": refusal(_MISSING, Texts("en"))},
}  # fmt: skip
WEBHOOK: Final[dict[str, Any]] = _KEPT["webhook"]

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
    "Plan": _KEPT["plan"],
    "Audit": {
        "id": ID, "ok": True, "audited": _KEPT["audited"],
        "checks": {check.value: 0 for check in Check}, "findings": [],
    },
    "AccountList": {"accounts": [_KEPT["account"]]},
    "DeadLetter": LETTER | {"body": {"key": KEY, "audience": {"tag_id": 2}}},
    "DeadLetterList": {"dead_letters": [LETTER], "next": None},
    "Dropped": {"dropped": 12, "left": 0},
    "Webhook": WEBHOOK,
    "WebhookList": {"webhooks": [WEBHOOK], "next": None},
    "Campaign": _KEPT["campaign"],
    "StoredCampaign": _KEPT["campaign"] | {"notices": []},
    "CampaignList": {"campaigns": [_KEPT["campaign"] | {"held": [_KEPT["campaign_run"]]}]},
    "CampaignRun": _KEPT["campaign_run"] | {"state": "begun", "reason": None},
    "CampaignRuns": {"runs": [_KEPT["campaign_run"]]},
    "Health": {"ok": True},
    "Readiness": {"ready": True, "missing": [], "away": ["broker"], "full": []},
}  # fmt: skip
LINES: Final = json.dumps(_KEPT["row"]) + "\n"
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


def answer_of(schema: str, status: int) -> dict[str, Any]:
    """Return the example of a schema for an answer with this status."""
    if schema == "Readiness" and status == _AWAY:
        return {"ready": False, "missing": ["database"], "away": [], "full": []}
    return _ANSWERS[schema]


_AWAY: Final = 503


_ONE, _TWO_WORDS = BROADCAST["batch_list"]
_ENDED: Final = {"waiting": 0}


def _done(word: str, **more: object) -> dict[str, Any]:
    return {"at": AT, "who": "shop", "action": word, "why": WHY.get(word), **more}


_PAUSED: Final[dict[str, Any]] = BROADCAST | {"changed": True}
_RESUMED: Final[dict[str, Any]] = _PAUSED | {
    "state": "sending", "blockers": [], "operator_actions": [_done("pause"), _done("resume")],
}  # fmt: skip
_CANCELLED: Final[dict[str, Any]] = _RESUMED | {
    "state": "cancelled", "finished_at": AT,
    "recipients": SETS | _ENDED | {"cancelled": 2_500},
    "batches": BATCHES | _ENDED | {"cancelled": 1},
    "batch_list": [_ONE, _TWO_WORDS | {"state": "cancelled", "reason": "by_hand"}],
    "operator_actions": [_done("pause"), _done("resume"), _done("cancel")],
}  # fmt: skip
_RETRIED: Final[dict[str, Any]] = _RESUMED | {
    "calls": 2, "batch_list": [_ONE, _TWO_WORDS | {"attempts": 1}],
    "operator_actions": [_done("retry", batches=1)],
}  # fmt: skip
_RESOLVED: Final[dict[str, Any]] = _RESUMED | {
    "state": "completed", "calls": 3, "finished_at": AT,
    "recipients": SETS | _ENDED | {"accepted": 12_500},
    "batches": BATCHES | _ENDED | {"accepted": 2},
    "batch_list": [
        _ONE,
        _TWO_WORDS | {
            "state": "accepted", "reason": "said_sent", "msg_id": RESOLVED["msg_id"],
            "attempts": 2, "verified": False,
        },
    ],
    "operator_actions": [{"at": AT, "who": "shop", "action": "resolve", **RESOLVED}],
}  # fmt: skip
_HALTED: Final = {
    "name": "default", "changed": True, "stopped": None,
    "halted": {"at": AT, "by": "shop", "why": WHY["halt"]},
}  # fmt: skip
_UNKNOWN: Final = Message("error.settings.unknown_account", account="club", names="default")
#: Its account is in the settings by now.
_SENT: Final[dict[str, Any]] = LETTER | {
    "account": "club", "state": "sent", "broadcast_id": ID, "closed_at": AT, "closed_by": "shop",
    "reason": {"code": _UNKNOWN.id, "field": "account", "text": refusal(_UNKNOWN, Texts("en"))},
}  # fmt: skip
_ANSWERS_AFTER: Final[dict[str, dict[str, Any]]] = {
    "pause": _PAUSED, "resume": _RESUMED, "cancel": _CANCELLED, "retry": _RETRIED,
    "resolve": _RESOLVED, "halt": _HALTED, "unhalt": _HALTED | {"halted": None},
    "retry_dead_letter": _SENT,
    "drop_dead_letter": LETTER | {"state": "dropped", "closed_at": AT, "closed_by": "shop"},
    "retry_webhook": WEBHOOK | {
        "tries": 0, "next_try_at": "2026-11-27T04:01:00.000Z",
        "give_up_at": "2026-11-28T04:01:00.000Z",
    },
}  # fmt: skip


def answer_after(operation: str) -> dict[str, Any] | None:
    """Return the example of a good answer to a word; None: the operation is no word."""
    return _ANSWERS_AFTER.get(operation)
