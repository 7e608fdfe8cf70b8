"""A person's word with the whole system, judged by what the simulator's followers got."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from broadcast.rules.finish_events import Counts, FinishEvent
from models.every_table import AttemptRow
from models.ledger.outcomes import recorded_ends
from tests.acceptance.conftest import sets_of
from tests.kit.endpoints import MASS_SEND

if TYPE_CHECKING:
    from tests.acceptance.conftest import StartSystem
    from tests.kit.system import System


@pytest.fixture
def system(start_system: StartSystem) -> System:
    """A fleet of one whose batches cannot be halved and whose repeats come soon."""
    system = start_system(followers=6, BROADCAST_BATCH_SIZE="2", BROADCAST_WAIT_SCALE="0.01")
    system.worker()
    system.beat()
    return system


def audited(system: System) -> None:
    """Audit the ledger, and see that everybody got it exactly once."""
    system.broadcast("audit", "--all")
    assert system.simulator.ledger() == {
        "delivered_distinct": 6,
        "deliveries": 6,
        "delivered_max": 1,
        "doubled": 0,
    }


def lost_and_refused(system: System, when: str) -> dict[str, Any]:
    """Send so that the first batch ends in doubt: lost before or after WeChat took it."""
    system.simulator.fault("drop", when=when, path=MASS_SEND, count=1)
    # A call that is cut before it runs is not seen by the next fault.
    system.simulator.fault(
        "errcode", errcode=40130, when="before", path=MASS_SEND, skip=int(when == "after"), count=1
    )
    told = system.send(system.simulator.openids(6), "--wait", status=1)
    assert told["recipients"]["in_doubt"] == 2
    return told


def test_refused_batch_goes_out_once_after_a_retry_with_its_key(system: System) -> None:
    system.simulator.fault("errcode", errcode=43004, when="before", path=MASS_SEND, count=1)
    told = system.send(system.simulator.openids(6), "--wait", status=1)
    assert told["recipients"]["refused"] == 2
    assert f"broadcast retry {told['id']}" in system.broadcast("status", told["id"]).stdout

    system.broadcast("retry", told["id"], "--why", "they follow again")

    report = system.until_state(told["id"], "completed", timeout_s=30)
    assert sets_of(report) == {"accepted": 6}
    with system.engine.connect() as connection:
        keys = list(connection.scalars(select(AttemptRow.clientmsgid)))
    assert (len(keys), len(set(keys))) == (4, 3)
    audited(system)


@pytest.mark.parametrize("when", ["before", "after"])
def test_not_sent_and_retry_reach_everybody_once_whether_the_person_was_right_or_not(
    system: System, when: str
) -> None:
    broadcast_id = lost_and_refused(system, when)["id"]
    calls = len(system.simulator.mass_calls())

    said = system.broadcast("resolve", broadcast_id, "--batch", "1", "--not-sent").stdout
    assert f"broadcast retry {broadcast_id}" in said
    assert len(system.simulator.mass_calls()) == calls, "the word itself sends nothing"
    system.broadcast("retry", broadcast_id)

    report = system.until_state(broadcast_id, "completed", timeout_s=30)
    assert sets_of(report) == {"accepted": 6}
    shown = system.broadcast("status", broadcast_id).stdout
    # It had been taken, and WeChat's 24 hours kept it from going out twice.
    assert ("WeChat's reply contradicts this" in shown) is (when == "after")
    audited(system)


def test_sent_closes_a_doubt_with_the_job_that_wechat_has(system: System) -> None:
    told = lost_and_refused(system, "after")
    known = {line["msg_id"] for line in told["batch_list"]}
    [job] = [one for one in system.simulator.jobs() if one["msg_id"] not in known]

    alone = system.broadcast("resolve", told["id"], "--batch", "1", "--sent").stdout
    assert "Its msg_id is unknown" in alone
    assert sets_of(system.until_state(told["id"], "completed", timeout_s=30)) == {"accepted": 6}

    msg_id = str(job["msg_id"])
    named = system.broadcast("resolve", told["id"], "--batch", "1", "--sent", msg_id).stdout

    assert f"WeChat knows msg_id {msg_id}: it is " in named
    assert f"closed as accepted, msg_id {msg_id}" in named
    report = system.until_state(told["id"], "completed", timeout_s=30)
    assert sets_of(report) == {"accepted": 6}
    audited(system)


@pytest.mark.parametrize("pushed", [False, True])
def test_a_msg_id_that_wechat_does_not_know_is_no_word_on_a_doubt(
    system: System, *, pushed: bool
) -> None:
    """It would stand for a job that is none, and for another batch's once WeChat gives it.

    A push of that number is of another account, then.
    """
    told = lost_and_refused(system, "after")
    invented = max(line["msg_id"] or 0 for line in told["batch_list"]) + 1_000
    if pushed:
        counts = Counts(total=2, eligible=2, sent=2, errors=0)
        event = FinishEvent(msg_id=invented, status="send success", counts=counts)
        recorded_ends.record_finish_event(system.engine, system.simulator.account.name, event)
    verdict = {"batch": 1, "sent": True, "msg_id": invented}

    by_http = system.api().ask("POST", f"/v1/broadcasts/{told['id']}/resolve", verdict)
    refused = system.broadcast(
        "resolve", told["id"], "--batch", "1", "--sent", str(invented), status=2
    )

    assert str(invented) in refused.stderr
    assert refused.stdout == ""
    assert by_http.json()["type"].endswith("#error.resolve.denied")
    assert sets_of(system.report(told["id"])) == {"accepted": 4, "in_doubt": 2}
