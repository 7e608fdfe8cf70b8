"""Problem details (RFC 9457): each refusal as one object, in the caller's language.

``type`` leads to the error on the page of errors and ends with its id, the same in every language;
``detail`` says what happened, ``fix`` what to do, ``field`` which member, header or parameter is
wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from broadcast import errors
from broadcast.data_files import parsed, rows
from broadcast.errors import (
    BroadcastError,
)
from broadcast.logs import request_ids
from broadcast.message import Message
from broadcast.views.program_words import refusal
from broadcast.views.texts import Texts

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/problem+json"
#: The page of every error; an error's id is its place there.
PAGE: Final = "/docs/errors"
#: The same for every installation, and where this one explains it.
TYPE: Final = f"{PAGE}#"
#: Seconds after which a part that was away may be back.
RETRY_AFTER_S: Final = 5

KEY: Final = "Idempotency-Key"
_AWAY: Final = 503
#: Hosts, ports, drivers and paths: in the log, and in no answer. Who asks may have no key at all.
_OF_THE_INSIDE: Final = frozenset({"cause", "where", "path", "reason", "url"})
#: Subject, id, status: of each error that the API answers with.
ERRORS: Final[Mapping[str, Mapping[str, int]]] = parsed(__file__, "errors.json")
STATUSES: Final = {
    name: status for of_subject in ERRORS.values() for name, status in of_subject.items()
}


class ProblemError(Exception):
    """A request is refused, with the status that its error has in ``ERRORS``."""

    def __init__(
        self, message_id: str, /, *, headers: Mapping[str, str] | None = None, **facts: object
    ) -> None:
        """*facts* belong to the text *message_id*; the fact ``field`` is shown apart."""
        super().__init__(message_id)
        #: What stands nowhere is no fault of the request.
        self.status = STATUSES.get(message_id, _AWAY)
        self.message = Message(message_id, **facts)
        self.headers = dict(headers or {})
        #: What to do, where neither the status nor the error's id says it.
        self.fix: Message | None = None


def busy() -> ProblemError:
    """Return the refusal of one request too many, which may come again after a second."""
    return ProblemError("error.api.busy", headers={"Retry-After": "1"})


def problem_of(error: BroadcastError) -> ProblemError:
    """Return the problem for an error of the layers below."""
    problem, facts = ProblemError(error.message_id), {**error.facts}
    if problem.status == _AWAY:
        # The request may be good; this installation cannot answer it now.
        log.warning("a request is refused for now with %s: %s", _AWAY, error)
        problem.headers["Retry-After"] = str(RETRY_AFTER_S)
        facts |= dict.fromkeys(_OF_THE_INSIDE & facts.keys(), "…")
    elif "field" not in facts and (field := field_of(error.message_id)):
        facts["field"] = field
    problem.message = Message(error.message_id, **facts)
    return problem


def field_of(message_id: str) -> str | None:
    """Return the field that errors of this id are about, as a request by HTTP has it."""
    field = errors.by_id(message_id)
    return KEY if field == errors.KEY else field


def shown(
    problem: ProblemError, texts: Texts, *, request_id: str | None, keyed: bool = True
) -> dict[str, Any]:
    """Return the object that shows a problem; *keyed*: the request had an idempotency key."""
    confirmation = errors.confirmation_of(problem.message)
    return {
        "type": f"{TYPE}{problem.message.id}",
        "title": texts(f"api.title.{problem.status}"),
        "status": problem.status,
        "detail": refusal(problem.message, texts, key=KEY),
        "field": problem.message.facts.get("field") or None,
        "fix": texts(problem.fix or fix(problem.status, problem.message, keyed=keyed)),
        "request_id": request_id,
    } | ({"id": confirmation} if confirmation else {})


def response(problem: ProblemError, texts: Texts, request: Request) -> Response:
    """Return the answer to *request* that shows a problem."""
    # An idempotency key says what it is a repeat of.
    keyed = request.method == "POST" and KEY in request.headers
    body = shown(problem, texts, request_id=request_ids.current.get(), keyed=keyed)
    return Response(
        orjson.dumps(body),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers={"Content-Language": texts.language, **problem.headers},
    )


def fix(status: int, message: Message, *, keyed: bool) -> Message:
    """Return the fix of an error; *keyed*: the request is sent again with the same key."""
    field = message.facts.get("field")
    found = (text for beginning, text in _FIXES.items() if message.id.startswith(beginning))
    name = next(found, f"api.fix.{status}")
    if name == _OF_A_FIELD and not field:
        name = "api.fix.400" if keyed else "api.fix.plan"
    if name in _OF_A_KEY and (not keyed or field == KEY):
        name += ".plain"
    return Message(name, field=field, options=message.facts.get("options", "--scope SCOPE"))


#: Where the status alone does not say what to do, by the beginning of the error's id.
_FIXES: Final = {row["begins"]: row["fix"] for row in rows(__file__, "error_fixes.csv")}
#: Names what is wrong.
_OF_A_FIELD: Final = "api.fix.422"
#: These ask for the same key again, and have a text for requests that take none.
_OF_A_KEY: Final = frozenset(
    {
        "api.fix.400",
        "api.fix.408",
        _OF_A_FIELD,
        "api.fix.500",
        "api.fix.503",
        "api.fix.plan",
        "api.fix.settings",
    }
)
