"""Pushes: what is kept of one, and when two are one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from broadcast.rules.pushes import Action, Push, push_of

OPENID = "oTEST0000000000000000000001A"
EVENT = {
    "ToUserName": "gh_1",
    "FromUserName": OPENID,
    "CreateTime": "1700000000",
    "MsgType": "event",
    "Event": "subscribe",
    "EventKey": "",
}
FINISHED = {
    **EVENT,
    "FromUserName": "oHELP00000000000000000000mph",
    "Event": "MASSSENDJOBFINISH",
    "MsgID": "3147494276",
    "Status": "send success",
}
TEXT = {
    "ToUserName": "gh_1",
    "FromUserName": OPENID,
    "CreateTime": 1700000000,
    "MsgType": "text",
    "Content": "我的电话是 138",
    "MsgId": 23344556677,
}


def of(fields: dict[str, Any], **changes: Any) -> Push:
    return push_of("default", {**fields, **changes}, text="<xml>…</xml>")


def test_of_an_event_that_ends_no_job_nothing_is_kept_but_who_and_when() -> None:
    push = of(EVENT)

    assert (push.kind, push.openid, push.body) == ("subscribe", OPENID, "")
    assert push.happened_at == datetime.fromtimestamp(1700000000, tz=UTC)
    assert push.needs_handling


def test_nothing_of_what_a_follower_wrote_is_kept() -> None:
    push = of(TEXT)

    assert (push.kind, push.openid, push.body, push.action) == ("message.text", OPENID, "", None)
    assert not push.needs_handling
    assert "138" not in repr(push)


def test_a_keyword_is_kept_as_what_it_asks_for() -> None:
    push = push_of("default", TEXT, text="<xml>…</xml>", action=Action.UNSUBSCRIBE)

    assert push.needs_handling
    assert (push.action, push.body) == (Action.UNSUBSCRIBE, "")


@pytest.mark.parametrize("event", ["TEMPLATESENDJOBFINISH", "PUBLISHJOBFINISH", "VIEW", ""])
def test_every_other_event_is_kept_and_asks_for_nothing(event: str) -> None:
    assert not of(EVENT, Event=event).needs_handling


@pytest.mark.parametrize("fields", [EVENT, FINISHED, TEXT])
def test_a_repeat_is_the_same_in_either_form(fields: dict[str, Any]) -> None:
    as_numbers = {name: int(v) if str(v).isdigit() else v for name, v in fields.items()}

    assert of(fields).dedup == of(as_numbers).dedup


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        (EVENT, {"CreateTime": "1700000001"}),
        (EVENT, {"FromUserName": OPENID[:-1] + "B"}),
        (EVENT, {"Event": "unsubscribe"}),
        (FINISHED, {"MsgID": "3147494277"}),  # in the same second, from the same sender
        (FINISHED, {"Status": "err(20001)"}),  # another verdict on the same job
        (FINISHED, {"SentCount": "18"}),  # the same verdict, and now how many have it
        (FINISHED, {"CreateTime": "1700000060"}),  # said again after another verdict, it counts
        (TEXT, {"MsgId": 1}),
        (TEXT, {"FromUserName": OPENID[:-1] + "B"}),
    ],
)
def test_another_push_is_another_one(fields: dict[str, Any], changes: dict[str, Any]) -> None:
    assert of(fields).dedup != of(fields, **changes).dedup


def test_the_end_of_a_job_is_known_by_what_it_says_whoever_says_it() -> None:
    again = of(FINISHED, FromUserName="oOTHER", ToUserName="gh_2")

    assert again.dedup == of(FINISHED).dedup
    assert again.msg_id == 3147494276


@pytest.mark.parametrize(
    "value", ["", None, "x", "-1", "１７", "9" * 11, 10**30, True, 1.5, {"a": 1}, [1]]
)
def test_a_time_or_number_that_cannot_be_is_none(value: Any) -> None:
    assert of(EVENT, CreateTime=value).happened_at is None
    assert of(FINISHED, MsgID="9" * 19 if value == 10**30 else value).msg_id in {None, 99999999999}


@pytest.mark.parametrize("sender", ["", "short", "退订", "o" * 29, "o" * 27 + "'", {"a": 1}])
def test_what_is_no_openid_is_not_kept_as_one(sender: Any) -> None:
    assert of(EVENT, FromUserName=sender).openid is None


def test_a_long_name_of_an_event_is_cut() -> None:
    assert len(of(EVENT, Event="E" * 500).kind) == 64


def test_the_end_of_a_job_is_kept_as_it_came() -> None:
    assert of({**EVENT, "Event": "MASSSENDJOBFINISH"}).body == "<xml>…</xml>"
