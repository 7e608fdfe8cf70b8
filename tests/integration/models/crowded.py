"""A ledger in use for years: thousands of broadcasts that ended, and a few at work."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import Engine, insert

from broadcast.names import EventKind
from broadcast.rules.calls.outcomes import Outcome, SendPath
from broadcast.rules.gates.gate import GateKind, GateScope
from broadcast.rules.states import BatchState, BroadcastState, Phase, Reason
from models.engine import now
from models.every_table import (
    AttemptRow,
    Batch,
    BroadcastRow,
    ChunkRow,
    Event,
    GateRow,
    Skipped,
    Submission,
)
from models.ledger.rows import lane_rows
from tests.kit import ledger

#: Tables that grow with every broadcast.
GROWING = tuple(
    table.__tablename__
    for table in (
        AttemptRow,
        Batch,
        BroadcastRow,
        ChunkRow,
        Event,
        GateRow,
        Skipped,
        Submission,
    )
)
BATCHES_EACH = 10


def crowd(engine: Engine, *, batches: int, account: str = "default") -> None:
    """Fill the ledger with finished broadcasts of one account, behind the back of its verbs."""
    with engine.begin() as connection:
        lane_rows.ensure_lane(connection, ledger.account(account))
        moment = now(connection)
    count = batches // BATCHES_EACH
    seeds = [(n, moment - timedelta(minutes=10 * (count - n) + 60)) for n in range(count)]
    for table, rows in (
        (BroadcastRow, (_broadcast(n, at, account) for n, at in seeds)),
        (Submission, (_submission(n, at, account) for n, at in seeds)),
        (ChunkRow, (_chunk(n) for n, _ in seeds)),
        (Skipped, (_skipped(n) for n, _ in seeds)),
        (GateRow, (row for n, at in seeds for row in _gates(n, at, account))),
        (Batch, (row for n, at in seeds for row in _batches(n, at, account))),
        (AttemptRow, (row for n, at in seeds for row in _attempts(n, at, account))),
        (Event, (row for n, at in seeds for row in _events(n, at))),
    ):
        _store(engine, table, rows)


def _store(engine: Engine, table: Any, rows: Iterable[dict[str, Any]]) -> None:
    rest = iter(rows)
    while some := list(islice(rest, 5_000)):
        with engine.begin() as connection:
            connection.execute(insert(table), some)


def _id(n: int) -> str:
    return f"20200101-{n:06d}"


def _broadcast(n: int, at: datetime, account: str) -> dict[str, Any]:
    return {
        "id": _id(n),
        "account": account,
        "key": f"old-{n}",
        "title": None,
        "version": 40,
        "phase": Phase.ENDED,
        "result": BroadcastState.COMPLETED,
        "breaker_since": 0,
        "msgtype": "text",
        "content": '{"msgtype":"text","text":{"content":"您好"}}',
        "content_digest": f"{n:064d}",
        "content_identity": f"{n:064d}",
        "audience_kind": "openids",
        "audience_spec": json.dumps({"digest": f"{n:064d}"}),
        "audience_digest": f"{n:064d}",
        "path": SendPath.MASS_SEND,
        "read": 20,
        "planned": 20,
        "batch_size": 2,
        "calls_planned": BATCHES_EACH,
        "late_by_s": 900,
        "created_at": at,
        "created_by": "tests",
        "published_at": at,
        "started_at": at,
        "finished_at": at + timedelta(minutes=5),
        "moved_at": at + timedelta(minutes=5),
    }


def _submission(n: int, at: datetime, account: str) -> dict[str, Any]:
    return {
        "account": account,
        "key": f"old-{n}",
        "body_digest": f"{n:064d}",
        "broadcast_id": _id(n),
        "created_at": at,
    }


_TWENTY = ledger.openids(20)
_PACKED = ledger.packed(_TWENTY)


def _chunk(n: int) -> dict[str, Any]:
    return {
        "broadcast_id": _id(n),
        "list": "asked",
        "start": 0,
        "size": 20,
        "first_openid": _TWENTY[0],
        "last_openid": _TWENTY[-1],
        "openids": _PACKED,
    }


def _skipped(n: int) -> dict[str, Any]:
    return {"broadcast_id": _id(n), "reason": "malformed", "count": 1, "sample": "[]"}


def _gates(n: int, at: datetime, account: str) -> list[dict[str, Any]]:
    """Return a pause that was lifted, now and then a stop that was, or a cancel that stands."""
    shared = {"account": account, "closed_at": at, "closed_by": "tests", "closed_counter": 2 * n}
    opened = {"opened_at": at, "opened_by": "tests", "opened_counter": 2 * n + 1}
    none = {"opened_at": None, "opened_by": None, "opened_counter": None}
    own = {"scope": GateScope.BROADCAST, "broadcast_id": _id(n), "reason": Reason.BY_HAND}
    day = {"scope": GateScope.ACCOUNT, "broadcast_id": "", "reason": Reason.ACCOUNT_STOPPED}
    rows = [{**shared, **opened, **own, "kind": GateKind.PAUSE}]
    if n % 20 == 0:
        rows.append({**shared, **opened, **day, "kind": GateKind.STOP})
    if n % 10 == 0:
        rows.append({**shared, **none, **own, "kind": GateKind.CANCEL})
    return rows


def _batch_id(n: int, k: int) -> int:
    """Return an id below those that the database gives out."""
    return n * BATCHES_EACH + k - 10_000_000


def _batches(n: int, at: datetime, account: str) -> list[dict[str, Any]]:
    return [
        {
            "id": _batch_id(n, k),
            "broadcast_id": _id(n),
            "account": account,
            "path": SendPath.MASS_SEND,
            "n": k + 1,
            "list": "asked",
            "start": 2 * k,
            "size": 2,
            "state": BatchState.FINISHED,
            "clientmsgid": f"{n * BATCHES_EACH + k:025d}",
            "attempts": 1,
            "first_called_at": at,
            "msg_id": _batch_id(n, k) + 20_000_000,
        }
        for k in range(BATCHES_EACH)
    ]


def _attempts(n: int, at: datetime, account: str) -> list[dict[str, Any]]:
    return [
        {
            "id": _batch_id(n, k),
            "claim": f"{n * BATCHES_EACH + k:024d}",
            "batch_id": _batch_id(n, k),
            "number": 1,
            "account": account,
            "path": SendPath.MASS_SEND,
            "fence": 1,
            "owner": "tests",
            "clientmsgid": f"{n * BATCHES_EACH + k:025d}",
            "gate_counter": 2 * n + 1,
            "started_at": at,
            "ended_at": at,
            "outcome": Outcome.ACCEPTED,
            "errcode": 0,
            "msg_id": _batch_id(n, k) + 20_000_000,
            "outcome_recorded_at": at,
        }
        for k in range(BATCHES_EACH)
    ]


def _events(n: int, at: datetime) -> list[dict[str, Any]]:
    return [
        {
            "at": at,
            "broadcast_id": _id(n),
            "batch_id": _batch_id(n, k),
            "kind": EventKind.BATCH_MOVE,
            "who": "worker",
            "detail": "{}",
        }
        for k in range(BATCHES_EACH)
    ]
