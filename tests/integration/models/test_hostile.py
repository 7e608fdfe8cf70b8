"""What a hostile answer, a hostile person or a hostile moment must not achieve, on all engines."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from broadcast.errors import RepeatedSendError
from broadcast.rules.calls.attempts import CallResult
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.waits import UNKNOWN_TRIES
from broadcast.rules.states import BatchState, Reason
from models.ledger.steer import operator
from tests.kit import ledger
from tests.kit.ledger import Driver, said

WILD = {
    "rid": CallResult(outcome=Outcome.THROTTLED, errcode=45011, rid="a" * 200),
    "nul": CallResult(outcome=Outcome.THROTTLED, errcode=45011, errmsg="too\0fast"),
    "surrogate": CallResult(outcome=Outcome.THROTTLED, errcode=45011, errmsg="\ud83d"),
    "errcode": CallResult(outcome=Outcome.UNLISTED, errcode=2**40, errmsg="?"),
    "msg_id": CallResult(outcome=Outcome.ACCEPTED, errcode=0, msg_id=2**70),
    "msg_data_id": replace(said(0, msg_id=7), msg_data_id=-(2**70)),
}


@pytest.mark.parametrize("kind", WILD)
def test_a_reply_that_no_column_holds_is_recorded_all_the_same(engine: Engine, kind: str) -> None:
    broadcast_id = ledger.broadcast(engine, size=10, batches=1)

    Driver(engine).call(WILD[kind])

    expected = {
        "errcode": BatchState.UNKNOWN,
        "msg_id": BatchState.UNKNOWN,
        "msg_data_id": BatchState.ACCEPTED,
    }
    assert ledger.batch(engine, broadcast_id).state is expected.get(kind, BatchState.PLANNED)


def test_a_batch_that_outlives_none_of_its_drivers_ends_in_doubt(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=10, batches=1)
    for _ in range(UNKNOWN_TRIES + 1):
        Driver(engine).claim()
        ledger.pass_time(engine, timedelta(seconds=10))

    Driver(engine)

    batch = ledger.batch(engine, broadcast_id)
    assert (batch.state, batch.reason) == (BatchState.IN_DOUBT, Reason.TOO_OFTEN_UNKNOWN)


def test_a_cancelled_broadcast_that_reached_somebody_counts_as_sent(engine: Engine) -> None:
    body = ledger.body(size=20)
    broadcast_id = ledger.published(engine, body)
    ledger.planned(engine, broadcast_id)
    Driver(engine).call(said(0, msg_id=1))
    operator.cancel(engine, broadcast_id, who="a person")

    with pytest.raises(RepeatedSendError):
        ledger.published(engine, ledger.body(size=20), again=False)


def test_a_cancelled_broadcast_that_reached_nobody_may_be_sent_anew(engine: Engine) -> None:
    broadcast_id = ledger.published(engine, ledger.body(size=20))
    ledger.planned(engine, broadcast_id)
    operator.cancel(engine, broadcast_id, who="a person")

    assert ledger.published(engine, ledger.body(size=20), again=False) != broadcast_id


def test_a_broadcast_that_waited_for_days_is_as_fresh_as_its_last_call(engine: Engine) -> None:
    broadcast_id = ledger.broadcast(engine, size=20, batches=1)
    ledger.pass_time(engine, timedelta(days=3))
    Driver(engine).call(said(0, msg_id=1))

    with pytest.raises(RepeatedSendError):
        ledger.published(engine, ledger.body(size=20), again=False)
    assert ledger.batch(engine, broadcast_id).state is BatchState.ACCEPTED
