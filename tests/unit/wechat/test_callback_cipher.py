"""Signatures and encryption of pushes: recorded vectors, both directions, and what is broken."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import SecretStr

from broadcast.wechat.callback import Cipher, Refusal, RefusedError
from broadcast.wechat.callback.cipher import is_signed, sign

TOKEN = SecretStr("weisend_token")
APPID = "wx1234567890abcdef"
AES_KEY = SecretStr("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG")
#: Made with other code (section 6.2 of the facts about WeChat).
ENCRYPTED = (
    "Q3stYC6hdFzMh9T8HCvyDI4OFzVNXy1hzMgwxpcjW4Z3o6yfCFU64yan0zEQFjd+qK8bYOd0iJWXlQwcebzMITILrDYKE7P"
    "mJHRPuV2UWpW2BD7Z3wRVTdWPICaF+0LemWFlgEJlzmI65zTO+Xj54Ny2kwvYh6cq7nwroYabMDxa9EfvqG4vo5Vtj5nhgW"
    "yxIHjJEJZeYWVFdQ4haPk96LoHvhcTlEVR7FviwZKSIyvs5Xf9xjHyEXYMPQv6OZTpEysxeweBU1pt6I43mEL6dnA+6rCej"
    "Xa2+CtwAkqQHvEDyZimMdWHLZsuRpipVSSB6yrJDeRHQ6PeSpvrGrp5bgA4egOqgL/n+j3nNzbr0zcUdEuULCpiioJvv1rT"
    "5jafURz7Ih0szjHByLHsC5+6GB1q077rLX7r+POCTwwUeNE="
)
MESSAGE = (
    "<xml><ToUserName><![CDATA[gh_0123456789ab]]></ToUserName><FromUserName>"
    "<![CDATA[oTEST0000000000000000000001A]]></FromUserName><CreateTime>1700000000</CreateTime>"
    "<MsgType><![CDATA[event]]></MsgType><Event><![CDATA[subscribe]]></Event>"
    "<EventKey><![CDATA[]]></EventKey></xml>"
)


@pytest.fixture
def cipher() -> Cipher:
    return Cipher(appid=APPID, aes_key=AES_KEY)


def test_wechats_own_example_of_a_signature_is_made() -> None:
    signed = sign(SecretStr("AAAAA"), "1714037059", "486452656")

    assert signed == "899cf89e464efb63f54ddac96b0a0a235f53aa78"


def test_both_signatures_of_the_recorded_request_are_right() -> None:
    assert sign(TOKEN, "1700000000", "987654321") == "f75e75db76ed386c16c5684238285ed7dfe71045"
    assert is_signed(
        "a75411888d34db2fa05f33da1b6dfc25b944423d", TOKEN, "1700000000", "987654321", ENCRYPTED
    )


@pytest.mark.parametrize("given", ["", "f75e", "签名", "\udcff", "F" * 40, "0" * 40])
def test_any_other_signature_is_wrong(given: str) -> None:
    assert not is_signed(given, TOKEN, "1700000000", "987654321")


def test_the_recorded_message_is_decrypted(cipher: Cipher) -> None:
    assert cipher.decrypt(ENCRYPTED).decode() == MESSAGE


@given(some.binary(max_size=300))
def test_what_was_encrypted_comes_back(message: bytes) -> None:
    cipher = Cipher(appid=APPID, aes_key=AES_KEY)

    encrypted = cipher.encrypt(message)

    assert cipher.decrypt(encrypted) == message
    assert len(base64.b64decode(encrypted)) % 32 == 0


def test_the_same_message_is_never_encrypted_to_the_same_text(cipher: Cipher) -> None:
    assert cipher.encrypt(b"same") != cipher.encrypt(b"same")


def test_a_message_for_another_account_is_refused(cipher: Cipher) -> None:
    other = Cipher(appid="wxfedcba0987654321", aes_key=AES_KEY)

    with pytest.raises(RefusedError) as caught:
        cipher.decrypt(other.encrypt(b"hello"))

    assert caught.value.refusal is Refusal.APPID


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "=",
        "not Base64!",
        ENCRYPTED[:-4],  # a block that is cut
        ENCRYPTED[:64],  # whole blocks, and no end
        ENCRYPTED.replace("Q3st", "Q3sT"),  # the length
        "A" * 43 + "=",
        ENCRYPTED + "AAAA",
        "é" * 64,
    ],
)
def test_what_is_broken_is_refused_and_says_nothing_of_why(cipher: Cipher, broken: str) -> None:
    with pytest.raises(RefusedError) as caught:
        cipher.decrypt(broken)

    assert caught.value.refusal in {Refusal.CIPHER, Refusal.APPID}
    assert caught.value.__context__ is None


@given(some.integers(0, len(ENCRYPTED) - 1), some.sampled_from("ABCxyz019+/"))
def test_no_changed_character_gives_another_accepted_message(at: int, character: str) -> None:
    """A signature covers the text as well; here the cipher stands alone."""
    cipher = Cipher(appid=APPID, aes_key=AES_KEY)
    changed = ENCRYPTED[:at] + character + ENCRYPTED[at + 1 :]

    try:
        message = cipher.decrypt(changed)
    except RefusedError:
        return

    assert len(message) == len(MESSAGE)


@pytest.mark.parametrize("key", ["", "a" * 42, "a" * 44, "a" * 42 + "=", "a" * 42 + "+", "密" * 43])
def test_a_key_of_another_length_or_alphabet_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(ValueError, match="43 letters and digits") as caught:
        Cipher(appid=APPID, aes_key=SecretStr(key))

    assert not key or key not in str(caught.value)


def test_a_cipher_prints_no_key(cipher: Cipher) -> None:
    assert AES_KEY.get_secret_value() not in repr(cipher)
    assert AES_KEY.get_secret_value() not in repr(vars(cipher))
