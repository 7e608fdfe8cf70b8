"""Delivering webhooks, in threads beside those of the tasks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Protocol

from pydantic import SecretStr
from sqlalchemy import Engine

from broadcast.errors import SettingsError
from broadcast.message import Message
from broadcast.outbound.posting import Poster, PostResult
from broadcast.rules import webhooks as rules_webhooks
from broadcast.rules.calls.waits import Waits
from broadcast.rules.states import WebhookState
from broadcast.views import objects
from models.base import row_of
from models.broadcast_tables import BroadcastRow
from models.ledger.boxes import webhooks as boxes_webhooks
from models.ledger.boxes.webhooks import ReservedEvent
from models.ledger.rows import figures
from models.ledger.rows.transaction import read
from models.ledger.views import broadcast_reports
from worker.delivery.crew import Crew, put_off

log = logging.getLogger(__name__)


class Secrets(Protocol):
    """The source of the secrets."""

    def signing_secrets(self) -> tuple[SecretStr, ...]:
        """Return the secrets, newest first. Raises SettingsError."""


class WebhookDeliverer(Crew[ReservedEvent]):
    """Delivers due webhooks until none is left."""

    what = "webhooks are delivered"

    def __init__(
        self,
        engine: Engine,
        poster: Poster,
        secrets: Secrets,
        *,
        waits: Waits,
        longest_s: float,
        stopping: threading.Event,
    ) -> None:
        """*longest_s*: the most that a try may last."""
        super().__init__(stopping=stopping)
        self._put_off = put_off(longest_s)
        self._engine = engine
        self._poster = poster
        self._secrets = secrets
        self._waits = waits

    def _reserve(self, busy: Collection[str]) -> ReservedEvent | None:
        return boxes_webhooks.reserve_next_event(self._engine, busy=busy, put_off=self._put_off)

    def _do(self, taken: ReservedEvent) -> None:
        self._record(taken, self._try(taken))

    def _try(self, taken: ReservedEvent) -> PostResult:
        body = stored_body(self._engine, taken).encode("ascii")
        try:
            secrets = self._secrets.signing_secrets()
        except SettingsError as error:
            return PostResult(problem=Message("webhook.problem.settings", problem=error.message))
        if not secrets:
            return PostResult(problem=Message("webhook.problem.no_secrets"))
        signed = rules_webhooks.signed_headers(
            taken.event_id, body, at=datetime.now(UTC), secrets=secrets
        )
        return self._poster.post(taken.url, body, signature=signed)

    def _record(self, taken: ReservedEvent, outcome: PostResult) -> None:
        if outcome.problem is None:
            boxes_webhooks.mark_delivered(self._engine, taken, outcome.http_status or 0)
            log.info("webhook %s: delivered, try %d", taken.event_id, taken.tries)
            return
        state = boxes_webhooks.mark_failed(
            self._engine,
            taken,
            outcome.problem,
            http_status=outcome.http_status,
            waits=self._waits,
            is_final=outcome.is_final,
        )
        if state is WebhookState.GIVEN_UP:
            log.error(
                "webhook %s: given up after %d tries (%s); when the receiver is fixed: "
                "broadcast webhooks retry %s",
                taken.event_id,
                taken.tries,
                outcome.problem,
                taken.event_id,
            )
        else:
            log.warning("webhook %s: tried again later: %s", taken.event_id, outcome.problem)


def stored_body(engine: Engine, taken: ReservedEvent) -> str:
    """Return the body of an event; it is made and stored where the event has none yet.

    Without figures, or where a bug keeps them from being shown, it has id and state alone. Raises
    DatabaseAwayError.
    """
    if taken.body is not None:
        return taken.body
    data = _data(taken) or _bare(engine, taken)
    made = objects.event_body(taken.kind, data, version=taken.version, at=taken.created_at)
    return boxes_webhooks.store_body(engine, taken, made)


def _data(taken: ReservedEvent) -> dict[str, Any] | None:
    if taken.figures is None:
        return None
    try:
        return objects.object_of(broadcast_reports.of_figures(figures.parse(taken.figures)))
    except Exception:
        log.exception("webhook %s: its figures cannot be shown", taken.event_id)
        return None


def _bare(engine: Engine, taken: ReservedEvent) -> dict[str, Any]:
    with read(engine) as connection:
        key = row_of(connection, taken.broadcast_id, BroadcastRow.key).key
    state = taken.kind.rpartition(".")[2]
    return {"id": taken.broadcast_id, "account": taken.account, "key": key, "state": state}
