"""How one job ends, by order; and what a person sends in the console."""

from __future__ import annotations

import json
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest

from tests.kit.endpoints import MASS_SEND
from tests.kit.wait import can_read
from tests.simulator.expectations import submitted
from tests.simulator.receiver import TOKEN, Receiver
from tests.simulator.wire import text_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kit.simulator import Simulator
    from tests.simulator.wire import Wire


@pytest.fixture
def receiver(simulator: Simulator) -> Iterator[Receiver]:
    with Receiver() as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        yield receiver


def order(simulator: Simulator, **verdict: Any) -> Any:
    return simulator.admin("POST", f"accounts/{simulator.account.appid}/next-jobs", verdict)


def test_one_job_is_refused_by_the_review_and_the_next_is_not(
    wire: Wire, simulator: Simulator, receiver: Receiver
) -> None:
    order(simulator, event_status="err(20008)")
    first = submitted(wire.send(simulator.openids(5)))
    second = submitted(wire.send(simulator.openids(5), "再来"))
    simulator.shift_clock(2)
    by_id = {event.fields["MsgID"]: event.fields["Status"] for event in receiver.wait(2)}
    assert by_id == {str(first): "err(20008)", str(second): "send success"}
    assert wire.get(first)["msg_status"] == "SEND_FAIL"
    assert simulator.ledger()["deliveries"] == 5


def test_orders_say_how_many_errors_how_long_and_for_how_many_jobs(
    wire: Wire, simulator: Simulator, receiver: Receiver
) -> None:
    coming = order(simulator, errors=2, delay_s=60, count=2)["coming"]
    assert coming == [{"errors": 2, "delay_s": 60.0, "copyright": 1}] * 2
    msg_id = submitted(wire.send(simulator.openids(5)))
    simulator.shift_clock(50)
    assert wire.get(msg_id)["msg_status"] == "SENDING"
    simulator.shift_clock(11)
    (event,) = receiver.wait(1)
    assert (event.fields["SentCount"], event.fields["ErrorCount"]) == ("3", "2")
    path = f"accounts/{simulator.account.appid}/next-jobs"
    assert len(simulator.admin("GET", path)["coming"]) == 1
    assert simulator.admin("DELETE", path) == {"coming": []}


@pytest.mark.parametrize(
    ("state", "ignore", "status"),
    [(2, 0, "err(30003)"), (2, 1, "send success"), (3, 1, "err(30002)")],
)
def test_a_reprint_is_sent_only_where_that_is_asked_for_and_allowed(
    wire: Wire, simulator: Simulator, receiver: Receiver, state: int, ignore: int, status: str
) -> None:
    simulator.set_switches(media_must_exist=False)
    order(simulator, copyright=state)
    body = {
        "touser": simulator.openids(2),
        "msgtype": "mpnews",
        "mpnews": {"media_id": "D" * 43},
        "send_ignore_reprint": ignore,
    }
    submitted(wire.post("message/mass/send", body))
    simulator.shift_clock(2)
    (event,) = receiver.wait(1)
    tree = ET.fromstring(event.body)
    assert event.fields["Status"] == status, "section 6.4"
    assert tree.findtext("CopyrightCheckResult/CheckState") == str(state)
    assert tree.findtext("CopyrightCheckResult/ResultList/item/CanReprint") == str(int(state == 2))


def test_a_job_that_runs_can_still_be_refused(
    wire: Wire, simulator: Simulator, receiver: Receiver
) -> None:
    msg_id = submitted(wire.send(simulator.openids(2)))
    simulator.admin("POST", f"jobs/{msg_id}", {"event_status": "err(40002)"})
    simulator.shift_clock(2)
    (event,) = receiver.wait(1)
    assert event.fields["Status"] == "err(40002)"


def test_a_send_in_the_console_has_a_msg_id_that_no_client_knows(
    simulator: Simulator, receiver: Receiver
) -> None:
    message = {"msgtype": "text", "text": {"content": "后台群发"}}
    path = f"accounts/{simulator.account.appid}/console-sends"
    job = simulator.admin("POST", path, {"message": message})
    assert (job["kind"], job["clientmsgid"]) == ("all", None)
    assert simulator.calls() == []
    simulator.shift_clock(2)
    (event,) = receiver.wait(1)
    assert event.fields["MsgID"] == str(job["msg_id"])
    assert event.fields["SentCount"] == "30000"


def test_a_job_that_ends_at_once_is_pushed_while_the_reply_to_its_call_waits(
    wire: Wire, simulator: Simulator, receiver: Receiver
) -> None:
    order(simulator, delay_s=0)
    simulator.fault("slow", when="after", path=MASS_SEND, seconds=3600)
    message = json.dumps(text_message(simulator.openids(5), "您好"), ensure_ascii=False).encode()
    query = f"access_token={wire.token}"
    with closing(HTTPConnection(urlsplit(simulator.url).netloc)) as caller:
        caller.request("POST", f"{MASS_SEND}?{query}", message)
        (event,) = receiver.wait(1)
        assert not can_read(caller.sock, 0), "no byte of the reply is there"
    (job,) = simulator.jobs()
    assert event.fields["MsgID"] == str(job["msg_id"])
