"""What a chaos run holds finish events against: the answered pushes, and the jobs' figures."""

from __future__ import annotations

from typing import Any

from broadcast.rules.states import BatchState
from models.ledger.outcomes import recorded_ends
from tests.chaos import ends
from tests.integration.models.tampering import change_batch
from tests.integration.models.test_finishes import event
from tests.kit.ledger import Driver, said


def pushed(msg_id: int, state: str = "handled") -> dict[str, Any]:
    return {"state": state, "body": f"<xml><MsgID>{msg_id}</MsgID></xml>"}


def job(msg_id: int, *, errors: int = 0) -> dict[str, Any]:
    return {"msg_id": msg_id, "total": 10, "eligible": 9, "errors": errors}


def test_end_that_was_answered_and_is_not_kept_is_found(driver: Driver, broadcast_id: str) -> None:
    driver.call(said(0, msg_id=71))
    assert ends.lost(driver.engine, [pushed(71, "lost"), pushed(71, "given up")]) == []
    assert ends.lost(driver.engine, [pushed(71)]) == ["END ANSWERED AND LOST: msg_id 71"]
    recorded_ends.record_finish_event(driver.engine, "default", event(71))
    assert ends.lost(driver.engine, [pushed(71)]) == []
    change_batch(driver.engine, broadcast_id, 1, state=BatchState.ACCEPTED)
    assert ends.lost(driver.engine, [pushed(71)]) == ["END NOT MET: msg_id 71"]


def test_counts_that_are_not_those_of_the_jobs_are_found(driver: Driver) -> None:
    driver.call(said(0, msg_id=71))
    driver.call(said(0, msg_id=72))
    recorded_ends.record_finish_event(driver.engine, "default", event(71))
    assert ends.miscounted(driver.engine, [job(71), job(72, errors=3)]) == [], "72 still runs"
    [told] = ends.miscounted(driver.engine, [job(71, errors=1)])
    assert told.startswith("MISCOUNTED")
