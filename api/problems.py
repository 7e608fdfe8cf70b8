"""Problem details (RFC 9457): each refusal as one object, in the caller's language.

``type`` leads to the error on the page of errors and ends with its id, the same in every language;
``detail`` says what happened, ``fix`` what to do, ``field`` which member, header or parameter is
wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.responses import Response

from broadcast import request_ids
from broadcast.errors import (
    AudienceError,
    BroadcastError,
    ConflictError,
    ContentError,
    InputError,
    MediaError,
    OutOfReachError,
    RepeatedSendError,
    RequestError,
    SettingsError,
)
from broadcast.message import Message
from presentation.for_programs import refusal
from presentation.texts import Texts

MEDIA_TYPE: Final = "application/problem+json"
#: The page of every error; an error's id is its place there.
PAGE: Final = "/docs/errors"
#: The same for every installation, and where this one explains it.
TYPE: Final = f"{PAGE}#"
#: Seconds after which a part that was away may be back.
RETRY_AFTER_S: Final = 5

KEY: Final = "Idempotency-Key"
_AWAY: Final = 503
#: Of an uploaded list these are the server's trouble.
_OF_THE_DISK: Final = frozenset({"error.audience.no_room", "error.audience.unreadable"})
#: The errors of other rooms say nothing of the request around what they read.
_FIELDS: Final[Mapping[str, str]] = {
    "error.key.": KEY, "error.submit.key_": KEY, "error.title.": "title",
    "error.submit.other_options": KEY, "error.submit.other_time": "at", "error.at.": "at",
    "error.exclude.": "exclude", "error.broadcast.unknown": "exclude",
}  # fmt: skip


class ProblemError(Exception):
    """A request is refused with a status and a reason."""

    def __init__(
        self, status: int, message_id: str, /, *, headers: Mapping[str, str] | None = None,
        **facts: object,
    ) -> None:  # fmt: skip
        """Take the HTTP status, and the text's id and facts; the fact ``field`` is shown apart."""
        super().__init__(message_id)
        self.status = status
        self.message = Message(message_id, **facts)
        self.headers = dict(headers or {})


def busy(*, after_s: int = 1) -> ProblemError:
    """Return the refusal of one request too many, which may come again after *after_s* seconds."""
    return ProblemError(503, "error.api.busy", headers={"Retry-After": str(after_s)})


def of(error: BroadcastError, *, refused: int = 422) -> ProblemError:
    """Return how an error of the rooms below is answered; *refused*: the status of bad input."""
    status = _status(error, refused)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == _AWAY else {}
    problem = ProblemError(status, error.message_id, headers=headers)
    facts = {**error.facts}
    if status != _AWAY and "field" not in facts and (field := _field(error)):
        facts["field"] = field
    problem.message = Message(error.message_id, **facts)
    return problem


def _status(error: BroadcastError, refused: int) -> int:
    match error:
        case ConflictError() | RepeatedSendError():
            return 409
        case SettingsError() | OutOfReachError():
            # The request may be good; this installation cannot answer it now.
            return _AWAY
        case AudienceError() if error.message_id in _OF_THE_DISK:
            return _AWAY
        case RequestError():
            return 422
        case InputError():
            return refused
    # WeChat would not answer.
    return _AWAY


def _field(error: BroadcastError) -> str | None:
    for beginning, field in _FIELDS.items():
        if error.message_id.startswith(beginning):
            return field
    match error:
        case AudienceError():
            return "audience"
        case ContentError() | MediaError():
            return "content"
    return None


def shown(problem: ProblemError, texts: Texts, *, request_id: str | None) -> dict[str, Any]:
    """Return the object that shows a problem."""
    return {
        "type": f"{TYPE}{problem.message.id}",
        "title": texts(f"api.title.{problem.status}"),
        "status": problem.status,
        "detail": refusal(problem.message, texts, key=KEY),
        "field": problem.message.facts.get("field") or None,
        "fix": texts(fix(problem.status, problem.message)),
        "request_id": request_id,
    }


def response(problem: ProblemError, texts: Texts) -> Response:
    """Return the answer that shows a problem."""
    told = shown(problem, texts, request_id=request_ids.current.get())
    return Response(
        orjson.dumps(told), status_code=problem.status, media_type=MEDIA_TYPE,
        headers={"Content-Language": texts.language, **problem.headers},
    )  # fmt: skip


def fix(status: int, message: Message) -> str:
    """Return the id of the text that says what to do about an error."""
    found = (text for beginning, text in _FIXES.items() if message.id.startswith(beginning))
    return next(found, f"api.fix.{status}")


#: Where the status alone does not say what to do, by the beginning of the error's id.
_FIXES: Final = {
    "error.submit.repeated": "api.fix.repeated",
    "error.submit.key_taken": "api.fix.key_taken",
    "error.submit.key_awaited": "api.fix.key_taken",
    "error.submit.other_list": "api.fix.other_list",
    "error.api.being_stored": "api.fix.being_stored",
    "error.api.other_being_stored": "api.fix.being_stored",
    "error.submit.other_options": "api.fix.key_taken",
    "error.submit.other_time": "api.fix.key_taken",
    "error.plan.": "api.fix.plan",
    "error.dead.": "api.fix.dead",
    "error.settings.": "api.fix.settings",
    "error.database.encoding": "api.fix.settings",
}


def document() -> dict[str, Any]:
    """Return what the OpenAPI document says of every refusal."""
    text, maybe = {"type": "string"}, {"type": ["string", "null"]}
    return {
        "type": "object",
        "description": "Problem details (RFC 9457)",
        "properties": {
            "type": text
            | {
                "format": "uri-reference",
                "description": "where the error is explained; ends with its id, "
                "the same in every language",
            },
            "title": text,
            "status": {"type": "integer"},
            "detail": text | {"description": "what happened"},
            "field": maybe | {"description": "the member, header or parameter that is wrong"},
            "fix": text | {"description": "what to do"},
            "request_id": maybe,
        },
        "required": ["type", "title", "status", "detail", "field", "fix", "request_id"],
        "additionalProperties": False,
    }
