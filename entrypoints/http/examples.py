"""Examples of requests, answers and refusals, for the OpenAPI document; a test sends each request.

They stand in ``examples.json``; here are those that name a limit or an enum of the code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from broadcast.data_files import parsed
from broadcast.views.texts import Texts
from entrypoints.http import bodies, problems, uploading
from entrypoints.http.problems import ProblemError
from models.ledger.audit.case import Check

_KEPT: Final = parsed(__file__, "examples.json")
#: Of bodies, by what they ask for.
BODIES: Final[dict[str, dict[str, Any]]] = _KEPT["bodies"]
_SUBMIT: Final = BODIES["submit"]
# A list that comes later cannot be tried.
BODIES["plan"] = {name: one for name, one in _SUBMIT.items() if name != "upload"}
#: A list as it is uploaded.
LIST: Final = "\n".join(_SUBMIT["list"]["value"]["audience"]["openids"]) + "\n"
KEY: Final[str] = _KEPT["in_a_list"]["key"]

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


_KEPT["audit"]["checks"] = {check.value: 0 for check in Check}
LINES: Final = json.dumps(_KEPT["row"]) + "\n"
ROWS: Final[str] = _KEPT["rows"]
EVENTS: Final = (
    f"id: 118.0\nevent: state\ndata: {json.dumps(_KEPT['became'])}\n\n"
    f"id: 118.0-12-8d2f01c94a7b\nevent: broadcast\ndata: {json.dumps(_KEPT['in_a_list'])}\n\n"
)


def answer(operation: str, schema: str, status: int) -> dict[str, Any]:
    """Return the example of an operation's answer with this schema and status."""
    if schema == "Readiness" and status == _AWAY:
        return _made(["away"])
    # After a word, the broadcast, letter or webhook differs in what the word changed.
    return _made(_KEPT["after"].get(operation) or _KEPT["answers"][schema])


def _made(parts: Iterable[str | dict[str, Any]]) -> dict[str, Any]:
    """Return an answer: later parts have other members, or other values of the same."""
    return {name: value for part in parts for name, value in _members(part).items()}


def _members(part: str | dict[str, Any]) -> dict[str, Any]:
    """Return a part by its name, or what stands in its place; ``a:b`` is a list *a* of one *b*."""
    if isinstance(part, dict):
        return part
    name, _, item = part.rpartition(":")
    if name:
        return {name: [_members(item)]}
    answer = _KEPT["answers"].get(part)
    return _made(answer or [_KEPT[part]])


_AWAY: Final = 503
