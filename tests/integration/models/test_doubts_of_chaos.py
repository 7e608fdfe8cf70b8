"""Which doubts the verdict of a chaos run accepts: those that the calls of the batch leave."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.plan.audience import Everyone
from broadcast.rules.states import BatchState
from models.ledger.steer import operator
from tests.chaos.verdict import Finding, Leaf, history, leaves
from tests.integration.models import test_sendall
from tests.integration.models.stories import lost_then, take_over
from tests.integration.models.tampering import WHO, change_batch
from tests.kit import ledger
from tests.kit.ledger import LOST, Driver, said


def doubt(engine: Engine) -> Leaf:
    """Return the only batch that is in doubt."""
    (one,) = [leaf for leaf in leaves(engine) if leaf.state is BatchState.IN_DOUBT]
    return one


@pytest.mark.parametrize("fact", [said(40003), said(45009), None])
def test_doubt_about_a_batch_that_was_refused_or_never_called_has_no_reason(
    driver: Driver, broadcast_id: str, fact: CallResult | None
) -> None:
    if fact is not None:
        driver.call(fact)
    change_batch(driver.engine, broadcast_id, 1, state=BatchState.IN_DOUBT)
    assert not doubt(driver.engine).may_be_doubted


def test_doubt_about_a_batch_that_was_plainly_accepted_has_no_reason(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(0, msg_id=1))
    change_batch(driver.engine, broadcast_id, 1, state=BatchState.IN_DOUBT)
    assert not doubt(driver.engine).may_be_doubted


def test_doubt_about_a_lost_reply_has_a_reason(driver: Driver, broadcast_id: str) -> None:
    lost_then(driver, said(48001))
    assert doubt(driver.engine).may_be_doubted
    assert doubt(driver.engine).broadcast_id == broadcast_id


def test_doubt_about_an_already_accepted_that_nobody_can_prove_has_a_reason(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(45065))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.IN_DOUBT
    assert doubt(driver.engine).may_be_doubted


def test_doubt_about_two_msg_ids_has_a_reason(driver: Driver, broadcast_id: str) -> None:
    first = driver.claim()
    take_over(driver).call(said(0, msg_id=72))
    driver.record(first, said(0, msg_id=71))
    assert ledger.batch(driver.engine, broadcast_id).state is BatchState.IN_DOUBT
    assert doubt(driver.engine).may_be_doubted


def test_doubt_about_another_batch_s_msg_id_has_a_reason(driver: Driver, broadcast_id: str) -> None:
    driver.call(said(0, msg_id=7))
    driver.call(said(0, msg_id=7))
    assert ledger.batch(driver.engine, broadcast_id, 2).state is BatchState.IN_DOUBT
    assert doubt(driver.engine).may_be_doubted


@pytest.mark.parametrize("late", [LOST, said(45009)])
def test_doubt_that_a_later_reply_could_have_ended_had_its_reason(
    driver: Driver, broadcast_id: str, late: CallResult
) -> None:
    claim = driver.claim()
    take_over(driver)
    operator.cancel(driver.engine, broadcast_id, who=WHO)
    driver.record(claim, late)
    assert doubt(driver.engine).may_be_doubted


def test_send_to_a_list_of_wechats_own_is_one_leaf_with_its_key(engine: Engine) -> None:
    broadcast_id = test_sendall.published(engine, Everyone())
    [never_planned] = leaves(engine)
    assert (never_planned.state, never_planned.clientmsgid) == (BatchState.PLANNED, "")
    ledger.planned(engine, broadcast_id)
    lost_then(Driver(engine), test_sendall.answered(48001))
    [leaf] = leaves(engine)
    key = ledger.batch(engine, broadcast_id).clientmsgid
    assert (leaf.state, leaf.clientmsgid, leaf.openids) == (BatchState.IN_DOUBT, key, ())
    assert leaf.may_be_doubted


def test_send_to_a_list_of_wechats_own_that_was_cancelled_before_its_plan_is_cancelled(
    engine: Engine,
) -> None:
    operator.cancel(engine, test_sendall.published(engine, Everyone()), who=WHO)
    assert [leaf.state for leaf in leaves(engine)] == [BatchState.CANCELLED]


def test_finding_has_the_calls_of_its_batch_and_none_where_it_is_no_broadcasts(
    driver: Driver, broadcast_id: str
) -> None:
    driver.call(said(0, msg_id=1))
    [state, call] = history(driver.engine, Finding("LOST", broadcast_id, 1))
    assert state == f"{broadcast_id} is sending"
    assert "outcome=accepted" in call
    assert history(driver.engine, Finding("sent to a stranger", None)) == []
