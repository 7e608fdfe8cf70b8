"""The body of a webhook: made once, of the figures that its event was stored with."""

from __future__ import annotations

import logging
from typing import Any

from sqlalchemy import Engine, select

from broadcast import report_object
from broadcast.webhooks import event
from models.broadcast import BroadcastRow
from models.ledger import webhooks
from models.ledger.reading import figures, reports
from models.ledger.transaction import read
from models.ledger.webhooks import Taken

log = logging.getLogger(__name__)


def body(engine: Engine, taken: Taken) -> str:
    """Return the body of an event; it is made and stored where the event has none yet.

    Without figures, or where a bug keeps them from being shown, it has id and state alone. Raises
    DatabaseAwayError.
    """
    if taken.body is not None:
        return taken.body
    data = _data(taken) or _bare(engine, taken)
    made = event.body(taken.kind, data, version=taken.version, at=taken.created_at)
    return webhooks.keep_body(engine, taken, made)


def _data(taken: Taken) -> dict[str, Any] | None:
    if taken.figures is None:
        return None
    try:
        return report_object.of(reports.of_figures(figures.parse(taken.figures)))
    except Exception:
        log.exception("webhook %s: its figures cannot be shown", taken.event_id)
        return None


def _bare(engine: Engine, taken: Taken) -> dict[str, Any]:
    query = select(BroadcastRow.key).where(BroadcastRow.id == taken.broadcast_id)
    with read(engine) as connection:
        key = connection.execute(query).scalar_one()
    state = taken.kind.rpartition(".")[2]
    return {"id": taken.broadcast_id, "account": taken.account, "key": key, "state": state}
