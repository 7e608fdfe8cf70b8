"""Sections 6.1 to 6.4: what WeChat pushes to the server of an account's owner."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from simulator.core.cipher import signature
from simulator.core.xml import xml_of
from tests.kit.endpoints import MASS_SEND
from tests.kit.simulator import Simulator
from tests.kit.wait import until
from tests.simulator.conftest import OTHER
from tests.simulator.expectations import submitted
from tests.simulator.receiver import TOKEN, Received, Receiver
from tests.simulator.wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.kit.simulator import SimulatedAccount

EVENT = "MASSSENDJOBFINISH"


def signed(query: dict[str, str]) -> str:
    """Section 6.1, computed here."""
    parts = sorted([TOKEN, query["timestamp"], query["nonce"]])
    return hashlib.sha1("".join(parts).encode()).hexdigest()


def counts(received: Received) -> tuple[int, ...]:
    names = ("TotalCount", "FilterCount", "SentCount", "ErrorCount")
    return tuple(int(received.fields[name]) for name in names)


def ended(simulator: Simulator, *states: str) -> list[dict[str, Any]]:
    """Every push, once all are in one of these states."""
    until(
        lambda: [one["state"] for one in simulator.pushes()] == list(states), 10, f"pushes {states}"
    )
    return simulator.pushes()


def test_the_official_signature_is_ours() -> None:
    """Section 6.1, the vector of WeChat's own page."""
    expected = "899cf89e464efb63f54ddac96b0a0a235f53aa78"
    assert signature("AAAAA", "1714037059", "486452656") == expected


def test_the_end_of_a_job_is_pushed_with_its_counts(simulator: Simulator, wire: Wire) -> None:
    """Section 6.4: TotalCount as sent, FilterCount who is left, of whom some fail."""
    simulator.set_switches(job_delay_s=30, job_errors=2)
    strangers = simulator.openids(3, appid=OTHER.appid)
    with Receiver() as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        msg_id = submitted(wire.send([*simulator.openids(10), *strangers]))
        accepted_at = simulator.job(msg_id)["accepted_at"]
        assert receiver.received == []
        simulator.shift_clock(3600)
        (received,) = receiver.wait(1)
        (push,) = ended(simulator, "handled")
    fields = received.fields
    assert counts(received) == (13, 10, 8, 2)
    assert (fields["MsgType"], fields["Event"]) == ("event", EVENT)
    assert (fields["MsgID"], fields["Status"]) == (str(msg_id), "send success")
    assert int(fields["CreateTime"]) == int(accepted_at + 30), "the moment of the end"
    assert fields["ToUserName"].startswith("gh_")
    assert len(fields["FromUserName"]) == 28
    assert simulator.ledger()["delivered_distinct"] == 8
    assert (push["event"], push["due"]) == (EVENT, pytest.approx(accepted_at + 30))
    assert wire.get(msg_id)["msg_status"] == "SEND_SUCCESS"


def test_a_push_is_signed_in_the_query(simulator: Simulator, wire: Wire) -> None:
    """Section 6.2, plain mode; the query of the owner's URL stays."""
    simulator.set_switches(job_delay_s=0)
    with Receiver() as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        submitted(wire.send(simulator.openids(2)))
        (received,) = receiver.wait(1)
    query = received.query
    assert query["signature"] == signed(query), "section 6.1"
    assert int(query["timestamp"]) == pytest.approx(time.time(), abs=300)
    assert (received.path, query["own"]) == ("/wechat", "1")
    assert query["openid"] == received.fields["FromUserName"]
    assert received.content_type == "text/xml"


def test_an_account_without_a_callback_gets_nothing(
    simulator: Simulator, wire: Wire, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    simulator.set_switches(job_delay_s=0)
    with Receiver() as receiver:
        simulator.set_callback(receiver.url, TOKEN, appid=OTHER.appid)
        submitted(wire.send(simulator.openids(2)))
        submitted(wire_of(OTHER).send(simulator.openids(2, appid=OTHER.appid)))
        (received,) = receiver.wait(1)
        assert received.fields["MsgID"] == str(simulator.jobs(appid=OTHER.appid)[0]["msg_id"])
        simulator.change_account(OTHER.appid, callback=None)
        submitted(wire_of(OTHER).send(simulator.openids(2, appid=OTHER.appid), "b"))
        until(lambda: simulator.state()["scheduled"] == 0, 10, "the end of every job")
    assert len(simulator.pushes()) == len(receiver.received) == 1


@pytest.mark.parametrize("failure", [500, 404])
def test_a_push_is_repeated_when_the_server_fails(
    simulator: Simulator, wire: Wire, failure: int
) -> None:
    """Section 6.3: until it is handled."""
    simulator.set_switches(job_delay_s=0, push_repeat_after_s=3600)
    with Receiver(failure, failure) as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        submitted(wire.send(simulator.openids(2)))
        for tries in (1, 2):
            receiver.wait(tries)
            ended(simulator, "waiting")
            simulator.shift_clock(3601)
        received = receiver.wait(3)
        (push,) = ended(simulator, "handled")
    assert len({one.body for one in received}) == 1
    assert len({one.query["signature"] for one in received}) == 1
    assert [one["status"] for one in push["attempts"]] == [failure, failure, 200]
    assert [one["answer"] for one in push["attempts"]] == ["success"] * 3, "the status decides"
    assert all(one["start"] <= one["end"] for one in push["attempts"])


def test_a_repeat_may_be_signed_anew(simulator: Simulator, wire: Wire) -> None:
    """Section 6.1: nobody confirmed which timestamp a repeat carries."""
    simulator.set_switches(job_delay_s=0, push_repeat_after_s=100, push_repeat_signature="new")
    with Receiver(500) as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        submitted(wire.send(simulator.openids(2)))
        ended(simulator, "waiting")
        simulator.shift_clock(101)
        first, second = (one.query for one in receiver.wait(2))
    assert int(second["timestamp"]) - int(first["timestamp"]) >= 100
    assert [signed(one) for one in (first, second)] == [first["signature"], second["signature"]]


def test_after_three_failures_an_event_is_lost(simulator: Simulator, wire: Wire) -> None:
    """Section 6.3, and section 14 point 16."""
    simulator.set_switches(job_delay_s=0, push_repeat_after_s=0)
    with Receiver(*[503] * 10) as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        submitted(wire.send(simulator.openids(2)))
        (push,) = ended(simulator, "given up")
        assert len(receiver.received) == len(push["attempts"]) == 3
    assert simulator.pushes(state="handled") == []
    assert simulator.pushes(event=EVENT, state="given up") == [push]


def test_silence_is_cut_and_repeated(simulator: Simulator, wire: Wire) -> None:
    """Section 6.3: five seconds, a switch here."""
    assert simulator.switches()["push_timeout_s"] == 5
    simulator.set_switches(job_delay_s=0, push_timeout_s=1.5, push_repeat_after_s=0)
    with Receiver(None) as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        submitted(wire.send(simulator.openids(2)))
        (push,) = ended(simulator, "handled")
    silent, answered = push["attempts"]
    assert (silent["status"], silent["error"]) == (None, "no answer within 1.5 s")
    assert silent["end"] - silent["start"] >= 1.5
    assert (answered["status"], answered["error"]) == (200, None)


def test_a_server_that_is_away_is_journaled(simulator: Simulator, wire: Wire) -> None:
    with Receiver() as receiver:
        url = receiver.url
    simulator.set_switches(job_delay_s=0, push_tries=1)
    simulator.set_callback(url, TOKEN)
    submitted(wire.send(simulator.openids(2)))
    (push,) = ended(simulator, "given up")
    assert "ConnectionRefusedError" in push["attempts"][0]["error"]
    assert (push["url"], push["appid"]) == (url, wire.account.appid)
    assert TOKEN not in str(push)


@pytest.mark.parametrize(
    ("answer", "repeats", "state"),
    [
        (b"", True, "handled"),
        (b"<xml><MsgType>text</MsgType></xml>", True, "handled"),
        (b'{"ok": true}', True, "given up"),
        (b'{"ok": true}', False, "handled"),
    ],
)
def test_which_answers_are_understood(
    simulator: Simulator, wire: Wire, answer: bytes, repeats: bool, state: str
) -> None:
    """Section 6.3."""
    simulator.set_switches(job_delay_s=0, push_tries=1, push_repeats_after_nonsense=repeats)
    with Receiver(body=answer) as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        submitted(wire.send(simulator.openids(2)))
        ended(simulator, state)


def test_pushes_can_be_lost_doubled_and_late(simulator: Simulator, wire: Wire) -> None:
    """Section 13: faults of pushes, in the same book as those of calls."""
    simulator.set_switches(job_delay_s=0)
    simulator.fault("push_lost", appid=wire.account.appid)
    simulator.fault("push_twice", path=EVENT)
    simulator.fault("push_late", seconds=3600)
    with Receiver() as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        sent = [submitted(wire.send(simulator.openids(2), text)) for text in "abcd"]
        ended(simulator, "lost", "handled", "handled", "waiting", "handled")
        simulator.shift_clock(3601)
        pushes = ended(simulator, "lost", "handled", "handled", "handled", "handled")
        arrived = sorted(int(one.fields["MsgID"]) for one in receiver.received)
    assert arrived == sorted([sent[1], sent[1], sent[2], sent[3]])
    assert [one["fault"] for one in pushes] == [
        "push_lost",
        "push_twice",
        "push_twice",
        "push_late",
        None,
    ]
    assert [fault["fired"] for fault in simulator.faults()] == [1, 1, 1]


def test_every_push_may_be_late(simulator: Simulator, wire: Wire) -> None:
    simulator.set_switches(job_delay_s=0, push_delay_s=7200)
    with Receiver() as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        msg_id = submitted(wire.send(simulator.openids(2)))
        ended(simulator, "waiting")
        assert wire.get(msg_id)["msg_status"] == "SEND_SUCCESS"
        simulator.shift_clock(7201)
        receiver.wait(1)


def test_a_fault_of_calls_does_not_hit_pushes(simulator: Simulator) -> None:
    with pytest.raises(AssertionError, match="hits calls, not pushes"):
        simulator.fault("drop", when="push")


def test_an_event_can_come_before_the_reply(simulator: Simulator, wire: Wire) -> None:
    """Section 6.3: the order is not guaranteed."""
    simulator.set_switches(job_delay_s=0)
    simulator.fault("slow", seconds=1, path=MASS_SEND)
    with Receiver() as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        msg_id = submitted(wire.send(simulator.openids(2)))
        (received,) = receiver.wait(1)
    (call,) = simulator.mass_calls()
    assert received.fields["MsgID"] == str(msg_id)
    assert call["start"] < received.at < call["end"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [("send fail", (2, 2, 0, 2)), ("err(20001)", (0, 0, 0, 0)), ("err(20431)", (0, 0, 0, 0))],
)
def test_a_refused_job_reaches_nobody(
    simulator: Simulator, wire: Wire, status: str, expected: tuple[int, ...]
) -> None:
    """Section 6.4, the values of Status; of err(20431) all counts were seen to be 0."""
    simulator.set_switches(job_delay_s=0, job_event_status=status, monthly_cap=1)
    with Receiver() as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        msg_id = submitted(wire.send(simulator.openids(2)))
        (received,) = receiver.wait(1)
    assert (received.fields["Status"], counts(received)) == (status, expected)
    assert wire.get(msg_id)["msg_status"] == "SEND_FAIL"
    assert simulator.ledger()["deliveries"] == 0
    assert simulator.ledger(content=simulator.job(msg_id)["content_digest"])["deliveries"] == 0
    simulator.set_switches(job_event_status=None)
    again = submitted(wire.send(simulator.openids(2), "b"))
    assert simulator.job(again)["eligible"] == 2, "it took no message of the month"


def test_nobody_left_is_a_success_with_nobody_sent(simulator: Simulator, wire: Wire) -> None:
    """Section 6.4: 8, 0, 0, 0 was seen, with `send success`, and mass/get said DELETE."""
    simulator.set_switches(job_delay_s=0, monthly_cap=1)
    submitted(wire.send(simulator.openids(8)))
    with Receiver() as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        msg_id = submitted(wire.send(simulator.openids(8), "b"))
        (received,) = receiver.wait(1)
    assert (received.fields["Status"], counts(received)) == ("send success", (8, 0, 0, 0))
    assert wire.get(msg_id)["msg_status"] == "DELETE"


def test_an_article_has_its_address(simulator: Simulator, wire: Wire) -> None:
    """Section 6.4, ArticleUrlResult and CopyrightCheckResult."""
    simulator.set_switches(job_delay_s=0, media_must_exist=False)
    article = {"msgtype": "mpnews", "mpnews": {"media_id": "D1"}}
    with Receiver() as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        submitted(wire.send(simulator.openids(2), **article))
        (received,) = receiver.wait(1)
    tree = ET.fromstring(received.body)
    assert tree.findtext("ArticleUrlResult/Count") == "1"
    assert tree.findtext("ArticleUrlResult/ResultList/item/ArticleIdx") == "1"
    url = tree.findtext("ArticleUrlResult/ResultList/item/ArticleUrl")
    assert url is not None
    assert url.startswith("http://mp.weixin.qq.com/s/")
    assert tree.findtext("CopyrightCheckResult/CheckState") == "1"


def test_a_reset_forgets_what_is_to_be_pushed(simulator: Simulator, wire: Wire) -> None:
    simulator.set_switches(job_delay_s=60)
    with Receiver() as receiver:
        simulator.set_callback(receiver.url, TOKEN)
        submitted(wire.send(simulator.openids(2)))
        assert simulator.state()["scheduled"] == 1
        simulator.reset()
        state = simulator.state()
        assert (state["scheduled"], state["accounts"][0]["callback"]) == (0, None)
        simulator.shift_clock(3600)
        assert (simulator.pushes(), receiver.received) == ([], [])


def test_a_job_of_before_a_reset_ends_unheard(
    simulator: Simulator, wire_of: Callable[[SimulatedAccount], Wire]
) -> None:
    with Receiver() as receiver:
        for text in ("before", "after"):
            simulator.reset()
            simulator.set_switches(job_delay_s=0.3)
            simulator.set_callback(receiver.url, TOKEN)
            wire = wire_of(simulator.account)
            msg_id = submitted(wire.send(simulator.openids(2), text))
        (received,) = receiver.wait(1)
    assert received.fields["MsgID"] == str(msg_id)


def test_a_push_that_is_never_answered_does_not_hold_up_the_end(tmp_path: Path) -> None:
    log = tmp_path / "simulator.log"
    with Receiver(None) as receiver, Simulator(followers=10, log=log) as simulator:
        simulator.set_switches(job_delay_s=0, push_timeout_s=600)
        simulator.set_callback(receiver.url, TOKEN)
        wire = Wire(simulator.url, simulator.account)
        submitted(wire.send(simulator.openids(2)))
        wire.close()
        receiver.wait(1)
        assert simulator.stop() == 0
        assert "Traceback" not in simulator.process.output


@pytest.mark.parametrize(
    "callback",
    [
        {"url": "ftp://x/", "token": TOKEN},
        {"url": "http:///x", "token": TOKEN},
        {"url": "http://x/", "token": "中文中文"},
        {"url": "http://x/"},
    ],
)
def test_a_callback_that_makes_no_sense_is_refused(
    simulator: Simulator, callback: dict[str, str]
) -> None:
    with pytest.raises(AssertionError, match="400") as refusal:
        simulator.change_account(callback=callback)
    assert TOKEN not in str(refusal.value)
    assert "中文中文" not in str(refusal.value)


def test_text_that_ends_a_cdata_section_survives() -> None:
    """Section 10, XML of events."""
    text = "a]]>b<&"
    tree = ET.fromstring(xml_of({"Content": text, "Count": 2, "List": [{"N": 1}, {"N": 2}]}))
    assert tree.findtext("Content") == text
    assert [one.text for one in tree.findall("List/item/N")] == ["1", "2"]
