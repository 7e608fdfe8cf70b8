"""Retries of what was in doubt: asked about, warned of, left to whoever asked out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from broadcast.rules.finish_events import Counts, FinishEvent
from broadcast.rules.pushes import Action, Push
from broadcast.rules.states import BatchState
from models.ledger.boxes import pushes
from models.ledger.outcomes import recorded_ends
from tests.integration.test_resolving import push, told
from tests.kit import ledger
from tests.kit.ledger import Driver, said


def test_retry_of_what_a_person_called_not_sent_stops_at_a_job_of_that_hour_that_can_be_it(
    here: Engine, doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The event came after the verdict, and the batch would be sent a second time."""
    told(capsys, "resolve", doubtful, "--batch", "1", "--not-sent")
    push(here, 3000000012)

    status = told(capsys, "status", doubtful)
    refused = told(capsys, "retry", doubtful, status=2)

    assert "Warning: batch 1 is marked as not sent, but WeChat ended a job" in status
    assert f"    broadcast resolve {doubtful} --batch 1 --sent 3000000012\n" in status
    assert f"broadcast resolve {doubtful} --batch 1 --sent 3000000012" in refused
    assert ledger.batch(here, doubtful).state is BatchState.REFUSED
    told(capsys, "retry", doubtful, "--yes")
    assert ledger.batch(here, doubtful).state is BatchState.PLANNED


def test_retry_does_not_stop_at_a_job_that_reached_nobody(
    here: Engine, doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "resolve", doubtful, "--batch", "1", "--not-sent")
    refused = FinishEvent(msg_id=3000000012, status="err(20001)", counts=Counts(sent=0))
    recorded_ends.record_finish_event(here, "default", refused)
    assert "3000000012" not in told(capsys, "status", doubtful)

    told(capsys, "retry", doubtful)

    assert ledger.batch(here, doubtful).state is BatchState.PLANNED


@pytest.mark.parametrize(("hours", "warned"), [(22, False), (24, True)])
def test_retry_whose_key_wechat_no_longer_knows_is_warned_of_before_and_asks(
    here: Engine, doubtful: str, capsys: pytest.CaptureFixture[str], hours: int, *, warned: bool
) -> None:
    """Told after the retry, it comes too late: a worker may have called by then."""
    told(capsys, "resolve", doubtful, "--batch", "1", "--not-sent")
    ledger.pass_time(here, timedelta(hours=hours))

    status = " ".join(told(capsys, "status", doubtful).split())

    assert ("no longer knows the clientmsgid of batch 1;" in status) is warned
    if warned:
        [refused] = told(capsys, "retry", doubtful, status=2).splitlines()
        assert f"If not: broadcast retry {doubtful} --yes. Nothing was changed." in refused
        assert ledger.batch(here, doubtful).state is BatchState.REFUSED
    told(capsys, "retry", doubtful, *(["--yes"] if warned else []))
    assert ledger.batch(here, doubtful).state is BatchState.PLANNED


def test_retry_leaves_a_batch_of_whoever_asked_out_while_no_worker_ran_and_status_offers_no_other(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = ledger.broadcast(here, size=20, batches=2)
    driver = Driver(here)
    driver.call(said(48008))
    wrote = Push(
        account="default",
        kind="message.text",
        dedup="1",
        openid=ledger.openids(20)[0],
        msg_id=None,
        happened_at=None,
        action=Action.UNSUBSCRIBE,
    )
    assert pushes.store(here, wrote)
    assert f"broadcast retry {broadcast_id}" in told(capsys, "status", broadcast_id)

    left = told(capsys, "retry", broadcast_id)

    assert "batch 1 (10 followers): 1 of them on the suppression list by now" in left
    out = told(capsys, "status", broadcast_id)
    assert f"broadcast retry {broadcast_id}" not in out
    assert "Batch 1 (10 followers) is not called again while followers in it" in out
    assert f"broadcast recipients {broadcast_id} --set refused > rest.txt" in out
