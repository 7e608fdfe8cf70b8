"""Metrics for Prometheus: without a key on the loopback interface alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials
from starlette.responses import Response

from broadcast.rules.api_keys import APIKey, Scope
from broadcast.rules.metrics import Samples, is_here
from broadcast.views import metrics as views_metrics
from entrypoints.http import bodies, caller, openapi
from entrypoints.http.api_parts import APIParts
from entrypoints.http.keyring import Shared
from models.ledger.views import metrics as ledger_metrics

router = APIRouter(tags=["health"])

#: Whoever scrapes is answered by one look in so many seconds.
RESTS_S: Final = 5.0
_SHOWN: Final = (
    "# HELP broadcast_part_reachable 1: the part answers\n# TYPE broadcast_part_reachable gauge\n"
    'broadcast_part_reachable{part="redis"} 1.0\n'
)
_read = caller.having(Scope.READ)


async def scraper(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(caller.BEARER)],
) -> APIKey | None:
    """Return the key of who asks; None: it asks from this machine, without one."""
    if request.client is not None and is_here(request.client.host, request.headers):
        bodies.refuse_unknown_parameters(request)
        return None
    return (await _read(request, credentials)).key


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    summary="Figures for Prometheus",
    # None on the loopback interface.
    openapi_extra={"security": [{}]},
    responses=openapi.streams("Figures of the last seconds", {"text/plain": _SHOWN})
    | openapi.answers(401, 403, 422, 503),
)
async def metrics(request: Request, key: Annotated[APIKey | None, Depends(scraper)]) -> Response:
    """Return the figures of the ledger and of the parts, of the accounts that the key is good for.

    Without a key on the loopback interface. One look each five seconds answers everybody.
    """
    latest: Shared[Samples] = request.app.state.metrics
    samples = await latest.since(monotonic() - RESTS_S)
    may_see: Callable[[str], bool] = key.may_use if key is not None else lambda _: True
    page = views_metrics.exposed(samples, may_see=may_see)
    return Response(page, headers={"Content-Type": views_metrics.CONTENT_TYPE})


def shared_samples(parts: APIParts) -> Shared[Samples]:
    """Return the look that answers everybody who asks."""
    work = partial(parts.threads.metrics.run, _samples, parts)
    return Shared(work, rest_s=RESTS_S)


def _samples(parts: APIParts) -> Samples:
    return {**ledger_metrics.samples(parts.engine), **parts.outside.samples()}
