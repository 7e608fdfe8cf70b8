"""The routes, one file a subject."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from entrypoints.http.routes import (
    accounts,
    broadcasts,
    campaigns,
    controls,
    dead_letters,
    events,
    health,
    metrics,
    recipients,
    webhooks,
)

ROUTERS: Final[tuple[APIRouter, ...]] = (
    broadcasts.router,
    recipients.router,
    events.router,
    controls.router,
    accounts.router,
    campaigns.router,
    dead_letters.router,
    webhooks.router,
    health.router,
    metrics.router,
)
