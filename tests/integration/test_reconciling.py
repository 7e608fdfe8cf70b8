"""`reconcile` as an operator types it: each difference with its next step, and the exit status."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from broadcast.day import SHANGHAI
from broadcast.rules.calls.operator_verdict import Sent
from broadcast.rules.calls.waits import Waits
from broadcast.rules.finish_events import Counts, FinishEvent
from entrypoints.cli.main import run
from models.ledger.outcomes import recorded_ends, resolves
from models.ledger.rows.transaction import present
from tests.integration.models.stories import doubt
from tests.kit import ledger
from tests.kit.ledger import Driver, said

WAITS = Waits()


def told(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert run(("reconcile", *words)) == status
    seen = capsys.readouterr()
    return " ".join((seen.out + seen.err).split())


def objects(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    run(("reconcile", *words, "--json"))
    whole: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return whole


def push(
    here: Engine,
    msg_id: int,
    status: str = "send success",
    *,
    total: int = 10,
    age: timedelta | None = None,
) -> None:
    """Take the report of a job that ended now, or so long ago."""
    refused = status.startswith("err")
    counts = Counts(total=total, eligible=9, sent=0 if refused else 9, errors=0)
    at = present(here) - age if age else None
    event = FinishEvent(msg_id=msg_id, status=status, counts=counts, created_at=at)
    recorded_ends.record_finish_event(here, "default", event)


@pytest.fixture
def sent(here: Engine) -> str:
    """A broadcast of two batches that WeChat accepted."""
    broadcast_id = ledger.broadcast(here)
    driver = Driver(here)
    driver.call(said(0, msg_id=71))
    driver.call(said(0, msg_id=72))
    return broadcast_id


def test_what_agrees_is_no_difference(
    here: Engine, sent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    push(here, 71)
    push(here, 72)

    out = told(capsys)

    assert "batches called 2 · jobs that WeChat reported as ended 2 No differences." in out
    today = told(capsys, "--day", "today")
    assert re.match(r"Account default, [A-Z][a-z]{2} \d{4}-\d\d-\d\d: batches called 2 ", today)
    done = objects(capsys, "--account", "default")
    assert (done["ok"], done["error"]) == (True, None)
    assert done["accounts"][0]["differences"] == []


def test_each_difference_is_named_with_its_next_step(
    here: Engine, sent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    push(here, 71, total=9)
    push(here, 72, "err(20001)", total=0)
    push(here, 99)

    out = told(capsys, status=1)

    assert f"Batch 1 of {sent} (msg_id 71): sent to 10 followers, but WeChat counted 9" in out
    assert f"Batch 2 of {sent} (msg_id 72): WeChat accepted it, and its review refused it" in out
    assert "politics, err(20001)" in out
    assert f"broadcast recipients {sent} --set refused" in out
    assert "msg_id 99: a job of WeChat's ended" in out
    assert "3 differences." in out
    done = objects(capsys)
    assert done["ok"] is False
    assert [
        (one["difference"], one["broadcast"], one["batch"], one["msg_id"])
        for one in done["accounts"][0]["differences"]
    ] == [
        ("other_count", sent, 1, 71),
        ("review", sent, 2, 72),
        ("console", None, None, 99),
    ]


def test_job_that_a_batch_in_doubt_can_be_comes_with_the_command_that_says_so(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = ledger.broadcast(here, batches=1)
    doubt(Driver(here))
    push(here, 97, total=20, age=timedelta(minutes=3))
    push(here, 98, total=20)
    push(here, 99)

    out = told(capsys, status=1)

    # It ended before the call: no command is ready to name it.
    assert f"It is batch 1 of {broadcast_id} (in doubt" in out
    assert "only if the clocks differ" in out
    assert "--sent 97" not in out
    assert f"Batch 1 of {broadcast_id} can be it (in doubt" in out
    assert f"broadcast resolve {broadcast_id} --batch 1 --sent 98" in out
    # Of another size it is probably another job.
    assert "that batch has 20 followers: it is probably another job" in out
    assert "--sent 99" not in out
    resolves.resolve(here, broadcast_id, 1, verdict=Sent(99), who="a person")
    assert "No differences" not in told(capsys, status=1)
    assert "sent to 20 followers, but WeChat counted 10" in told(capsys, status=1)


@pytest.mark.parametrize("status", ["send success", "err(20001)"])
def test_job_that_an_operator_named_and_that_ended_days_before_the_call_is_named(
    here: Engine, capsys: pytest.CaptureFixture[str], status: str
) -> None:
    """Its report came after the verdict: nobody could have been stopped by it."""
    broadcast_id = ledger.broadcast(here, batches=1)
    doubt(Driver(here))
    resolves.resolve(here, broadcast_id, 1, verdict=Sent(99), who="a person")
    push(here, 99, status, total=20, age=timedelta(days=7))

    out = told(capsys, "--account", "default", status=1)

    assert f"Batch 1 of {broadcast_id}: an operator named msg_id 99, but that job ended" in out
    assert f"broadcast resolve {broadcast_id} --batch 1 --sent MSG_ID" in out
    assert "1 difference." in out
    [one] = objects(capsys)["accounts"][0]["differences"]
    assert (one["difference"], one["batch"], one["msg_id"]) == ("other_time", 1, 99)


def test_job_that_wechat_itself_named_is_the_batchs_whenever_it_ended(
    here: Engine, sent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    push(here, 71, age=timedelta(days=7))
    push(here, 72)

    assert "No differences." in told(capsys)


def test_batch_of_which_wechat_never_reported_the_end_is_a_difference(
    here: Engine, sent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for n in (1, 2):
        for _ in range(recorded_ends.MOST_POLLS):
            recorded_ends.record_status(here, ledger.batch(here, sent, n), "SENDING", waits=WAITS)

    out = told(capsys, status=1)

    assert f"Batch 1 of {sent} (msg_id 71): WeChat accepted it" in out
    assert "never reported its end" in out


def test_wechat_out_of_reach_is_said_and_the_events_are_compared_all_the_same(
    here: Engine, sent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    push(here, 71)

    out = told(capsys, status=3)

    assert "WeChat could not be asked about batches of account default (1)" in out
    assert "No differences." in out
    assert objects(capsys)["error"]


def test_one_day_is_the_day_of_the_account(
    here: Engine, sent: str, capsys: pytest.CaptureFixture[str]
) -> None:
    push(here, 71)
    push(here, 72)
    push(here, 99)
    ledger.pass_time(here, timedelta(days=1))

    assert "batches called 0" in told(capsys, "--day", "today")
    yesterday = datetime.now(SHANGHAI) - timedelta(days=1)
    for text in (
        "yesterday",
        "昨天",
        f"{yesterday:%m-%d}",
        f"{yesterday.month}月{yesterday.day}日",
    ):
        assert "batches called 2" in told(capsys, "--day", text, status=1)
    assert "batches called 2" in told(capsys, status=1)


@pytest.mark.parametrize("text", ["tomorrow", "明天", "2026-13-01", "", "2999-01-01", "02-30"])
def test_day_that_is_none_or_yet_to_come_is_refused(
    here: Engine, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "is not a day" in told(capsys, "--day", text, status=2)
