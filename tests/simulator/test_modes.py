"""Pushes in every mode and format, follow events, and what followers write: section 6."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from simulator.core.cipher import UnreadableError, decrypted, encrypted, signature
from tests.kit.wait import until
from tests.simulator.conftest import ACCOUNTS
from tests.simulator.receiver import TOKEN, Received, Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.kit.simulator import Simulator

KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
APPID = ACCOUNTS["service"].appid
# Section 6.2: a vector whose bytes other implementations agreed with.
VECTOR = {
    "appid": "wx1234567890abcdef",
    "message": (
        "<xml><ToUserName><![CDATA[gh_0123456789ab]]></ToUserName><FromUserName>"
        "<![CDATA[oTEST0000000000000000000001A]]></FromUserName><CreateTime>1700000000"
        "</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[subscribe]]></Event>"
        "<EventKey><![CDATA[]]></EventKey></xml>"
    ),
    "encrypt": (
        "Q3stYC6hdFzMh9T8HCvyDI4OFzVNXy1hzMgwxpcjW4Z3o6yfCFU64yan0zEQFjd+qK8bYOd0iJWXlQwcebzMIT"
        "ILrDYKE7PmJHRPuV2UWpW2BD7Z3wRVTdWPICaF+0LemWFlgEJlzmI65zTO+Xj54Ny2kwvYh6cq7nwroYabMDxa"
        "9EfvqG4vo5Vtj5nhgWyxIHjJEJZeYWVFdQ4haPk96LoHvhcTlEVR7FviwZKSIyvs5Xf9xjHyEXYMPQv6OZTpEy"
        "sxeweBU1pt6I43mEL6dnA+6rCejXa2+CtwAkqQHvEDyZimMdWHLZsuRpipVSSB6yrJDeRHQ6PeSpvrGrp5bgA4"
        "egOqgL/n+j3nNzbr0zcUdEuULCpiioJvv1rT5jafURz7Ih0szjHByLHsC5+6GB1q077rLX7r+POCTwwUeNE="
    ),
    "signature": "a75411888d34db2fa05f33da1b6dfc25b944423d",
}


def call_back(simulator: Simulator, receiver: Receiver, **how: Any) -> None:
    order = {"url": receiver.url, "token": TOKEN, "aes_key": KEY} | how
    simulator.change_account(callback=order)


def write(simulator: Simulator, content: str = "退订") -> str:
    """A follower writes; who it was."""
    (openid,) = simulator.openids(1)
    body = {"openid": openid, "content": content}
    assert simulator.admin("POST", f"accounts/{APPID}/messages", body) == {"pushes": [1]}
    return openid


def attempt(simulator: Simulator) -> dict[str, Any]:
    """The first attempt of the only push, once it has ended."""
    until(lambda: simulator.pushes()[0]["attempts"][0]["end"], 10, "the end of a push")
    (push,) = simulator.pushes()
    return dict(push["attempts"][0])


def opened(received: Received) -> str:
    """What an encrypted push holds, its signature looked at first."""
    fields = (
        json.loads(received.body)
        if received.content_type == "application/json"
        else received.fields
    )
    query = received.query
    signed = signature(TOKEN, query["timestamp"], query["nonce"], fields["Encrypt"])
    assert query["msg_signature"] == signed, "section 6.2"
    assert query["encrypt_type"] == "aes"
    return decrypted(fields["Encrypt"], KEY, appid=APPID)


def test_the_known_vector_comes_out_byte_by_byte() -> None:
    appid, message = VECTOR["appid"], VECTOR["message"]
    made = encrypted(message, KEY, appid=appid, random=b"0123456789abcdef")
    assert made == VECTOR["encrypt"]
    signed = signature("weisend_token", "1700000000", "987654321", made)
    assert signed == VECTOR["signature"]
    assert decrypted(made, KEY, appid=appid) == message


@pytest.mark.parametrize("length", range(64))
def test_every_padding_comes_back(length: int) -> None:
    """PKCS#7 in blocks of 32: up to 32 bytes are added."""
    made = encrypted("x" * length, KEY, appid=APPID, random=bytes(16))
    assert len(base64.b64decode(made)) % 32 == 0
    assert decrypted(made, KEY, appid=APPID) == "x" * length


@pytest.mark.parametrize("text", ["", "x", "AAAA", VECTOR["encrypt"], VECTOR["encrypt"][:-24]])
def test_what_was_not_encrypted_for_the_account_is_unreadable(text: str) -> None:
    with pytest.raises(UnreadableError):
        decrypted(text, KEY, appid=APPID)


@pytest.mark.parametrize("format_", ["xml", "json"])
def test_a_plain_push(simulator: Simulator, format_: str) -> None:
    with Receiver() as receiver:
        call_back(simulator, receiver, format=format_)
        openid = write(simulator)
        (received,) = receiver.wait(1)
    if format_ == "json":
        assert received.content_type == "application/json"
        fields = json.loads(received.body)
        assert isinstance(fields["MsgId"], int)
    else:
        fields = received.fields
    assert (fields["FromUserName"], fields["MsgType"]) == (openid, "text")
    assert fields["Content"] == "退订"
    assert "msg_signature" not in received.query


@pytest.mark.parametrize("format_", ["xml", "json"])
@pytest.mark.parametrize("mode", ["compatible", "safe"])
def test_an_encrypted_push(simulator: Simulator, mode: str, format_: str) -> None:
    """Section 6.2: compatible carries both, safe nothing but the ciphertext."""
    with Receiver() as receiver:
        call_back(simulator, receiver, mode=mode, format=format_)
        write(simulator)
        (received,) = receiver.wait(1)
    (push,) = simulator.pushes()
    assert opened(received) == push["body"]
    assert "退订" in push["body"]
    assert ("退订" in received.body) == (mode == "compatible")
    names = {"ToUserName", "Encrypt"}
    fields = json.loads(received.body) if format_ == "json" else received.fields
    assert set(fields) == names if mode == "safe" else set(fields) > names


def test_a_switch_sets_mode_and_format_for_all(simulator: Simulator) -> None:
    simulator.set_switches(push_mode="safe", push_format="json")
    with Receiver() as receiver:
        call_back(simulator, receiver)
        write(simulator)
        (received,) = receiver.wait(1)
    assert json.loads(opened(received))["Content"] == "退订"


def test_encryption_needs_a_key(simulator: Simulator) -> None:
    for key in ({"mode": "safe"}, {"aes_key": "x" * 42}):
        order = {"url": "http://127.0.0.1:1/", "token": TOKEN} | key
        with pytest.raises(AssertionError, match=r"43|aes_key"):
            simulator.change_account(callback=order)


# What the account's server answers

NOW = "1700000001"


def reply(simulator: Simulator, **changes: str) -> str:
    fields = {
        "ToUserName": simulator.openids(1)[0],
        "FromUserName": original_id(simulator),
        "CreateTime": NOW,
        "MsgType": "text",
        "Content": "已退订",
    } | changes
    return "<xml>" + "".join(f"<{name}>{text}</{name}>" for name, text in fields.items()) + "</xml>"


def original_id(simulator: Simulator) -> str:
    state = simulator.state()
    (account,) = (one for one in state["accounts"] if one["appid"] == APPID)
    return str(account["original_id"])


def in_envelope(plain: str, *, key: str = KEY, token: str = TOKEN) -> bytes:
    text = encrypted(plain, key, appid=APPID, random=b"r" * 16)
    signed = signature(token, NOW, "n", text)
    return (
        f"<xml><Encrypt><![CDATA[{text}]]></Encrypt><MsgSignature>{signed}</MsgSignature>"
        f"<TimeStamp>{NOW}</TimeStamp><Nonce>n</Nonce></xml>"
    ).encode()


@pytest.mark.parametrize("mode", ["plain", "compatible", "safe"])
def test_the_answer_to_a_follower_is_shown_decrypted(simulator: Simulator, mode: str) -> None:
    plain = reply(simulator)
    body = plain.encode() if mode == "plain" else in_envelope(plain)
    with Receiver(body=body) as receiver:
        call_back(simulator, receiver, mode=mode)
        openid = write(simulator)
        shown = attempt(simulator)["reply"]
    assert (shown["ToUserName"], shown["Content"]) == (openid, "已退订")
    assert simulator.pushes()[0]["state"] == "handled"


@pytest.mark.parametrize(
    ("mode", "answer", "why"),
    [
        ("plain", "FromUserName", "not the account's"),
        ("plain", "Content", "longer than 2048 bytes"),
        ("plain", "MsgType", "MsgType is missing"),
        ("safe", "plain", "a plain answer in safe mode"),
        ("safe", "key", "Encrypt|padding|appid"),
        ("safe", "token", "MsgSignature does not fit"),
    ],
)
def test_an_answer_that_no_follower_would_see(
    simulator: Simulator, mode: str, answer: str, why: str
) -> None:
    """Section 6.3: the follower is told that the account has no service now."""
    changes = {"FromUserName": "gh_x", "Content": "字" * 683, "MsgType": ""}
    plain = reply(simulator, **({answer: changes[answer]} if answer in changes else {}))
    bodies = {
        "plain": plain.encode(),
        "key": in_envelope(plain, key=KEY[::-1]),
        "token": in_envelope(plain, token="another"),
    }
    with Receiver(body=bodies.get(answer, plain.encode())) as receiver:
        call_back(simulator, receiver, mode=mode)
        write(simulator)
        error = attempt(simulator)["error"]
    assert error
    assert any(part in error for part in why.split("|"))


# What is pushed


@pytest.fixture
def receiver(simulator: Simulator) -> Iterator[Receiver]:
    with Receiver() as receiver:
        call_back(simulator, receiver)
        yield receiver


def test_who_comes_and_leaves_is_an_event(simulator: Simulator, receiver: Receiver) -> None:
    openids = simulator.openids(3)
    simulator.remove_followers([*openids, openids[0]])
    simulator.add_followers(openids[:1])
    simulator.add_followers(openids[:1])
    came_and_gone = receiver.wait(4)
    events = sorted((one.fields["Event"], one.fields["FromUserName"]) for one in came_and_gone)
    left = sorted(("unsubscribe", openid) for openid in openids)
    assert events == [("subscribe", openids[0]), *left]
    assert came_and_gone[0].fields["EventKey"] == ""
    simulator.set_switches(follow_events=False)
    simulator.remove_followers(openids[:1])
    assert len(simulator.pushes()) == 4


def test_an_event_of_any_name_is_pushed(simulator: Simulator, receiver: Receiver) -> None:
    fields = {"MsgID": 5, "Status": "success", "ResultList": None}
    order = {"event": "TEMPLATESENDJOBFINISH", "fields": fields}
    simulator.admin("POST", f"accounts/{APPID}/events", order)
    (received,) = receiver.wait(1)
    assert (received.fields["Event"], received.fields["MsgID"]) == ("TEMPLATESENDJOBFINISH", "5")
    assert "<ResultList></ResultList>" in received.body


def test_a_push_can_come_again_much_later(simulator: Simulator, receiver: Receiver) -> None:
    write(simulator)
    receiver.wait(1)
    simulator.shift_clock(3600)
    assert simulator.admin("POST", "pushes/1/again")["number"] == 2
    first, second = receiver.wait(2)
    assert first.body == second.body
    assert first.query["nonce"] != second.query["nonce"]


def test_the_url_is_checked_by_an_echo(simulator: Simulator, receiver: Receiver) -> None:
    """Section 6.1."""
    path = f"accounts/{APPID}/check-callback"
    assert simulator.admin("POST", path)["echoed"] is True
    assert receiver.checked
    with Receiver(body=b"hello", echo=False) as other:
        call_back(simulator, other)
        shown = simulator.admin("POST", path)
    assert (shown["echoed"], shown["answer"]) == (False, "hello")
