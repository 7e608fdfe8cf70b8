"""Liveness and readiness of the process; without a key."""

from __future__ import annotations

from functools import partial
from time import monotonic
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from broadcast.errors import OutOfReachError, SchemaError, SettingsError
from entrypoints.http import answers, json_answers, openapi
from entrypoints.http.api_parts import APIParts
from entrypoints.http.keyring import Shared
from models import schema
from models.ledger.boxes import dead_letters

router = APIRouter(tags=["health"])

#: Anybody may ask, so everybody is answered by one look a second.
RESTS_S: Final = 1.0


@router.get(
    "/healthz",
    response_model=answers.Health,
    operation_id="health",
    summary="The process runs",
    responses=openapi.answers(503),
)
async def healthy() -> Response:
    """Return that the process runs."""
    return json_answers.as_json({"ok": True})


@router.get(
    "/readyz",
    response_model=answers.Readiness,
    operation_id="ready",
    summary="What is missing",
    responses=openapi.answers(also={503: ("Something is missing", answers.Readiness)}),
)
async def ready(request: Request) -> Response:
    """Return which parts are missing: by their names alone, since anybody may ask.

    One look a second answers everybody.
    """
    readiness: Shared[dict[str, Any]] = request.app.state.readiness
    found = await readiness.since(monotonic() - RESTS_S)
    return json_answers.as_json(found, status=200 if found["ready"] else 503)


def readiness(parts: APIParts) -> Shared[dict[str, Any]]:
    """Return the look for which everybody waits who asks."""
    return Shared(partial(parts.threads.ready.run, _readiness, parts), rest_s=RESTS_S)


def _readiness(parts: APIParts) -> dict[str, Any]:
    missing: list[str] = []
    full: list[str] = []
    try:
        schema.check(parts.engine)
    except SchemaError:
        missing.append("schema")
    except OutOfReachError:
        missing.append("database")
    else:
        if not parts.keys.read():
            missing.append("keys")
        full = _full(parts)
    try:
        if not parts.settings.accounts():
            missing.append("accounts")
    except SettingsError:
        missing.append("accounts")
    away = ["broker"] if parts.waker.is_away() else []
    away += ["redis"] if parts.redis_problem() else []
    return {"ready": not missing, "missing": missing, "away": away, "full": full}


def _full(parts: APIParts) -> list[str]:
    try:
        return ["dead_letters"] if dead_letters.is_full(parts.engine) else []
    except OutOfReachError:
        # It went away since: the next look says so.
        return []
