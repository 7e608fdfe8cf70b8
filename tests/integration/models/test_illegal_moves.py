"""What WeChat says is kept, and its batch left to a person, though its move is illegal: a bug."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from broadcast.names import EventKind
from broadcast.rules.calls.waits import Waits
from broadcast.rules.states import BATCH_MOVES, BatchState, Reason
from models.every_table import Event
from models.ledger.lane import record_outcomes, transitions
from models.ledger.lane.next_work import Kind
from models.ledger.outcomes import recorded_ends
from tests.integration.models.test_finishes import event, rows
from tests.kit import ledger
from tests.kit.ledger import Driver, said


def hole(monkeypatch: pytest.MonkeyPatch, state: BatchState) -> None:
    """Let no move lead out of *state* but into doubt: a mistake of ours."""
    moves = {**BATCH_MOVES, state: frozenset({BatchState.IN_DOUBT})}
    monkeypatch.setattr(transitions, "BATCH_MOVES", moves)


def left_to_a_person(driver: Driver, broadcast_id: str, *, move: str) -> bool:
    """Return whether the first batch is, and the history names the illegal move, once."""
    batch = ledger.batch(driver.engine, broadcast_id)
    with driver.engine.connect() as connection:
        query = select(Event.detail).where(Event.kind == EventKind.ILLEGAL_MOVE)
        told = connection.scalars(query).all()
    is_left = (batch.state, batch.reason) == (BatchState.IN_DOUBT, Reason.ILLEGAL_MOVE)
    return is_left and [move in one for one in told] == [True]


@pytest.mark.every_database
def test_an_end_of_a_job_whose_move_is_illegal_is_kept_and_its_push_is_handled(
    driver: Driver, broadcast_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.call(said(0, msg_id=71))
    hole(monkeypatch, BatchState.ACCEPTED)

    taken = recorded_ends.record_finish_event(driver.engine, "default", event(71))

    assert (taken.new, taken.broadcast_id, taken.n) == (True, broadcast_id, 1)
    assert left_to_a_person(driver, broadcast_id, move="accepted -> finished")
    assert [row.msg_id for row in rows(driver.engine)] == [71]
    assert not recorded_ends.record_finish_event(driver.engine, "default", event(71)).new
    assert driver.next().n == 2


@pytest.mark.every_database
def test_a_word_of_mass_get_whose_move_is_illegal_is_kept_and_asked_for_no_more(
    driver: Driver, broadcast_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.call(said(0, msg_id=71))
    ledger.pass_time(driver.engine, timedelta(minutes=3))
    [asked] = recorded_ends.due_batches(driver.engine, "default", 9)
    hole(monkeypatch, BatchState.ACCEPTED)

    recorded_ends.record_status(driver.engine, asked, "SEND_SUCCESS", waits=Waits())

    assert left_to_a_person(driver, broadcast_id, move="accepted -> finished")
    batch = ledger.batch(driver.engine, broadcast_id)
    assert (batch.msg_id, batch.msg_status, batch.poll_at) == (71, "SEND_SUCCESS", None)


@pytest.mark.parametrize("by_event", [True, False])
def test_a_word_that_settles_a_45065_by_an_illegal_move_leaves_it_to_a_person(
    driver: Driver, broadcast_id: str, monkeypatch: pytest.MonkeyPatch, *, by_event: bool
) -> None:
    driver.call(said(45065, msg_id=71))
    work = driver.next()
    assert work.kind is Kind.VERIFY
    hole(monkeypatch, BatchState.UNKNOWN)

    if by_event:
        recorded_ends.record_finish_event(driver.engine, "default", event(71))
    else:
        record_outcomes.confirm(driver.engine, work.batch_id, 71, known=True)

    assert left_to_a_person(driver, broadcast_id, move="unknown -> accepted")
    assert (driver.next().kind, driver.next().n) == (Kind.CALL, 2)
