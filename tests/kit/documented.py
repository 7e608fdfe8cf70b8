"""What the API answers, held against its OpenAPI document, which must know every member of it."""

from __future__ import annotations

import copy
import json
import re
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema_rs
import requests

#: What has more members than are named, on purpose.
OPEN = frozenset({"OperatorAction"})
JSON = "application/json"


_MAKING = threading.Lock()


def document() -> dict[str, Any]:
    """Return the document."""
    # pydantic silences its warnings for the whole process, which two threads undo for each other.
    with _MAKING:
        return _made()


@cache
def _made() -> dict[str, Any]:
    from entrypoints.http import (  # FastAPI takes a second, and not every test asks the API
        app,
        openapi,
    )

    return openapi.document(app.bare())


def fits(schema: Mapping[str, Any], value: object) -> None:
    """Fail where *value* is not as the schema says, or has a member that it does not name."""
    _validator(json.dumps(schema)).validate(value)


@cache
def _validator(schema: str) -> jsonschema_rs.Draft202012Validator:
    schemas = copy.deepcopy(document()["components"]["schemas"])
    for name, one in schemas.items():
        if one.get("properties") and name not in OPEN:
            one["additionalProperties"] = False
    whole = {"allOf": [json.loads(schema)], "components": {"schemas": schemas}}
    return jsonschema_rs.Draft202012Validator(whole)


def check(method: str, path: str, answer: requests.Response) -> None:
    """Fail where an answer is none of those in the document; refusals are also on their page."""
    from entrypoints.http import problems

    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    if kind == problems.MEDIA_TYPE:
        problem = answer.json()
        where, _, name = problem["type"].partition("#")
        assert where == problems.PAGE
        assert problems.STATUSES.get(name) == problem["status"] == answer.status_code, problem
        fits({"$ref": "#/components/schemas/Problem"}, problem)
        return
    operation = _operation(method, path.partition("?")[0])
    if operation is not None:
        content = operation["responses"][str(answer.status_code)].get("content", {})
        assert kind in content or not answer.content, f"{method} {path}: {kind}"
        if kind == JSON:
            fits(content[kind]["schema"], answer.json())


def _operation(method: str, path: str) -> dict[str, Any] | None:
    for template, methods in document()["paths"].items():
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path):
            found: dict[str, Any] | None = methods.get(method.lower())
            return found
    return None
