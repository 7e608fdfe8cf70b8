"""Webhooks as people and programs look at them."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, func, or_, select

from broadcast import stored_message
from broadcast.errors import InputError, UnknownIdError
from broadcast.webhooks.event import Webhook, WebhookState, event_id
from models.ledger.rows import columns
from models.ledger.transaction import read
from models.webhook import WebhookRow

_COLUMNS: Final = columns(Webhook, WebhookRow)
_NEWEST_FIRST: Final = (WebhookRow.id.desc(),)
#: Ids that are named where a part fits several, and among which a near one is looked for.
_NAMED: Final = 5
_NEAR_OF: Final = 500
#: Of a BIGINT.
_DIGITS: Final = 19


def newest(
    engine: Engine, *, states: Sequence[WebhookState], most: int | None = None
) -> Sequence[Webhook]:
    """Return the newest events in one of *states*; *most* None: all."""
    return [one for _, one in page(engine, states=states, most=most)]


def page(
    engine: Engine,
    *,
    states: Sequence[WebhookState],
    most: int | None,
    accounts: Collection[str] | None = None,
    before: int | None = None,
) -> Sequence[tuple[int, Webhook]]:
    """Return the newest events in one of *states*, each with the number of its row.

    Of *accounts* alone, those of smaller numbers than *before*; *most* None: all.
    """
    query = (
        select(WebhookRow.id, *_COLUMNS)
        .where(WebhookRow.state.in_(states))
        .order_by(*_NEWEST_FIRST)
        .limit(most)
    )
    if accounts is not None:
        query = query.where(WebhookRow.account.in_(accounts))
    if before is not None:
        query = query.where(WebhookRow.id < before)
    with read(engine) as connection:
        return [(row["id"], _webhook(row)) for row in connection.execute(query).mappings()]


def count(engine: Engine, states: Sequence[WebhookState]) -> int:
    """Return how many events are in one of *states*."""
    query = select(func.count()).where(WebhookRow.state.in_(states))
    with read(engine) as connection:
        return connection.scalar(query) or 0


def of_broadcast(engine: Engine, broadcast_id: str) -> Sequence[Webhook]:
    """Return the events of a broadcast, newest first."""
    query = select(*_COLUMNS).where(WebhookRow.broadcast_id == broadcast_id)
    with read(engine) as connection:
        rows = connection.execute(query.order_by(*_NEWEST_FIRST)).mappings()
        return [_webhook(row) for row in rows]


def count_given_up(engine: Engine) -> int:
    """Return how many events were given up."""
    return count(engine, [WebhookState.GIVEN_UP])


def one(engine: Engine, name: str) -> Webhook:
    """Return the event whose id is, or contains, *name*.

    Raises UnknownIdError, and InputError where *name* fits several.
    """
    broadcast_id, _, version = name.rpartition("-")
    with read(engine) as connection:
        if version.isascii() and version.isdigit() and len(version) < _DIGITS:
            exact = select(*_COLUMNS).where(
                WebhookRow.broadcast_id == broadcast_id, WebhookRow.version == int(version)
            )
            if row := connection.execute(exact).mappings().first():
                return _webhook(row)
        return _fitting(connection, name)


def _fitting(connection: Connection, part: str) -> Webhook:
    """Return the only event whose id holds *part*; the newest of it come first."""
    query = select(*_COLUMNS).order_by(*_NEWEST_FIRST)
    rows = connection.execute(query.where(_of_its_broadcast(part)).limit(_NEAR_OF)).mappings()
    found = [one for one in map(_webhook, rows) if part.lower() in one.id.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(one.id for one in found[:_NAMED])
        raise InputError("error.webhook.several", part=part, ids=names)
    known = connection.execute(
        select(WebhookRow.broadcast_id, WebhookRow.version).order_by(*_NEWEST_FIRST).limit(_NEAR_OF)
    )
    ids = [event_id(*row) for row in known]
    if close := difflib.get_close_matches(part, ids, n=3, cutoff=0.6):
        raise UnknownIdError("error.webhook.unknown_near", id=part, near=", ".join(close))
    raise UnknownIdError("error.webhook.unknown", id=part)


def _of_its_broadcast(part: str) -> ColumnElement[bool]:
    """Return the condition that an event's broadcast fits what *part* says of one."""
    before, _, version = part.lower().rpartition("-")
    words = [part.lower(), *([before] if before and version.isdigit() else [])]
    mine = func.lower(WebhookRow.broadcast_id)
    return or_(*(mine.contains(word, autoescape=True) for word in words))


def _webhook(row: Mapping[Any, Any]) -> Webhook:
    values = {name: value for name, value in row.items() if name != "id"}
    problem = values["problem"]
    return Webhook(**{**values, "problem": problem and stored_message.parse(problem)})
