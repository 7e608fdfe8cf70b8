"""Typed rows: what a verb reads is a frozen value, and its columns are the value's own fields.

A SELECT that is made from the fields cannot lack a column that other code relies on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Executable, inspect, update

from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import SendPath
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason
from models.base import Base

T = TypeVar("T")


def columns(kind: type[Any], table: Any, *but: str) -> list[ColumnElement[Any]]:  # noqa: ANN401
    """Return the columns of *table* named like the fields of *kind*, but for those of *but*."""
    return [getattr(table, field.name) for field in fields(kind) if field.name not in but]


def first(  # noqa: PLR0917 - as Connection.execute, and what to make of a row
    connection: Connection,
    statement: Executable,
    kind: type[T],
    parameters: Mapping[str, Any] | None = None,
) -> T | None:
    """Return the first row as a *kind*, or None."""
    row = connection.execute(statement, parameters).mappings().first()
    return None if row is None else kind(**row)


def one_row(  # noqa: PLR0917 - as above
    connection: Connection,
    statement: Executable,
    kind: type[T],
    parameters: Mapping[str, Any] | None = None,
) -> T:
    """Return the only row as a *kind*; raise NoResultFound where there is none."""
    return kind(**connection.execute(statement, parameters).mappings().one())


def every_row(  # noqa: PLR0917 - as above
    connection: Connection,
    statement: Executable,
    kind: type[T],
    parameters: Mapping[str, Any] | None = None,
) -> Sequence[T]:
    """Return all rows as *kind*s."""
    return [kind(**row) for row in connection.execute(statement, parameters).mappings()]


def change(connection: Connection, table: type[Base], key: object, /, **values: object) -> None:
    """Change the row of *table* whose primary key is *key*."""
    [its_key] = inspect(table).primary_key
    connection.execute(update(table).where(its_key == key).values(values))


@frozen
class HeldLane:
    """A lane whose row is held until the commit."""

    account: str
    fence: int
    leased_until: datetime | None
    not_before: datetime | None
    wait_reason: Reason | None
    gate_counter: int
    claimed_at: datetime | None
    recorded_at: datetime | None
    day_wait_until: datetime | None
    doubt_wait_until: datetime | None


@frozen
class HeldBroadcast:
    """A broadcast that no other transaction moves, because its lane is held."""

    id: str
    account: str
    path: SendPath
    phase: Phase
    result: BroadcastState | None
    planned: int | None
    spread_days: bool
    scheduled_at: datetime | None
    late_by_s: int
    unattended_s: int
    unattended_at: datetime | None
    published_at: datetime | None
    started_at: datetime | None
    #: A gate of it, its account or a path stands that nobody opened.
    has_gates: bool
    #: The database's moment of the reading.
    now: datetime


@frozen
class HeldBatch:
    """A batch that no other transaction moves, because its lane is held."""

    id: int
    broadcast_id: str
    account: str
    path: SendPath
    n: int
    list: str | None
    start: int
    size: int | None
    depth: int
    state: BatchState
    reason: Reason | None
    msg_id: int | None
    msg_status: str | None
    attempts: int
    not_before: datetime | None
    #: Of its lane.
    gate_counter: int
    lane_waits_until: datetime | None
    #: Of its broadcast.
    due_at: datetime | None
    cancelled: bool
    #: Another batch of the broadcast is not at rest.
    others_open: bool
    #: A person said of one of its calls that WeChat did not take it.
    any_denied: bool
    #: The database's moment of the reading.
    now: datetime
