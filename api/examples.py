"""Examples of requests, for the OpenAPI document; a test sends each of them."""

from __future__ import annotations

from typing import Any, Final

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
WORD: Final[dict[str, Any]] = {
    "why": {"summary": "With the reason, for the history", "value": {"why": "wrong link"}}
}
VERDICT: Final[dict[str, Any]] = {
    "sent": {
        "summary": "WeChat's console shows the job",
        "value": {"batch": 3, "sent": True, "msg_id": 3147483655, "why": "seen in the console"},
    },
    "not_sent": {
        "summary": "WeChat's console shows no such job", "value": {"batch": 3, "sent": False},
    },
}  # fmt: skip

#: A list as it is uploaded.
LIST: Final = "\n".join(_TWO) + "\n"
KEY: Final = "order-4711"

#: What a refusal looks like, by its status.
PROBLEMS: Final[dict[int, dict[str, Any]]] = {
    400: {"type": "error.api.json", "title": "Not JSON",
          "detail": "The body is not JSON from line 1, column 12 on."},
    401: {"type": "error.api.no_key", "title": "No valid key",
          "detail": "The request has no API key."},
    403: {"type": "error.api.scope", "title": "Not allowed",
          "detail": "The key shop has the scopes read; this needs submit."},
    404: {"type": "error.api.no_broadcast", "title": "Not found",
          "detail": "There is no such broadcast."},
    405: {"type": "error.api.method", "title": "Method not allowed",
          "detail": "This address takes GET."},
    408: {"type": "error.api.slow", "title": "Too slow",
          "detail": "The body did not arrive within 30 seconds."},
    409: {"type": "error.submit.key_taken", "title": "Conflict", "field": "Idempotency-Key",
          "detail": "The key order-4711 belongs to another broadcast."},
    410: {"type": "error.api.removed", "title": "Gone",
          "detail": "The broadcast of this key was removed."},
    413: {"type": "error.api.too_large", "title": "Too large",
          "detail": "The body is over 4,000,000 bytes."},
    415: {"type": "error.api.content_type", "title": "Media type not supported",
          "field": "Content-Type", "detail": "The body must be application/json."},
    422: {"type": "error.request.unknown_near", "title": "Bad input", "field": "adience",
          "detail": "adience is unknown. Did you mean audience?"},
    500: {"type": "error.api.failed", "title": "Fault of this program",
          "detail": "The request could not be handled."},
    503: {"type": "error.database.away", "title": "Not available now",
          "detail": "The database cannot be reached."},
}  # fmt: skip
