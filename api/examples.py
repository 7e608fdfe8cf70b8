"""Examples of requests and refusals, for the OpenAPI document; a test sends each request."""

from __future__ import annotations

from typing import Any, Final

from api import bodies, problems, uploading
from api.problems import ProblemError
from presentation.texts import Texts

ID: Final = "20261127-k3x9qa"
LETTER_ID: Final = "dead-20261127-d7m2pw"
_TEXT: Final = {"msgtype": "text", "text": {"content": "Live on Friday, 20:00"}}
_TWO: Final = ["oAbcde000000000000000000000A", "oAbcde000000000000000000000B"]

SUBMIT: Final[dict[str, Any]] = {
    "list": {
        "summary": "To a list of OpenIDs",
        "value": {"content": _TEXT, "audience": {"openids": _TWO}, "title": "Friday"},
    },
    "followers": {
        "summary": "To the followers of the newest sync, but for a tag",
        "value": {
            "content": _TEXT, "audience": {"followers": True}, "exclude": ["tag:2"],
            "spread_days": True,
        },
    },
    "upload": {
        "summary": "To a long list, which PUT …/audience brings",
        "value": {"content": _TEXT, "audience": {"upload": True}},
    },
    "everybody": {
        "summary": "WeChat's own send to every follower; the scope to_all is needed",
        "value": {
            "account": "default", "content": _TEXT,
            "audience": {"to_all": True, "confirm_to_all": "default"},
        },
    },
}  # fmt: skip
#: A list that comes later cannot be tried.
PLAN: Final = {name: example for name, example in SUBMIT.items() if name != "upload"}
#: Why each word is said; the answers show the same.
WHY: Final = {
    "pause": "wrong link", "resume": "the link is right", "cancel": "wrong link",
    "retry": "WeChat takes it by now", "halt": "wrong text", "unhalt": "text cancelled",
}  # fmt: skip
#: As WeChat's console shows the job.
RESOLVED: Final = {
    "batch": 2, "sent": True, "msg_id": 3_147_483_656, "why": "seen in the console",
}  # fmt: skip
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
LIST: Final = "\n".join(_TWO) + "\n"
KEY: Final = "order-4711"

DROP_ALL: Final[dict[str, Any]] = {
    "all": {"summary": "Those of one account", "value": {"all": True, "account": "default"}}
}
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


def word(name: str) -> dict[str, Any]:
    """Return the example of a request that says this word."""
    return {"why": {"summary": "With the reason, for the history", "value": {"why": WHY[name]}}}


def problem(status: int, *names: str) -> dict[str, Any]:
    """Return a refusal with this status of an operation, by its names, the closest first."""
    found = (_OTHERS[name, status] for name in names if (name, status) in _OTHERS)
    return problems.shown(
        next(found, _PROBLEMS[status]), Texts("en"), request_id="3f6a0c9be2d14457",
        keyed="submit" in names,
    )  # fmt: skip
