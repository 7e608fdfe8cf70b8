"""What an audit finds in calls, keys and moves: a row is changed by hand, and found."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, delete, update

from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.states import BatchState
from models.every_table import AttemptRow, Event, Lane
from models.ledger.audit import audit_run
from models.ledger.audit.case import Found
from models.ledger.lane import leases
from models.ledger.steer import operator
from tests.integration.models.stories import take_over
from tests.integration.models.tampering import (
    ON_SQLITE,
    SECOND,
    WAITS,
    WHO,
    add,
    attempt,
    change,
    change_attempt,
    change_batch,
    change_broadcast,
    finding,
    found,
    four_batches,
    history_of,
    later,
    moment,
    remove,
)
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said

pytestmark = ON_SQLITE


@pytest.fixture
def broadcast_id(engine: Engine) -> str:
    """Accepted (1), lost and repeated (2), split into 5 and 6 (3), not called yet (4)."""
    return four_batches(engine)


# -- no call without an attempt


def test_accepted_batch_without_an_attempt_is_found(engine: Engine, broadcast_id: str) -> None:
    remove(engine, AttemptRow, AttemptRow.id == attempt(engine, broadcast_id, 1).id)
    assert {Found.NUMBERS, Found.UNEXPLAINED} <= found(engine)


def test_attempt_that_vanished_is_found(engine: Engine, broadcast_id: str) -> None:
    remove(engine, AttemptRow, AttemptRow.id == attempt(engine, broadcast_id, 2).id)
    assert Found.NUMBERS in found(engine)


def test_attempt_that_no_claim_made_is_found(engine: Engine, broadcast_id: str) -> None:
    first = attempt(engine, broadcast_id, 1)
    add(engine, AttemptRow, first, claim="by-hand", number=2)
    change_batch(engine, broadcast_id, 1, attempts=2)
    assert finding(engine, Found.CLAIMS).facts == {"moves": 4, "attempts": 5}
    assert (finding(engine, Found.CLAIMS).account, finding(engine, Found.CLAIMS).n) == (
        "default",
        None,
    )


@pytest.mark.parametrize(
    ("n", "state"),
    [
        (1, BatchState.REFUSED),
        (1, BatchState.UNKNOWN),
        (1, BatchState.PLANNED),
        (2, BatchState.REFUSED),
        (2, BatchState.CANCELLED),
        (2, BatchState.SPLIT),
        (4, BatchState.ACCEPTED),
        (4, BatchState.REFUSED),
        (4, BatchState.UNKNOWN),
        (4, BatchState.IN_DOUBT),
        (4, BatchState.CALLING),
    ],
)
def test_state_that_no_call_explains_is_found(
    engine: Engine, broadcast_id: str, n: int, state: BatchState
) -> None:
    change_batch(engine, broadcast_id, n, state=state)
    assert Found.UNEXPLAINED in found(engine)


def test_45065_on_a_first_call_explains_no_acceptance(engine: Engine, broadcast_id: str) -> None:
    change_attempt(engine, attempt(engine, broadcast_id, 1), outcome=Outcome.ALREADY_ACCEPTED)
    assert found(engine) == {Found.UNEXPLAINED}


def test_45065_after_nothing_but_a_refusal_explains_no_acceptance(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(said(40001))
    driver.call(said(45065, msg_id=1))
    change_batch(engine, broadcast_id, 1, state=BatchState.ACCEPTED, not_before=None)
    assert Found.UNEXPLAINED in found(engine)


@pytest.mark.parametrize("late", [CallResult(outcome=Outcome.NOT_CALLED), said(45011)])
def test_45065_explains_an_acceptance_whatever_is_known_later_of_the_call_before(
    engine: Engine, late: CallResult
) -> None:
    """Its driver lost the lane, and brought only then that it had not called, or a refusal."""
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    first = driver.claim()
    second = take_over(driver)
    second.call(said(45065))
    driver.record(first, late)
    second.call(said(0, msg_id=1))
    leases.release(engine, second.lease)
    assert ledger.states(engine, broadcast_id) == {BatchState.ACCEPTED: 2}
    assert found(engine) == set()


def test_refusal_while_a_call_may_have_been_taken_is_found(engine: Engine) -> None:
    """The rule of the whole history: a later refusal is no verdict."""
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.call(LOST)
    later(engine)
    driver.call(said(40130))
    change_batch(engine, broadcast_id, 1, state=BatchState.REFUSED)
    assert Found.UNEXPLAINED in found(engine)


def test_outcome_without_an_end_is_found(engine: Engine, broadcast_id: str) -> None:
    change_attempt(engine, attempt(engine, broadcast_id, 1), ended_at=None)
    assert Found.TORN in found(engine)


def test_outcome_that_was_recorded_at_no_time_is_found(engine: Engine, broadcast_id: str) -> None:
    change_attempt(engine, attempt(engine, broadcast_id, 1), outcome_recorded_at=None)
    assert found(engine) == {Found.TORN}


def test_outcome_that_was_recorded_before_its_call_ended_is_found(
    engine: Engine, broadcast_id: str
) -> None:
    first = attempt(engine, broadcast_id, 1)
    change_attempt(engine, first, outcome_recorded_at=first.ended_at - SECOND / 1000)
    assert found(engine) == {Found.TORN}


def test_record_of_which_nothing_is_known_is_found(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    Driver(engine).claim()
    assert found(engine) == set()
    change_attempt(engine, attempt(engine, broadcast_id, 1), outcome_recorded_at=moment(engine))
    assert found(engine) == {Found.TORN}


def test_fence_that_no_driver_was_given_is_found(engine: Engine, broadcast_id: str) -> None:
    for n, number in ((1, 1), (2, 1), (2, 2), (3, 1)):
        change_attempt(engine, attempt(engine, broadcast_id, n, number), fence=2)
    assert found(engine) == {Found.FENCE}


# -- keys


def test_changed_clientmsgid_is_found(engine: Engine, broadcast_id: str) -> None:
    change_batch(engine, broadcast_id, 4, clientmsgid="a" * 25)
    assert found(engine) == {Found.KEY_CHANGED}


def test_call_with_the_key_of_another_batch_is_found(engine: Engine, broadcast_id: str) -> None:
    other = ledger.batch(engine, broadcast_id, 1).clientmsgid
    change_attempt(engine, attempt(engine, broadcast_id, 2, 2), clientmsgid=other)
    assert finding(engine, Found.KEY_OF_CALL).facts["number"] == 2


def test_changed_content_is_found_by_the_keys(engine: Engine, broadcast_id: str) -> None:
    change_broadcast(engine, broadcast_id, content='{"msgtype": "text", "text": {"content": "x"}}')
    assert found(engine) == {Found.KEY_CHANGED}


# -- moves


def test_state_that_no_move_led_to_is_found(engine: Engine, broadcast_id: str) -> None:
    change_batch(engine, broadcast_id, 1, state=BatchState.FINISHED, msg_status="SEND_SUCCESS")
    assert found(engine) == {Found.LAST}


def test_illegal_move_is_found(engine: Engine, broadcast_id: str) -> None:
    (event,) = history_of(engine, broadcast_id, 1)
    change(engine, Event, Event.id == event.id, detail='{"old": "split", "new": "accepted"}')
    assert found(engine) == {Found.ILLEGAL}


def test_illegal_move_of_several_batches_is_found(engine: Engine, broadcast_id: str) -> None:
    (event,) = history_of(engine, broadcast_id, 1)
    add(
        engine,
        Event,
        event,
        batch_id=None,
        detail='{"old": "accepted", "new": "planned"}',
    )
    assert (finding(engine, Found.ILLEGAL).n, found(engine)) == (None, {Found.ILLEGAL})


def test_call_of_an_accepted_batch_is_found_by_its_moves(engine: Engine, broadcast_id: str) -> None:
    """The claim writes no line; that the batch left *calling* once more shows it."""
    (event,) = history_of(engine, broadcast_id, 1)
    add(engine, Event, event)
    assert found(engine) == {Found.ILLEGAL}


def test_call_of_an_accepted_batch_is_found_while_it_runs(
    engine: Engine, broadcast_id: str
) -> None:
    change_batch(engine, broadcast_id, 1, state=BatchState.CALLING)
    assert Found.ILLEGAL in found(engine)


def test_line_that_does_not_follow_from_the_one_before_is_found(
    engine: Engine, broadcast_id: str
) -> None:
    first, _ = history_of(engine, broadcast_id, 2)
    change(engine, Event, Event.id == first.id, detail='{"old": "calling", "new": "planned"}')
    second = history_of(engine, broadcast_id, 2)[1]
    change(engine, Event, Event.id == second.id, detail='{"old": "unknown", "new": "accepted"}')
    assert found(engine) == {Found.GAP}


def test_moves_by_a_cancel_need_no_line_each(engine: Engine, broadcast_id: str) -> None:
    driver = Driver(engine)
    driver.call(said(40001))
    driver.call(LOST)
    leases.release(engine, driver.lease)
    operator.cancel(engine, broadcast_id, who=WHO)
    assert {BatchState.CANCELLED, BatchState.IN_DOUBT} <= set(ledger.states(engine, broadcast_id))
    assert found(engine) == set()


@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_history_that_was_pruned_is_no_finding(
    engine: Engine, broadcast_id: str, left: int
) -> None:
    operator.cancel(engine, broadcast_id, who=WHO)
    with engine.begin() as connection:
        ids = sorted(connection.scalars(Event.__table__.select()).all())
        pruned = ids[: len(ids) - left]
        connection.execute(delete(Event).where(Event.id.in_(pruned)))
    assert found(engine) == set()


def test_state_of_a_newer_release_in_the_history_is_no_finding(
    engine: Engine, broadcast_id: str
) -> None:
    (event,) = history_of(engine, broadcast_id, 1)
    change(engine, Event, Event.id == event.id, detail='{"old": "napping", "new": "accepted"}')
    assert found(engine) == set()


def test_outcome_of_a_newer_release_is_no_finding(engine: Engine, broadcast_id: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bc_attempts SET outcome = 'sung' WHERE number = 2")
    assert found(engine) == set()


# -- one call at a time


def test_calls_of_one_driver_that_overlap_are_found(engine: Engine, broadcast_id: str) -> None:
    first = attempt(engine, broadcast_id, 1)
    late = attempt(engine, broadcast_id, 2)
    at = late.started_at + SECOND
    change_attempt(engine, first, ended_at=at, outcome_recorded_at=at)
    one = finding(engine, Found.OVERLAP)
    assert (one.n, one.facts["other_n"]) == (2, 1)
    alone = audit_run.audit(engine, broadcast_id, waits=WAITS).findings
    assert [finding.found for finding in alone] == [Found.OVERLAP]


def test_call_beside_one_that_never_ended_is_found(engine: Engine) -> None:
    """One driver who begins a call before the end of the one before."""
    broadcast_id = ledger.broadcast(engine)
    driver = Driver(engine)
    driver.claim()
    driver.call(said(0, msg_id=1))
    assert found(engine) == {Found.NO_END}
    assert finding(engine, Found.NO_END).broadcast_id == broadcast_id


def test_lane_that_changed_hands_under_a_running_call_is_found(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine)
    first = Driver(engine)
    claim = first.claim()
    with engine.begin() as connection:
        connection.execute(update(Lane).values(leased_until=None))
    ledger.pass_time(engine, SECOND)
    second = Driver(engine, owner="too early")
    second.call(said(0, msg_id=1))
    ledger.pass_time(engine, SECOND)
    first.record(claim, said(0, msg_id=1))
    assert Found.OVERLAP in found(engine)
    assert ledger.batch(engine, broadcast_id).attempts == 2


def test_driver_that_called_after_it_was_replaced_is_found(
    engine: Engine, broadcast_id: str
) -> None:
    change(engine, Lane, Lane.account == "default", fence=5)
    change_attempt(engine, attempt(engine, broadcast_id, 1), fence=5)
    assert found(engine) == {Found.OLD_FENCE}
