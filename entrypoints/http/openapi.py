"""The OpenAPI 3.1 document: what FastAPI finds in the routes, and what it cannot know of them.

Bodies are read by the code that every door shares, so their schemas are put in by hand here, from
the same classes that check them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import orjson
from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.responses import Response

from broadcast.data_files import parsed
from entrypoints.http import error_pages, examples, json_answers, problems
from entrypoints.http.bodies import Nothing
from entrypoints.http.caller import texts_of
from entrypoints.http.json_answers import Route, Work
from producer.request.shape import Request as Body
from producer.submit.order import LONGEST_KEY

DESCRIPTION: Final = (
    "Mass sends for WeChat official accounts: at most once per follower, nobody forgotten. "
    "docs/api.md shows how to use it."
)
_PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
_TELLING: Final[dict[str, str]] = parsed(__file__, "statuses.json")
_BODIES: dict[str, type[BaseModel]] = {"BroadcastRequest": Body}


#: What a route refuses that needs a key and looks at one thing; and one that takes a body too.
_OF_A_LOOK: Final = (401, 403, 404, 422, 503)
_OF_A_BODY: Final = (*_OF_A_LOOK, 400, 408, 413, 415)


def answers(
    *statuses: int, also: Mapping[int, tuple[str, type[BaseModel]]] | None = None
) -> dict[int | str, dict[str, Any]]:
    """Return the description of a route's answers beside the good one."""
    refusals: dict[int | str, dict[str, Any]] = {s: _refusal(s) for s in (*statuses, 500)}
    more = {
        status: {"description": text, "model": model}
        for status, (text, model) in (also or {}).items()
    }
    return refusals | more


def of_a_reading(*more: int) -> dict[int | str, dict[str, Any]]:
    """Return the same of a route that looks at one thing, with *more* that it refuses."""
    return answers(*sorted((*_OF_A_LOOK, *more)))


def of_a_body(
    *more: int, also: Mapping[int, tuple[str, type[BaseModel]]] | None = None
) -> dict[int | str, dict[str, Any]]:
    """Return the same of a route that takes a body, with *more* that it refuses."""
    return answers(*sorted((*_OF_A_BODY, *more)), also=also)


class Routes(APIRouter):
    """Routes that wait for the database in a thread, and are described as they are made."""

    def reading(
        self, path: str, answer: type[BaseModel], *refused: int, operation: str, summary: str
    ) -> Callable[[Work], Route]:
        """Return the decorator of a route that looks; *refused*: statuses beside the usual."""
        return self._route(
            path,
            answer,
            "GET",
            operation_id=operation,
            summary=summary,
            responses=of_a_reading(*refused),
        )

    def taking(
        self,
        path: str,
        answer: type[BaseModel],
        *refused: int,
        operation: str,
        summary: str,
        body: Mapping[str, Any] | None = None,
        also: Mapping[int, tuple[str, type[BaseModel]]] | None = None,
        method: str = "POST",
        status: int = 200,
    ) -> Callable[[Work], Route]:
        """Return that of a route that takes a *body*, which usually has no members."""
        return self._route(
            path,
            answer,
            method,
            operation_id=operation,
            summary=summary,
            status_code=status,
            openapi_extra=body or takes("nothing", form=Nothing),
            responses=of_a_body(*refused, also=also),
        )

    def _route(
        self,
        path: str,
        answer: type[BaseModel],
        method: str,
        **described: Any,  # noqa: ANN401 - FastAPI's own
    ) -> Callable[[Work], Route]:
        register = self.api_route(path, methods=[method], response_model=answer, **described)
        return lambda work: register(json_answers.in_thread(work))


def _refusal(status: int) -> dict[str, Any]:
    content = {problems.MEDIA_TYPE: {"schema": _PROBLEM}}
    headers = (
        {}
        if status != 503  # noqa: PLR2004 - as the table of codes has it
        else {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}}
    )
    return {"description": _TELLING[str(status)], "content": content, "headers": headers}


def takes(
    example: str, *, key: bool | None = None, form: type[BaseModel] | None = None
) -> dict[str, Any]:
    """Return the description of a route's body; *key*: an idempotency key is taken, or required.

    *example*: name of its examples.
    """
    name = "BroadcastRequest" if form is None else form.__name__
    _BODIES[name] = Body if form is None else form
    schema = {"$ref": f"#/components/schemas/{name}"}
    needed = form is None or any(one.is_required() for one in form.model_fields.values())
    body = {
        "required": needed,
        "content": {
            "application/json": {
                "schema": schema,
                "examples": examples.BODIES[example],
            }
        },
    }
    if key is None:
        return {"requestBody": body}
    header = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": key,
        "example": examples.KEY,
        "description": "names this broadcast for ever: the same key and body are sent once",
        "schema": {
            "type": "string",
            "minLength": 1,
            "maxLength": LONGEST_KEY,
            "pattern": r"^[!-~]+$",
        },
    }
    return {"requestBody": body, "parameters": [header]}


def uploads(example: str, *kinds: str) -> dict[str, Any]:
    """Return the description of a body that a route takes as a stream."""
    schema = {"type": "string", "format": "binary"}
    content = {kind: {"schema": schema, "example": example} for kind in kinds}
    return {"requestBody": {"required": True, "content": content}}


def header(name: str, meaning: str) -> dict[str, Any]:
    """Return the description of a header that a route may be given; any value is taken."""
    schema = {"type": "string"}
    return {
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": False,
                "description": meaning,
                "schema": schema,
            }
        ]
    }


def streams(meaning: str, shown: Mapping[str, str]) -> dict[int | str, dict[str, Any]]:
    """Return the description of a streamed answer; *shown*: an example by media type."""
    content = {
        kind: {"schema": {"type": "string"}, "example": example} for kind, example in shown.items()
    }
    return {200: {"description": meaning, "content": content}}


def events(meaning: str, kind: str, shown: str) -> dict[int | str, dict[str, Any]]:
    """Return the description of events that a route sends."""
    # Some readers of a document take the schema for one event's, others for the whole stream's.
    return {200: {"description": meaning, "content": {kind: {"schema": {}, "example": shown}}}}


def serve(app: FastAPI) -> None:
    """Serve the document, made once, as JSON and as a page, and the page of errors."""
    made = document(app)
    for path, kind, data in (
        ("/openapi.json", "application/json", orjson.dumps(made)),
        ("/docs", "text/html", error_pages.as_page(made)),
    ):
        app.add_api_route(
            path, partial(_served, data, kind), methods=["GET"], include_in_schema=False
        )
    app.add_api_route(problems.PAGE, _errors, methods=["GET"], include_in_schema=False)


async def _errors(request: Request) -> Response:
    language = texts_of(request).language
    return Response(
        error_pages.of_errors(language),
        media_type="text/html",
        headers={"Content-Language": language},
    )


async def _served(data: bytes, kind: str, _: Request) -> Response:
    return Response(data, media_type=kind)


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document of an application's routes."""
    made: dict[str, Any] = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        openapi_version="3.1.0",
    )
    schemas = made["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = parsed(__file__, "problem_schema.json")
    for name, model in _BODIES.items():
        _, found = models_json_schema(
            [(model, "validation")], ref_template="#/components/schemas/{model}"
        )
        defined = found["$defs"]
        schemas[name] = defined.pop(model.__name__) | {"title": name}
        schemas |= defined
    schemas["BroadcastRequest"]["properties"]["audience"].pop("discriminator", None)
    made["components"]["schemas"] = schemas
    _link(made["paths"])
    _show(made["paths"])
    return made


def _show(paths: dict[str, Any]) -> None:
    """Add an example to each answer of each operation."""
    for operation in (one for methods in paths.values() for one in methods.values()):
        names = (operation["operationId"], *operation["tags"])
        for status, answer in operation["responses"].items():
            for kind, content in answer.get("content", {}).items():
                if kind == problems.MEDIA_TYPE:
                    content["example"] = examples.problem(int(status), *names)
                elif "example" not in content:
                    name = content["schema"]["$ref"].rpartition("/")[2]
                    content["example"] = examples.answer(names[0], name, int(status))


def _link(paths: dict[str, Any]) -> None:
    """Add links from a broadcast that was submitted to the routes that take its id."""
    links = {
        operation["operationId"]: {
            "operationId": operation["operationId"],
            "parameters": {"broadcast_id": "$response.body#/id"},
        }
        for path, methods in paths.items()
        if "{broadcast_id}" in path
        for operation in methods.values()
    }
    paths["/v1/broadcasts"]["post"]["responses"]["201"]["links"] = links
