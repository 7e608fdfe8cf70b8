"""How an audit reads its rows on the other databases: one finding of each check."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeAlias

import pytest
from sqlalchemy import Engine

from broadcast import openid
from broadcast.rules.gates.gate import GateKind
from broadcast.rules.states import BatchState
from models.batch_tables import GateRow
from models.every_table import Batch
from models.ledger.audit import audit_run
from models.ledger.audit.case import Check, Found
from models.ledger.steer import operator
from tests.integration.models.stories import close
from tests.integration.models.tampering import (
    SECOND,
    WAITS,
    WHO,
    add,
    attempt,
    change_attempt,
    change_batch,
    change_broadcast,
    found,
    four_batches,
    gate,
    overwrite,
    packed,
    remove,
)
from tests.kit import ledger

Tamper: TypeAlias = Callable[[Engine, str], None]


def closed_twice(engine: Engine, broadcast_id: str) -> None:
    operator.pause(engine, broadcast_id, who=WHO)
    operator.resume(engine, broadcast_id, who=WHO)
    add(engine, GateRow, gate(engine, GateKind.PAUSE))


def behind_a_halt(engine: Engine, broadcast_id: str) -> None:
    close(engine, GateKind.HALT)
    operator.unhalt(engine, None, who=WHO)
    counter = gate(engine, GateKind.HALT).closed_counter
    change_attempt(engine, attempt(engine, broadcast_id, 3), gate_counter=counter)


def overlapping(engine: Engine, broadcast_id: str) -> None:
    at = attempt(engine, broadcast_id, 2).started_at + SECOND
    row = attempt(engine, broadcast_id, 1)
    change_attempt(engine, row, ended_at=at, outcome_recorded_at=at)


def ended_before_it_began(engine: Engine, broadcast_id: str) -> None:
    row = attempt(engine, broadcast_id, 3)
    at = row.started_at - SECOND
    change_attempt(engine, row, ended_at=at, outcome_recorded_at=at)


TAMPERED: dict[Check, tuple[Found, Tamper]] = {
    Check.SETS: (Found.READ, lambda e, b: change_broadcast(e, b, read=41)),
    Check.ONCE: (
        Found.TWICE,
        lambda e, b: overwrite(e, b, 30, packed(e, b, 1)[: openid.PACKED_LENGTH]),
    ),
    Check.HALVES: (
        Found.HALVES,
        lambda e, b: remove(e, Batch, (Batch.broadcast_id == b) & (Batch.n == 6)),
    ),
    Check.MSG_IDS: (Found.SHARED_MSG_ID, lambda e, b: change_batch(e, b, 4, msg_id=1)),
    Check.FINISHES: (
        Found.UNREPORTED,
        lambda e, b: change_batch(e, b, 2, state=BatchState.FINISHED),
    ),
    Check.CALLS: (
        Found.UNEXPLAINED,
        lambda e, b: change_batch(e, b, 1, state=BatchState.REFUSED),
    ),
    Check.KEYS: (Found.KEY_CHANGED, lambda e, b: change_batch(e, b, 4, clientmsgid="a" * 25)),
    Check.STOPS: (Found.HALTED, behind_a_halt),
    Check.GATES: (Found.CLOSED_TWICE, closed_twice),
    Check.MOVES: (Found.LAST, lambda e, b: change_batch(e, b, 2, state=BatchState.FINISHED)),
    Check.OVERLAPS: (Found.OVERLAP, overlapping),
    Check.CLOCK: (Found.CLOCK, ended_before_it_began),
    # Last: every moment is older then.
    Check.STUCK: (Found.LANE, lambda e, b: ledger.pass_time(e, timedelta(hours=1))),
}


def test_each_check_is_tried() -> None:
    assert set(TAMPERED) == set(Check)


@pytest.mark.parametrize("engine", ["postgresql", "mariadb"], indirect=True)
def test_each_check_finds_something_on_every_database(engine: Engine) -> None:
    broadcast_id = four_batches(engine)
    for _, tamper in TAMPERED.values():
        tamper(engine, broadcast_id)

    wanted = {what for what, _ in TAMPERED.values()}
    alone = audit_run.audit(engine, broadcast_id, waits=WAITS).findings
    assert wanted <= found(engine)
    assert wanted <= {one.found for one in alone}
