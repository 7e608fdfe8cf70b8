"""Hooks of schemathesis: what a schema cannot say, so that what it allows is also what is taken."""

from __future__ import annotations

import json
import os
from typing import Any

import requests
import schemathesis

#: The ids of a dead letter and a webhook that are there, by the name of their parameter.
THERE: dict[str, str] = json.loads(os.environ.get("FUZZ_IDS", "{}"))
TEXT = {"msgtype": "text", "text": {"content": "hello"}}
TWO = [f"oFuzz{n:023}" for n in range(2)]
NOBODY = "nobody"
TIMEOUT_S = 60


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: dict[str, Any]) -> None:
    """Give a good request what is there; those that are meant to be wrong stay as they are."""
    if case.meta is not None and not case.meta.generation.mode.is_negative:
        query = case.query or {}
        # Only what a page gave is a cursor, and not every sign may be in a key.
        query.pop("cursor", None)
        if not str(query.get("key", "")).isprintable() or not str(query.get("key", "x")).strip():
            del query["key"]
        for name in THERE.keys() & (case.path_parameters or {}).keys():
            case.path_parameters[name] = THERE[name]
        if case.meta.phase.name.value == "stateful":
            _make_acceptable(case)
    if case.operation.path.endswith("/events"):
        _end(case)


def _make_acceptable(case: Any) -> None:
    """Let a submit be stored, so that the rest has something to be done with."""
    if case.operation.definition.raw.get("operationId") == "submit" and isinstance(case.body, dict):
        upload = case.body.get("audience") == {"upload": True}
        case.body = {
            name: case.body[name] for name in ("priority", "spread_days") if name in case.body
        } | {
            "content": TEXT,
            "audience": {"upload": True} if upload else {"openids": TWO},
            "again": True,
        }
    elif case.operation.path.endswith("/audience"):
        case.body = "\n".join(TWO)


def _end(case: Any) -> None:
    """Cancel a broadcast before it is followed: no worker is there, and it would never end."""
    base = case.operation.base_url.rstrip("/")
    where = f"{base}/v1/broadcasts/{case.path_parameters['broadcast_id']}"
    headers = {"Authorization": (case.headers or {}).get("Authorization", "")}
    requests.put(
        f"{where}/audience",
        data="\n".join(TWO),
        timeout=TIMEOUT_S,
        headers={**headers, "Content-Type": "text/plain"},
    )
    if not requests.post(f"{where}/cancel", headers=headers, timeout=TIMEOUT_S).ok:
        case.path_parameters["broadcast_id"] = NOBODY
