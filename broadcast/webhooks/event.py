"""An event: a broadcast came to rest or to a hold, or what was reported of it has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any

from broadcast import report_object
from broadcast.frozen import frozen
from broadcast.message import Message
from broadcast.states import BroadcastState


class WebhookState(StrEnum):
    """What became of an event."""

    #: It is to be delivered, for the first time or once more.
    WAITING = "waiting"
    #: The receiver answered 2xx.
    DELIVERED = "delivered"
    #: The receiver answered 410, or a day passed; only a person has it tried again.
    GIVEN_UP = "given_up"


def event_id(broadcast_id: str, version: int) -> str:
    """Return the id of an event, the same at each try: of which broadcast, and which version."""
    return f"{broadcast_id}-{version}"


def kind(state: BroadcastState) -> str:
    """Return the ``type`` of an event."""
    return f"broadcast.{state.value}"


def body(kind: str, data: Mapping[str, Any], *, version: int, at: datetime) -> str:
    """Return what is posted, in ASCII, so that every database gives back the signed bytes."""
    event = {
        "type": kind,
        "timestamp": report_object.utc(at),
        "version": version,
        "data": data,
    }
    return json.dumps(event, separators=(",", ":"))


def digest(
    state: BroadcastState, recipients: Mapping[str, int | None], batches: Mapping[str, int]
) -> str:
    """Return what is reported once: state and sets. WeChat's counts, which come later, are not."""
    sets = {name: n for name, n in batches.items() if name != "finished"}
    facts = [state.value, recipients, sets]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@frozen
class Webhook:
    """An event as it is stored."""

    broadcast_id: str
    version: int
    account: str
    kind: str
    state: WebhookState
    url: str = field(repr=False)
    #: Since then.
    tries: int
    #: Of the last answer; None: there was none.
    http_status: int | None
    #: Why the last try failed.
    problem: Message | None
    created_at: datetime
    tried_at: datetime | None
    #: When it is tried next; None: it is not.
    due_at: datetime | None
    #: From when on the day is counted in which it is tried: the event, or a person's retry.
    since: datetime
    closed_at: datetime | None

    @property
    def id(self) -> str:
        """Its id as the receiver knows it."""
        return event_id(self.broadcast_id, self.version)
