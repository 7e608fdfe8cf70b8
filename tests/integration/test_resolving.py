"""`resolve` as an operator types it: what it prints, and what it refuses."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from broadcast.rules.finish_events import Counts, FinishEvent
from broadcast.rules.states import BatchState
from entrypoints.cli.main import run
from models.ledger.outcomes import recorded_ends
from models.ledger.rows import lane_rows
from models.ledger.rows.transaction import present
from models.ledger.steer import operator
from tests.kit import ledger
from tests.kit.ledger import Driver, said
from tests.kit.seat import sit


def told(capsys: pytest.CaptureFixture[str], *words: str, status: int = 0) -> str:
    assert run(words) == status
    seen = capsys.readouterr()
    return seen.err if status else seen.out


def test_sent_alone_tells_that_nobody_knows_its_number_and_how_to_correct_it(
    doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = told(
        capsys, "resolve", doubtful, "--batch", "1", "--sent", "--why", "seen in the console"
    )

    assert "is closed as accepted. Its msg_id is unknown" in out
    assert f"broadcast resolve {doubtful} --batch 1 --sent MSG_ID" in out
    assert f"broadcast resolve {doubtful} --batch 1 --not-sent" in out
    again = told(capsys, "resolve", doubtful, "--batch", "1", "--sent")
    assert "was already closed as accepted, with an unknown msg_id" in again


def test_job_that_a_batch_sent_without_a_number_can_be_is_named_by_status_to_its_end(
    here: Engine, doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = Counts(total=20, eligible=20, sent=20, errors=0)
    event = FinishEvent(msg_id=99, status="send success", counts=counts)
    offer = f"broadcast resolve {doubtful} --batch 1 --sent 99"
    recorded_ends.record_finish_event(here, "default", event)
    assert told(capsys, "resolve", doubtful, "--batch", "1", "--sent").count(offer) == 1

    out = told(capsys, "status", doubtful)

    assert "A job of WeChat's ended" in out
    assert out.count(offer) == 1
    assert "no finish event" not in out
    assert "nobody knows as which of WeChat's jobs" in out
    named = told(capsys, "resolve", doubtful, "--batch", "1", "--sent", "99")
    assert "A job of WeChat's ended" not in named
    assert "20 delivered" in told(capsys, "status", doubtful)


def test_sent_alone_is_an_object_without_a_number_and_nothing_waits_for_its_result(
    doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = told(capsys, "resolve", doubtful, "--batch", "1", "--sent", "--json")

    object_ = json.loads(out)
    assert (object_["state"], object_["recipients"]["accepted"]) == ("completed", 20)
    assert object_["batch_list"][0]["msg_id"] is None
    [action] = object_["operator_actions"]
    assert (action["action"], action["sent"], action["msg_id"]) == ("resolve", True, None)
    told(capsys, "watch", doubtful, "--until", "finished")


def test_number_that_nobody_could_be_asked_about_is_recorded_and_not_verified(
    doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "resolve", doubtful, "--batch", "1", "--sent")

    out = told(capsys, "resolve", doubtful, "--batch", "1", "--sent", "3000000012")

    assert "your verdict is recorded, but not verified" in out
    assert "is closed as accepted, msg_id 3000000012" in out


def test_sent_alone_where_wechat_named_two_jobs_asks_which_in_one_line(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = ledger.broadcast(here, batches=1)
    driver = Driver(here)
    first = driver.claim()
    ledger.pass_time(here, lane_rows.LEASE * 2)
    Driver(here, owner="second").call(said(0, msg_id=71))
    driver.record(first, said(0, msg_id=72))

    [line] = told(capsys, "resolve", broadcast_id, "--batch", "1", "--sent", status=2).splitlines()

    assert "(msg_id 71, 72)" in line
    assert f"broadcast resolve {broadcast_id} --batch 1 --sent MSG_ID" in line


def test_what_is_closed_as_not_sent_after_a_cancel_comes_with_its_correction(
    here: Engine, doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    operator.cancel(here, doubtful, who="tests")
    correction = f"broadcast resolve {doubtful} --batch 1 --sent"

    out = told(capsys, "resolve", doubtful, "--batch", "1", "--not-sent")

    assert f"correct it before you send anything to the refused set:\n    {correction}\n" in out
    assert correction in told(capsys, "status", doubtful)
    refused = told(capsys, "retry", doubtful, status=2)
    assert f"`broadcast status {doubtful}`" in refused
    corrected = told(capsys, "resolve", doubtful, "--batch", "1", "--sent")
    assert "20 of 20 followers accepted by WeChat" in corrected
    assert "refused set" not in corrected
    # WeChat's pages may not show it yet: the second verdict is as early as the first.
    for early in (out, told(capsys, "resolve", doubtful, "--batch", "1", "--not-sent")):
        assert "WeChat may not show it yet" in early


def push(here: Engine, msg_id: int, *, total: int = 20, age: timedelta | None = None) -> None:
    """Take the finish event of a job that ended now, or so long ago."""
    counts = Counts(total=total, eligible=19, sent=18, errors=1)
    at = present(here) - age if age else None
    event = FinishEvent(msg_id=msg_id, status="send success", counts=counts, created_at=at)
    recorded_ends.record_finish_event(here, "default", event)


def test_job_of_that_hour_is_offered_with_its_size_as_a_hint_and_decides_nothing(
    here: Engine, doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    push(here, 3000000013, total=7)
    push(here, 3000000012)

    out = told(capsys, "status", doubtful)

    assert f"    broadcast resolve {doubtful} --batch 1 --sent 3000000012\n" in out
    told_once = " ".join(out.split())
    same = told_once.index("msg_id 3000000012, 20 followers (as many as batch 1)")
    other = told_once.index("msg_id 3000000013, 7 followers, sent (send success). Batch 1 has 20")
    assert same < other
    # Of another size it is probably another job: no command is ready to name it.
    assert "--sent 3000000013" not in out
    assert ledger.batch(here, doubtful).state is BatchState.IN_DOUBT


def test_job_that_ended_before_the_call_is_offered_last_of_its_size_and_marked(
    here: Engine, doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Clocks may differ, so it can be the batch; but one that ended later is likelier."""
    push(here, 3000000011, age=timedelta(minutes=3))
    push(here, 3000000012)

    told_once = " ".join(told(capsys, "status", doubtful).split())

    early = told_once.index(", before the call of batch 1, that no batch has: msg_id 3000000011")
    assert told_once.index("msg_id 3000000012") < early
    assert told_once.count("before the call") == 1
    assert f"broadcast resolve {doubtful} --batch 1 --sent 3000000011" in told_once


def test_retry_against_a_job_of_another_size_names_no_command_for_it(
    here: Engine, doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "resolve", doubtful, "--batch", "1", "--not-sent")
    push(here, 3000000013, total=7)

    refused = told(capsys, "retry", doubtful, status=2)

    assert "Batch 1 has 20 followers, so it is probably another job" in refused
    assert "--sent" not in refused
    assert f"broadcast retry {doubtful} --yes" in refused


def test_job_that_wechat_ended_needs_no_answer_of_mass_get_and_brings_its_counts(
    here: Engine, doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """WeChat cannot be reached here."""
    push(here, 3000000012)

    out = told(capsys, "resolve", doubtful, "--batch", "1", "--sent", "3000000012")

    assert "WeChat has reported the end of msg_id 3000000012: sent (send success)." in out
    assert "not verified" not in out
    object_ = json.loads(told(capsys, "status", doubtful, "--json").splitlines()[-1])
    assert (object_["batches"]["finished"], object_["delivered"]["sent"]) == (1, 18)
    assert object_["batch_list"][0]["verified"] is True


def test_number_that_wechat_has_not_confirmed_is_marked_until_it_does(
    here: Engine, doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told(capsys, "resolve", doubtful, "--batch", "1", "--sent", "3000000012")

    out = told(capsys, "status", doubtful)
    object_ = json.loads(told(capsys, "status", doubtful, "--json").splitlines()[-1])

    assert "only an operator names its job, msg_id 3000000012" in out
    assert object_["batch_list"][0]["verified"] is False
    push(here, 3000000012)
    assert "only an operator names" not in told(capsys, "status", doubtful)


def test_not_sent_against_a_job_of_that_hour_is_warned_of(
    here: Engine, doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    push(here, 3000000012)

    out = told(capsys, "resolve", doubtful, "--batch", "1", "--not-sent")

    told_once = " ".join(out.split())
    assert (
        "Warning: batch 1 is marked as not sent, but WeChat ended a job at that time" in told_once
    )
    assert told_once.count("msg_id 3000000012") == 1
    # The command that can send it twice comes after the warning.
    assert told_once.index("Warning:") < told_once.index(f"broadcast retry {doubtful}")


@pytest.mark.parametrize("answer", ["n", "y"])
def test_not_sent_against_a_job_of_that_hour_is_asked_about_on_a_terminal(
    here: Engine,
    doubtful: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
) -> None:
    push(here, 3000000012)
    sit(monkeypatch)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))

    status = run(("resolve", doubtful, "--batch", "1", "--not-sent"))

    assert "msg_id 3000000012" in " ".join(capsys.readouterr().err.split())
    said_no = answer == "n"
    assert status == (1 if said_no else 0)
    closed = BatchState.IN_DOUBT if said_no else BatchState.REFUSED
    assert ledger.batch(here, doubtful).state is closed


def test_verdict_that_is_missing_is_asked_for_with_a_status_that_shows_the_batch(
    doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, shown in ((("resolve",), "@last"), (("resolve", doubtful), doubtful)):
        line = told(capsys, *words, "--batch", "1", status=2)

        assert f"`broadcast status {shown}`" in line


def test_job_of_another_batch_is_not_offered(
    here: Engine, doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ledger.broadcast(here, batches=1)
    ledger.pass_time(here, timedelta(seconds=10))
    Driver(here, owner="second").call(said(0, msg_id=71))
    push(here, 71)

    assert other
    assert "ended" not in told(capsys, "status", doubtful)


def test_number_of_a_job_that_the_review_refused_leaves_the_batch_refused_and_says_so(
    here: Engine, doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It may be somebody else's job, of another size; then these followers may have got it."""
    refused = FinishEvent(msg_id=3000000012, status="err(20001)", counts=Counts(total=812, sent=0))
    recorded_ends.record_finish_event(here, "default", refused)
    words = ("resolve", doubtful, "--batch", "1", "--sent")

    out = " ".join(told(capsys, *words, "3000000012").split())

    assert "Warning: WeChat counted 812 followers for msg_id 3000000012, and batch 1 has 20" in out
    assert "the batch counts as refused. If it was another job" in out
    assert "closed as accepted" not in out
    assert ledger.batch(here, doubtful).state is BatchState.REFUSED
    assert run(["reconcile", "--account", "default"]) == 1
    assert "It may be another job" in " ".join(capsys.readouterr().out.split())
    status = " ".join(told(capsys, "status", doubtful).split())
    assert "only an operator names its job, msg_id 3000000012, which WeChat refused" in status


def test_review_of_a_job_that_wechat_itself_named_is_not_doubted(
    here: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    broadcast_id = ledger.broadcast(here, batches=1)
    Driver(here).call(said(0, msg_id=71))
    refused = FinishEvent(msg_id=71, status="err(20001)", counts=Counts(total=20, sent=0))
    recorded_ends.record_finish_event(here, "default", refused)

    out = told(capsys, "status", broadcast_id)

    assert "politics" in out
    assert "only an operator names" not in out


def to_nobody(here: Engine, msg_id: int, status: str = "send success") -> None:
    """Take the finish event of a job for which WeChat counted nobody."""
    counts = Counts(total=0, eligible=0, sent=0, errors=0)
    recorded_ends.record_finish_event(
        here, "default", FinishEvent(msg_id=msg_id, status=status, counts=counts)
    )


def test_job_to_nobody_is_refused_for_a_batch_that_has_followers(
    here: Engine, doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    to_nobody(here, 3000000012)

    [line] = told(
        capsys, "resolve", doubtful, "--batch", "1", "--sent", "3000000012", status=2
    ).splitlines()

    assert "WeChat counted 0 followers for that job, and the batch has 20 followers" in line
    assert ledger.batch(here, doubtful).state is BatchState.IN_DOUBT


def test_job_to_nobody_that_ended_nobody_knows_how_is_warned_of(
    here: Engine, doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    to_nobody(here, 3000000012, "a new word")

    out = told(capsys, "resolve", doubtful, "--batch", "1", "--sent", "3000000012")

    warning = "Warning: WeChat counted 0 followers for msg_id 3000000012, and batch 1 has 20"
    assert warning in " ".join(out.split())


def test_job_of_a_review_without_a_count_is_taken_without_a_warning_of_its_size(
    here: Engine, doubtful: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = FinishEvent(msg_id=3000000012, status="err(20001)", counts=Counts(total=0, sent=0))
    recorded_ends.record_finish_event(here, "default", refused)

    out = told(capsys, "resolve", doubtful, "--batch", "1", "--sent", "3000000012")

    assert "Warning" not in out
    assert ledger.batch(here, doubtful).state is BatchState.REFUSED
