"""Examples of requests, answers and refusals, for the OpenAPI document; a test sends each request.

They stand in ``examples.json``; here are those that name a limit or an enum of the code.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Final

from broadcast.views.texts import Texts
from entrypoints.http import bodies, problems, uploading
from entrypoints.http.problems import ProblemError
from models.ledger.audit.case import Check

_KEPT: Final = json.loads(files(__package__).joinpath("examples.json").read_text("utf-8"))
#: Of bodies, by what they ask for.
BODIES: Final[dict[str, dict[str, Any]]] = _KEPT["bodies"]
_SUBMIT: Final = BODIES["submit"]
# A list that comes later cannot be tried.
BODIES["plan"] = {name: one for name, one in _SUBMIT.items() if name != "upload"}
#: A list as it is uploaded.
LIST: Final = "\n".join(_SUBMIT["list"]["value"]["audience"]["openids"]) + "\n"
_IN_A_LIST: Final[dict[str, Any]] = _KEPT["in_a_list"]
KEY: Final[str] = _IN_A_LIST["key"]

#: Refusals by the operation or its subject (empty: any other), and status.
_PROBLEMS: Final[dict[str, dict[str, tuple[str, dict[str, Any]]]]] = _KEPT["problems"]
#: Those that name a limit.
_LIMITS: Final = {
    ("", 408): ProblemError("error.api.slow", seconds=bodies.WITHIN_S),
    ("", 413): bodies.too_large(bodies.MOST_BYTES),
    ("", 415): bodies.wrong_type("text/plain", bodies.JSON),
    ("upload", 408): uploading.slow(),
    ("upload", 413): bodies.too_large(uploading.MOST_BYTES),
    ("upload", 415): bodies.wrong_type("application/zip", *uploading.TYPES),
}


def problem(status: int, *names: str) -> dict[str, Any]:
    """Return a refusal with this status of an operation, by its names, the closest first."""
    found = filter(None, (_refusal(name, status) for name in (*names, "")))
    return problems.shown(
        next(found), Texts("en"), request_id="3f6a0c9be2d14457", keyed="submit" in names
    )


def _refusal(name: str, status: int) -> ProblemError | None:
    kept = _PROBLEMS.get(name, {}).get(str(status))
    if kept is None:
        return _LIMITS.get((name, status))
    message_id, facts = kept
    return ProblemError(message_id, **facts)


BROADCAST: Final[dict[str, Any]] = _IN_A_LIST | _KEPT["whole"]
_LETTER: Final[dict[str, Any]] = _KEPT["letter"]
_CAMPAIGN: Final[dict[str, Any]] = _KEPT["campaign"]
_RUN: Final[dict[str, Any]] = _KEPT["campaign_run"]

_ANSWERS: Final[dict[str, dict[str, Any]]] = {
    "Submitted": BROADCAST | _KEPT["submitted"],
    "Broadcast": BROADCAST,
    "BroadcastList": {"broadcasts": [_IN_A_LIST], "next": None},
    "Plan": _KEPT["plan"],
    "Audit": _KEPT["audit"] | {"checks": {check.value: 0 for check in Check}},
    "AccountList": {"accounts": [_KEPT["account"]]},
    "DeadLetter": _LETTER | {"body": {"key": KEY, "audience": {"tag_id": 2}}},
    "DeadLetterList": {"dead_letters": [_LETTER], "next": None},
    "Dropped": {"dropped": 12, "left": 0},
    "Webhook": _KEPT["webhook"],
    "WebhookList": {"webhooks": [_KEPT["webhook"]], "next": None},
    "Campaign": _CAMPAIGN,
    "StoredCampaign": _CAMPAIGN | {"notices": []},
    "CampaignList": {"campaigns": [_CAMPAIGN | {"held": [_RUN]}]},
    "CampaignRun": _RUN | {"state": "begun", "reason": None},
    "CampaignRuns": {"runs": [_RUN]},
    "Rehearsal": {"due_at": "2026-12-04T12:00:00.000Z", "in_the_way": False, "findings": []},
    "Health": {"ok": True},
    "Readiness": _KEPT["readiness"],
}
LINES: Final = json.dumps(_KEPT["row"]) + "\n"
ROWS: Final[str] = _KEPT["rows"]
EVENTS: Final = (
    f"id: 118.0\nevent: state\ndata: {json.dumps(_KEPT['became'])}\n\n"
    f"id: 118.0-12-8d2f01c94a7b\nevent: broadcast\ndata: {json.dumps(_IN_A_LIST)}\n\n"
)


def answer(operation: str, schema: str, status: int) -> dict[str, Any]:
    """Return the example of an operation's answer with this schema and status."""
    if schema == "Readiness" and status == _AWAY:
        away: dict[str, Any] = _KEPT["away"]
        return away
    kept = _KEPT["after"].get(operation)
    # After a word, the broadcast, letter or webhook differs in what the word changed.
    return _ANSWERS[schema] if kept is None else _BEFORE[kept["of"]] | kept["changes"]


_AWAY: Final = 503
_BEFORE: Final[dict[str | None, dict[str, Any]]] = {
    "broadcast": BROADCAST, "letter": _LETTER, "webhook": _KEPT["webhook"], None: {},
}  # fmt: skip
