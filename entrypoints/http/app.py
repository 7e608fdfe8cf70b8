"""The application: its routes, its refusals, and the document of both."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from broadcast.errors import BroadcastError
from broadcast.views.texts import Language
from entrypoints.http import openapi, problems
from entrypoints.http.api_parts import APIParts
from entrypoints.http.caller import texts_of
from entrypoints.http.problems import ProblemError
from entrypoints.http.request_gate import Gate
from entrypoints.http.routes import ROUTERS, health, metrics
from entrypoints.serving.server import Server, collect_as_a_server_does
from producer.request import shape

VERSION: Final = "1"


def application(parts: APIParts, *, language: Language) -> Gate:
    """Return the application; *language* is that of callers who name none."""
    app = bare()
    app.state.parts, app.state.language = parts, language
    app.state.readiness = health.readiness(parts)
    app.state.metrics = metrics.shared_samples(parts)
    app.state.routes = [route for router in ROUTERS for route in router.routes]
    _refuse_as_problems(app)
    openapi.serve(app)
    return Gate(app, language=language)


def bare() -> FastAPI:
    """Return the routes alone, which the document is made of."""
    app = FastAPI(
        title="WeChat broadcast",
        version=VERSION,
        description=openapi.DESCRIPTION,
        # Their pages load scripts of foreign hosts.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry={"tracing": False},
        redirect_slashes=False,
    )
    for router in ROUTERS:
        app.include_router(router)
    return app


def _refuse_as_problems(app: FastAPI) -> None:
    handlers: dict[type[Exception], Callable[[Request, Any], ProblemError]] = {
        ProblemError: lambda _, error: error,
        BroadcastError: lambda _, error: problems.problem_of(error),
        RequestValidationError: _of_parameters,
        HTTPException: _of_http,
        Exception: lambda *_: ProblemError("error.api.failed"),
    }
    for kind, to_problem in handlers.items():
        app.add_exception_handler(kind, _handler(to_problem))


def _handler(
    to_problem: Callable[[Request, Any], ProblemError],
) -> Callable[[Request, Exception], Any]:
    async def handle(request: Request, error: Exception) -> Response:
        return problems.response(to_problem(request, error), texts_of(request), request)

    return handle


def _of_parameters(_: Request, error: RequestValidationError) -> ProblemError:
    first = error.errors()[0]
    # In front stands where it was: query, path, header.
    refused = shape.refused(first["type"], first["loc"][1:2], first.get("ctx", {}))
    return problems.problem_of(refused)


def _of_http(request: Request, error: HTTPException) -> ProblemError:
    if error.status_code != 405:  # noqa: PLR2004
        return ProblemError("error.api.no_path")
    matching = [
        route
        for route in request.app.state.routes
        if route.matches(request.scope)[0] is not Match.NONE
    ]
    # One path may have several routes, each with a method; a word in it may look like an id.
    literal = [route for route in matching if route.path == request.url.path]
    methods = {method for route in literal or matching for method in route.methods or ()}
    allowed = ", ".join(sorted(methods))
    return ProblemError("error.api.method", headers={"Allow": allowed}, allowed=allowed)


READY: Final = "api ready"
#: What an upload that is under way gets to end in.
END_WITHIN_S: Final = 30


class Shutdown:
    """Sign that the server is about to end, for endless streams."""

    def __init__(self) -> None:
        """Begin with a server that is not there yet."""
        self._server: Server | None = None

    def __call__(self) -> bool:
        """Return whether it ends."""
        return self._server is not None and self._server.should_exit

    def watch(self, server: Server) -> None:
        """Ask this server."""
        self._server = server


def serve(
    parts: APIParts,
    ending: Shutdown,
    *,
    language: Language,
    listener: socket.socket,
    close: Callable[[], None],
) -> None:
    """Serve until SIGTERM or SIGINT, then *close* what was opened for it."""
    collect_as_a_server_does()
    server = Server(application(parts, language=language), ready=READY, end_within_s=END_WITHIN_S)
    ending.watch(server)
    try:
        server.run(sockets=[listener])
    finally:
        parts.threads.close()
        close()
        parts.engine.dispose()
