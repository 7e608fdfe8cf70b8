"""One account's pushes: who sent them, what they say, and how they are answered.

Three modes. *Plain*: fields in clear. *Compatible*: in clear, and encrypted once more. *Safe*:
encrypted only. With an AES key only the encrypted part counts, and it must be there: a request in
clear proves that its sender saw a signature, not that its body is WeChat's.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import field

from pydantic import SecretStr

from broadcast.wechat.callback.cipher import Cipher, Refusal, RefusedError, is_signed, sign
from broadcast.wechat.callback.push_body import Document, Fields, Form, read, written
from broadcast.wechat.frozen_values import frozen

_ENCRYPTED = "aes"
_SENDER = "FromUserName"
#: What is echoed to the check of the URL is never longer.
_LONGEST_ECHO = 256
_NONCE_BELOW = 10**10


@frozen
class ReceivedPush:
    """A push that is WeChat's and this account's. Its text may be a follower's own words."""

    fields: Fields = field(repr=False)
    #: The fields as WeChat wrote them, decrypted.
    text: str = field(repr=False)
    form: Form
    is_encrypted: bool


class Receiver:
    """Takes the requests of WeChat to the server of one account."""

    def __init__(
        self,
        *,
        appid: str,
        token: SecretStr,
        aes_key: SecretStr | None = None,
        max_age_s: float | None = None,
    ) -> None:
        """Take what the account's page at WeChat says; ValueError for a wrong EncodingAESKey.

        *max_age_s*: how far WeChat's time of a request may be from this machine's; None: any.
        """
        self._token = token
        self._cipher = None if aes_key is None else Cipher(appid=appid, aes_key=aes_key)
        self._max_age_s = max_age_s

    def check_url(self, query: Mapping[str, str]) -> str:
        """Return what a GET is to be answered with. Raises RefusedError."""
        self._check_signature(query)
        echo = query.get("echostr", "")
        if not echo or len(echo) > _LONGEST_ECHO or not echo.isprintable():
            raise RefusedError(Refusal.BODY)
        return echo

    def receive(self, query: Mapping[str, str], body: bytes) -> ReceivedPush:
        """Return what a POST says. Raises RefusedError."""
        self._check_signature(query)
        if self._cipher is None:
            return self._in_clear(body)
        return self._decrypted(self._cipher, query, body)

    def reply(self, incoming: ReceivedPush, content: str) -> bytes:
        """Return a text to the sender of *incoming*, in its form, encrypted where that was."""
        message = written(
            {
                "ToUserName": str(incoming.fields.get("FromUserName", "")),
                "FromUserName": str(incoming.fields.get("ToUserName", "")),
                "CreateTime": int(time.time()),
                "MsgType": "text",
                "Content": content,
            },
            incoming.form,
        )
        if not incoming.is_encrypted or self._cipher is None:
            return message
        encrypted = self._cipher.encrypt(message)
        timestamp, nonce = int(time.time()), str(secrets.randbelow(_NONCE_BELOW))
        return written(
            {
                "Encrypt": encrypted,
                "MsgSignature": sign(self._token, str(timestamp), nonce, encrypted),
                "TimeStamp": timestamp,
                "Nonce": nonce,
            },
            incoming.form,
        )

    def _check_signature(self, query: Mapping[str, str]) -> None:
        timestamp = query.get("timestamp", "")
        signed = (timestamp, query.get("nonce", ""))
        if not is_signed(query.get("signature", ""), self._token, *signed):
            raise RefusedError(Refusal.SIGNATURE)
        if self._max_age_s is not None and not self._is_recent(timestamp):
            raise RefusedError(Refusal.STALE)

    def _is_recent(self, timestamp: str) -> bool:
        try:
            return abs(time.time() - int(timestamp)) <= (self._max_age_s or 0)
        except (ValueError, OverflowError):
            return False

    def _in_clear(self, body: bytes) -> ReceivedPush:
        document = read(body)
        if "Encrypt" in document.fields and _SENDER not in document.fields:
            raise RefusedError(Refusal.ENCRYPTED)
        return _incoming(document, is_encrypted=False)

    def _decrypted(self, cipher: Cipher, query: Mapping[str, str], body: bytes) -> ReceivedPush:
        encrypted = read(body).fields.get("Encrypt")
        if query.get("encrypt_type") != _ENCRYPTED or not isinstance(encrypted, str):
            raise RefusedError(Refusal.PLAIN)
        signed = (query.get("timestamp", ""), query.get("nonce", ""), encrypted)
        if not is_signed(query.get("msg_signature", ""), self._token, *signed):
            raise RefusedError(Refusal.SIGNATURE)
        return _incoming(read(cipher.decrypt(encrypted)), is_encrypted=True)


def _incoming(document: Document, *, is_encrypted: bool) -> ReceivedPush:
    if not all(isinstance(document.fields.get(name), str) for name in (_SENDER, "MsgType")):
        raise RefusedError(Refusal.BODY)
    return ReceivedPush(
        fields=document.fields, text=document.text, form=document.form, is_encrypted=is_encrypted
    )
