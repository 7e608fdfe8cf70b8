"""A receiver: three modes, two forms, and the replies that WeChat can read."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from broadcast.wechat.callback import Cipher, Receiver, Refusal, RefusedError
from broadcast.wechat.callback.cipher import sign
from broadcast.wechat.callback.push_body import Form, read, written
from tests.unit.wechat.test_callback_cipher import AES_KEY, APPID, ENCRYPTED, MESSAGE, TOKEN

SIGNED = {
    "signature": "f75e75db76ed386c16c5684238285ed7dfe71045",
    "timestamp": "1700000000",
    "nonce": "987654321",
}
SAFE = {
    **SIGNED,
    "encrypt_type": "aes",
    "msg_signature": "a75411888d34db2fa05f33da1b6dfc25b944423d",
}
FIELDS = read(MESSAGE.encode()).fields
ENVELOPE = {"ToUserName": "gh_0123456789ab", "Encrypt": ENCRYPTED}
PLAIN = Receiver(appid=APPID, token=TOKEN)
ENCRYPTING = Receiver(appid=APPID, token=TOKEN, aes_key=AES_KEY)


def refusal(receiver: Receiver, query: dict[str, str], body: bytes) -> Refusal:
    with pytest.raises(RefusedError) as caught:
        receiver.receive(query, body)
    return caught.value.refusal


def signed_now(encrypted: str = "", *, at: float | None = None) -> dict[str, str]:
    timestamp = str(int(time.time() if at is None else at))
    return {
        "signature": sign(TOKEN, timestamp, "1"),
        "timestamp": timestamp,
        "nonce": "1",
        "encrypt_type": "aes",
        "msg_signature": sign(TOKEN, timestamp, "1", encrypted),
    }


def test_the_check_of_the_url_is_answered_with_its_own_words() -> None:
    assert PLAIN.check_url({**SIGNED, "echostr": "4376513890461"}) == "4376513890461"
    assert ENCRYPTING.check_url({**SIGNED, "echostr": "4376513890461"}) == "4376513890461"


@pytest.mark.parametrize("echo", ["", "a" * 257, "a\r\nSet-Cookie: b", "\x00"])
def test_no_other_words_are_echoed(echo: str) -> None:
    with pytest.raises(RefusedError):
        PLAIN.check_url({**SIGNED, "echostr": echo})


@pytest.mark.parametrize("name", ["signature", "timestamp", "nonce"])
def test_a_check_with_another_signature_is_refused(name: str) -> None:
    with pytest.raises(RefusedError) as caught:
        PLAIN.check_url({**SIGNED, name: "1", "echostr": "1"})

    assert caught.value.refusal is Refusal.SIGNATURE


@pytest.mark.parametrize("form", Form)
def test_a_push_in_clear_is_read(form: Form) -> None:
    body = written(FIELDS, form)

    incoming = PLAIN.receive(SIGNED, body)

    assert (incoming.fields, incoming.text) == (FIELDS, body.decode())
    assert (incoming.form, incoming.is_encrypted) == (form, False)


@pytest.mark.parametrize("form", Form)
def test_a_push_in_safe_mode_is_decrypted(form: Form) -> None:
    incoming = ENCRYPTING.receive(SAFE, written(ENVELOPE, form))

    assert (incoming.fields, incoming.text, incoming.is_encrypted) == (FIELDS, MESSAGE, True)


def test_in_compatible_mode_only_the_encrypted_part_counts() -> None:
    body = written({**ENVELOPE, "FromUserName": "somebody else", "MsgType": "text"}, Form.XML)

    assert ENCRYPTING.receive(SAFE, body).fields == FIELDS


def test_in_compatible_mode_an_account_without_a_key_reads_what_is_in_clear() -> None:
    body = written({**FIELDS, "Encrypt": ENCRYPTED}, Form.XML)

    assert PLAIN.receive(SAFE, body).fields["Event"] == "subscribe"


def test_an_account_without_a_key_cannot_read_what_is_encrypted_only() -> None:
    assert refusal(PLAIN, SAFE, written(ENVELOPE, Form.XML)) is Refusal.ENCRYPTED


@pytest.mark.parametrize(
    "query", [SIGNED, {**SAFE, "encrypt_type": "raw"}, {**SAFE, "encrypt_type": ""}]
)
def test_an_account_with_a_key_takes_nothing_in_clear(query: dict[str, str]) -> None:
    """Else whoever saw one signed URL could write what follows."""
    body = written({**FIELDS, "Encrypt": ENCRYPTED}, Form.XML)

    assert refusal(ENCRYPTING, query, MESSAGE.encode()) is Refusal.PLAIN
    assert refusal(ENCRYPTING, query, body) is Refusal.PLAIN
    assert refusal(ENCRYPTING, SAFE, MESSAGE.encode()) is Refusal.PLAIN


@pytest.mark.parametrize("receiver", [PLAIN, ENCRYPTING])
@pytest.mark.parametrize("name", ["signature", "timestamp", "nonce"])
def test_a_push_with_another_signature_is_refused(receiver: Receiver, name: str) -> None:
    body = written({**FIELDS, "Encrypt": ENCRYPTED}, Form.XML)

    assert refusal(receiver, {**SAFE, name: "1"}, body) is Refusal.SIGNATURE
    assert refusal(receiver, {n: v for n, v in SAFE.items() if n != name}, body) is (
        Refusal.SIGNATURE
    )


@pytest.mark.parametrize("given", ["", "0" * 40, SIGNED["signature"]])
def test_the_encrypted_part_has_a_signature_of_its_own(given: str) -> None:
    query = {**SAFE, "msg_signature": given}

    assert refusal(ENCRYPTING, query, written(ENVELOPE, Form.XML)) is Refusal.SIGNATURE


def test_a_push_for_another_account_is_refused() -> None:
    encrypted = Cipher(appid="wxfedcba0987654321", aes_key=AES_KEY).encrypt(MESSAGE.encode())
    body = written({"Encrypt": encrypted}, Form.XML)

    assert refusal(ENCRYPTING, signed_now(encrypted), body) is Refusal.APPID


def test_a_bomb_inside_of_what_is_encrypted_is_refused() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "b">]><xml><FromUserName>&a;</FromUserName></xml>'
    encrypted = Cipher(appid=APPID, aes_key=AES_KEY).encrypt(bomb)
    body = written({"Encrypt": encrypted}, Form.XML)

    assert refusal(ENCRYPTING, signed_now(encrypted), body) is Refusal.BODY


@pytest.mark.parametrize(
    "fields",
    [
        {"MsgType": "text"},
        {"FromUserName": "o"},
        {"FromUserName": 1, "MsgType": "text"},
        {"FromUserName": "o", "MsgType": 1},
    ],
)
def test_what_says_neither_who_nor_what_is_refused(fields: dict[str, str | int]) -> None:
    assert refusal(PLAIN, SIGNED, written(fields, Form.JSON)) is Refusal.BODY


@pytest.mark.parametrize("away_s", [-3700, 3700, -(10**9), 10**30])
def test_an_old_request_is_refused_where_an_age_is_set(away_s: int) -> None:
    careful = Receiver(appid=APPID, token=TOKEN, max_age_s=3600)
    old = signed_now(at=time.time() + away_s)

    assert refusal(careful, old, MESSAGE.encode()) is Refusal.STALE
    assert careful.receive(signed_now(), MESSAGE.encode()).fields == FIELDS


def test_a_time_that_is_no_number_is_old() -> None:
    careful = Receiver(appid=APPID, token=TOKEN, max_age_s=3600)
    query = {"timestamp": "x", "nonce": "1", "signature": sign(TOKEN, "x", "1")}

    assert refusal(careful, query, MESSAGE.encode()) is Refusal.STALE


@pytest.mark.parametrize("form", Form)
def test_a_reply_in_clear_goes_to_the_sender(form: Form) -> None:
    incoming = PLAIN.receive(SIGNED, written(FIELDS, form))

    answer = read(PLAIN.reply(incoming, "收到 ]]>"))

    assert answer.form is form
    assert {**answer.fields, "CreateTime": 0} == {
        "ToUserName": FIELDS["FromUserName"],
        "FromUserName": FIELDS["ToUserName"],
        "CreateTime": 0,
        "MsgType": "text",
        "Content": "收到 ]]>",
    }


def test_a_reply_to_what_was_encrypted_is_encrypted_and_signed() -> None:
    incoming = ENCRYPTING.receive(SAFE, written(ENVELOPE, Form.XML))

    answer = read(ENCRYPTING.reply(incoming, "收到")).fields

    assert set(answer) == {"Encrypt", "MsgSignature", "TimeStamp", "Nonce"}
    parts = (answer["TimeStamp"], answer["Nonce"], answer["Encrypt"])
    assert answer["MsgSignature"] == sign(TOKEN, *parts)
    inner = read(Cipher(appid=APPID, aes_key=AES_KEY).decrypt(answer["Encrypt"])).fields
    assert (inner["Content"], inner["ToUserName"]) == ("收到", FIELDS["FromUserName"])


def test_nothing_of_a_push_is_printed() -> None:
    incoming = ENCRYPTING.receive(SAFE, written(ENVELOPE, Form.XML))

    assert "oTEST" not in repr(incoming)
    assert TOKEN.get_secret_value() not in repr(vars(ENCRYPTING))


@given(some.binary(max_size=400), some.booleans())
def test_whatever_a_body_holds_it_is_read_or_refused(body: bytes, wrapped: bool) -> None:
    """By either receiver, in clear and inside of what is encrypted."""
    if wrapped:
        body = b"<xml><FromUserName>o</FromUserName><MsgType>text</MsgType>" + body + b"</xml>"
    encrypted = Cipher(appid=APPID, aes_key=AES_KEY).encrypt(body)

    for receiver, sent in (
        (PLAIN, body),
        (ENCRYPTING, written({"Encrypt": encrypted}, Form.JSON)),
        (ENCRYPTING, body),
    ):
        try:
            incoming = receiver.receive(signed_now(encrypted), sent)
        except RefusedError:
            continue
        assert incoming.text.encode() == body
        assert isinstance(incoming.fields["FromUserName"], str)


@given(some.dictionaries(some.text(max_size=9), some.text(max_size=50), max_size=8))
def test_whatever_a_query_holds_nothing_is_taken_that_is_not_signed(query: dict[str, str]) -> None:
    for receiver in (PLAIN, ENCRYPTING):
        assert refusal(receiver, {**SAFE, **query, "signature": "0" * 40}, b"<xml/>") is (
            Refusal.SIGNATURE
        )


@given(some.text(max_size=200))
def test_whatever_a_reply_says_comes_back(content: str) -> None:
    incoming = ENCRYPTING.receive(SAFE, written(ENVELOPE, Form.JSON))
    try:
        answer = read(ENCRYPTING.reply(incoming, content)).fields
    except RefusedError:
        pytest.fail("the envelope of a reply cannot be read")
    inner = Cipher(appid=APPID, aes_key=AES_KEY).decrypt(answer["Encrypt"])

    assert content.replace("]]>", "]]]]><![CDATA[>").encode() in inner
