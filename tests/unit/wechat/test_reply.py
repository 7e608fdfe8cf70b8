"""Replies as values: WeChat's own, and those that only look like them."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from broadcast.wechat.api.mass import MassGet, MassReply, MassSend
from broadcast.wechat.api.quotas import QuotaGet
from broadcast.wechat.api.token import ClassicToken, Ping, TokenReply
from broadcast.wechat.call_errors import (
    APIError,
    Secrets,
    TransportKind,
    UnknownOutcomeError,
    WeChatError,
)
from broadcast.wechat.endpoint import Errmsg, RawReply, Request, parse_date, parse_errmsg, payload

GET = MassGet(msg_id=7)
QUOTA = QuotaGet(cgi_path="/cgi-bin/message/mass/send")
SEND = MassSend(openids=b"", content={}, clientmsgid="")
TOKEN = ClassicToken(appid="wx1", secret=SecretStr("s"))
ENDPOINTS: tuple[Request[Any], ...] = (GET, QUOTA, SEND, TOKEN)


def raw(reply: Any, status: int = 200, **facts: Any) -> RawReply:
    body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    return RawReply(endpoint="POST /x", status=status, elapsed_ms=7, body=body, **facts)


def token(reply: Any) -> TokenReply:
    return TOKEN.read(raw(reply))


def mass(reply: Any) -> MassReply:
    return SEND.read(raw(reply))


@pytest.mark.parametrize(
    ("errmsg", "text", "rid"),
    [
        ("ok", "ok", None),
        ("", "", None),
        (
            "system error rid: 627cbe38-6443305c-5f61b109",
            "system error",
            "627cbe38-6443305c-5f61b109",
        ),
        (
            "api unauthorized, rid: 68f0517e-1-2",
            "api unauthorized",
            "68f0517e-1-2",
        ),
        (
            "same clientmsgid retry too fast hint: [CX3h2a04096753]",
            "same clientmsgid retry too fast",
            None,
        ),
        (
            "invalid openid list size hint: [xlmeHJYfk-6Hx4LA] rid: 66f43076-700f44ff-0465cb1b",
            "invalid openid list size",
            "66f43076-700f44ff-0465cb1b",
        ),
        (
            "invalid ip 47.94.148.108 ipv6 ::ffff:47.94.148.108, not in whitelist rid: 1-2-3",
            "invalid ip 47.94.148.108 ipv6 ::ffff:47.94.148.108, not in whitelist",
            "1-2-3",
        ),
        ("a rid: 1-2 in the middle", "a rid: 1-2 in the middle", None),
    ],
)
def test_hint_and_rid_are_cut_from_an_errmsg(errmsg: str, text: str, rid: str | None) -> None:
    assert parse_errmsg(errmsg) == Errmsg(text=text, rid=rid)


@pytest.mark.parametrize(
    ("header", "moment"),
    [
        ("Fri, 27 Nov 2026 06:00:07 GMT", datetime(2026, 11, 27, 6, 0, 7, tzinfo=UTC)),
        ("Fri, 27 Nov 2026 06:00:07 -0000", datetime(2026, 11, 27, 6, 0, 7, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_wechats_time_is_read_from_the_header(header: str | None, moment: datetime | None) -> None:
    assert parse_date(header) == moment


def test_any_errcode_is_an_answer_to_a_ping_and_another_servers_json_is_none() -> None:
    assert Ping().read(raw({"errcode": 41002, "errmsg": "appid missing"})).elapsed_ms == 7
    with pytest.raises(UnknownOutcomeError) as caught:
        Ping().read(raw({"status": "ok"}))
    assert caught.value.kind is TransportKind.GARBAGE


def test_an_endless_errmsg_is_cut_and_keeps_its_rid() -> None:
    parsed = parse_errmsg("x" * 500_000 + " " * 100_000 + "rid: 1-2-3")
    assert len(parsed.text) == 1000
    assert parsed.rid == "1-2-3"


def test_a_missing_errcode_means_success() -> None:
    reply = token({"access_token": "82_abc", "expires_in": 345})
    assert reply.expires_in == 345
    status = MassGet(msg_id=2**40).read(raw({"msg_id": 2**40, "msg_status": "DELETE"}))
    assert (status.msg_id, status.msg_status) == (2**40, "DELETE")


def test_errcode_0_beside_the_token_means_success() -> None:
    reply = token({"errcode": 0, "access_token": "82_abc", "expires_in": 7200})
    assert reply.access_token.get_secret_value() == "82_abc"


@pytest.mark.parametrize("length", [512, 1024])
def test_long_tokens_are_taken(length: int) -> None:
    reply = token({"access_token": "t" * length, "expires_in": 7200})
    assert len(reply.access_token) == length


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"access_token": "82_abc"},
        {"access_token": "", "expires_in": 7200},
        {"access_token": 82, "expires_in": 7200},
        {"access_token": "82_abc", "expires_in": "7200"},
        {"access_token": "82_abc", "expires_in": True},
        {"access_token": "82_abc", "expires_in": 0},
        {"access_token": "82_abc", "expires_in": -1},
        {"access_token": "t" * 1025, "expires_in": 7200},
    ],
)
def test_a_token_reply_without_a_usable_token_is_garbage(reply: Any) -> None:
    with pytest.raises(UnknownOutcomeError) as caught:
        token(reply)
    assert caught.value.kind is TransportKind.GARBAGE


def test_an_errcode_is_an_api_error_except_for_a_mass_send() -> None:
    reply = {"errcode": 45009, "errmsg": "reach max api daily quota limit rid: 1-2-3"}
    for request in (TOKEN, GET, QUOTA):
        with pytest.raises(APIError) as caught:
            request.read(raw(reply))
        assert str(caught.value) == "POST /x: 45009 reach max api daily quota limit (rid 1-2-3)"
    answer = mass(reply)
    assert (answer.errcode, answer.errmsg) == (45009, "reach max api daily quota limit")
    assert (answer.rid, answer.msg_id) == ("1-2-3", None)


def test_negative_errcodes_are_errcodes() -> None:
    assert mass({"errcode": -1, "errmsg": "system error"}).errcode == -1


@pytest.mark.parametrize(
    ("value", "msg_id"),
    [
        (3147494276, 3147494276),
        (2**63 - 1, 2**63 - 1),
        ("3147494277", 3147494277),
        (None, None),
        (0, None),
        (-5, None),
        ("", None),
        ("x", None),
        ("٣", None),
        (True, None),
        (1.5, None),
        (2**63, None),
        ("9" * 40, None),
    ],
)
def test_a_msg_id_is_a_64_bit_number_or_absent(value: Any, msg_id: int | None) -> None:
    answer = mass({"errcode": 0, "errmsg": "ok", "msg_id": value})
    assert answer.msg_id == msg_id


def test_a_mass_reply_without_errcode_needs_a_msg_id() -> None:
    assert mass({"msg_id": 3147494276}).errcode == 0
    with pytest.raises(UnknownOutcomeError):
        mass({"status": "ok"})


def test_a_raw_control_character_in_an_errmsg_does_not_hide_the_answer() -> None:
    answer = mass(b'{"errcode":45028,"errmsg":"has no\nquota"}')
    assert answer.errcode == 45028


@pytest.mark.parametrize("msg_id", [8, "8", 2**40])
def test_a_reply_about_another_msg_id_is_no_answer(msg_id: Any) -> None:
    with pytest.raises(UnknownOutcomeError, match="is about msg_id") as caught:
        GET.read(raw({"msg_id": msg_id, "msg_status": "SEND_FAIL"}))
    assert caught.value.kind is TransportKind.GARBAGE


@pytest.mark.parametrize(
    "body",
    [
        b'{"errcode":0,"errcode":40003,"msg_id":7}',
        b'{"errcode":40003,"errmsg":"x","errcode":40003}',
        b'{"msg_id":7,"errcode":0,"msg_id":8}',
        b'{"errcode":0,"msg_id":7,"more":{"x":1,"x":1}}',
    ],
)
def test_a_reply_that_says_a_thing_twice_says_nothing(body: bytes) -> None:
    with pytest.raises(UnknownOutcomeError) as caught:
        mass(body)
    assert caught.value.kind is TransportKind.GARBAGE


def test_unknown_members_are_ignored() -> None:
    assert mass({"errcode": 0, "zhmsg": "好", "msg_id": 5, "x": [1]}).msg_id == 5


@pytest.mark.parametrize("quota", [None, [], {}, {"daily_limit": 1, "used": 1, "remain": "1"}])
def test_a_quota_without_figures_is_garbage(quota: Any) -> None:
    with pytest.raises(UnknownOutcomeError):
        QUOTA.read(raw({"errcode": 0, "quota": quota}))


@given(st.binary(max_size=200) | st.from_regex(r'\{"errcode":.{0,20}\}').map(str.encode))
def test_any_bytes_are_a_reply_or_an_error_of_ours(body: bytes) -> None:
    for request in ENDPOINTS:
        with contextlib.suppress(WeChatError):
            request.read(raw(body))


@pytest.mark.parametrize("cut_after", [3, 20, 60])
def test_a_secret_that_reading_a_foreign_reply_cuts_in_two_shows_no_part(cut_after: int) -> None:
    secret = "82_" + "StraddlingSecret" * 4
    # White space is shown as one blank, so what stands at the end of it is shown.
    page = b"<p>moved" + b" " * (4096 - 8 - cut_after) + secret.encode() + b"</p>"
    assert (
        raw(page, 502, secrets=Secrets([SecretStr(secret)])).excerpt()
        == f"HTTP 502, {len(page)} bytes: <p>moved"
    )


def test_a_payload_prints_nothing() -> None:
    assert "82_abcdef" not in repr(payload(raw({"access_token": "82_abcdef"})))
    assert "82_abcdef" not in repr(raw({"access_token": "82_abcdef"}))
