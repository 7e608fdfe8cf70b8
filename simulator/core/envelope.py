"""Format of a push, in each mode, and of the answer to it (section 6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from xml.etree import ElementTree as ET

import orjson

from simulator.core.accounts import Account, Callback, PushFormat, PushMode
from simulator.core.cipher import UnreadableError, decrypted, encrypted, signature
from simulator.core.xml import Value, xml_of

CONTENT_TYPES: dict[PushFormat, str] = {"xml": "text/xml", "json": "application/json"}
MAX_TEXT_BYTES = 2_048
_NOTHING = frozenset({"", "success"})

Query: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A push as it leaves. `plain` is what the owner's server reads in the end."""

    mode: PushMode
    format: PushFormat
    plain: str
    body: str
    ciphertext: str | None

    def query(self, callback: Callback, *, timestamp: str, nonce: str) -> dict[str, str]:
        """Return the parameters that prove where it comes from."""
        query = {
            "signature": signature(callback.token, timestamp, nonce),
            "timestamp": timestamp,
            "nonce": nonce,
        }
        if self.ciphertext is not None:
            signed = signature(callback.token, timestamp, nonce, self.ciphertext)
            query |= {"encrypt_type": "aes", "msg_signature": signed}
        return query


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The answer of the owner's server; None for nothing to the follower."""

    fields: dict[str, Any] | None
    error: str | None = None
    """Why WeChat shows the follower that the account has no service now."""


def sealed(
    account: Account,
    fields: Mapping[str, Value],
    *,
    random: bytes,
    how: tuple[PushMode, PushFormat],
) -> Envelope:
    """Write a push for an account's server."""
    assert account.callback is not None
    mode, format_ = how
    plain = _written(fields, format_)
    if mode == "plain":
        return Envelope(mode=mode, format=format_, plain=plain, body=plain, ciphertext=None)
    key = account.callback.aes_key or ""
    ciphertext = encrypted(plain, key, appid=account.appid, random=random)
    shown = fields if mode == "compatible" else {"ToUserName": fields["ToUserName"]}
    body = _written({**shown, "Encrypt": ciphertext}, format_)
    return Envelope(mode=mode, format=format_, plain=plain, body=body, ciphertext=ciphertext)


def opened_reply(
    account: Account, answer: bytes, *, envelope: Envelope, callback: Callback
) -> Reply:
    """Read an answer of status 200: nothing, a message in plain, or an encrypted one."""
    text = answer.decode(errors="replace").strip()
    if text in _NOTHING:
        return Reply(fields=None)
    format_ = envelope.format
    try:
        fields = _read(text, format_)
        encrypted_reply = "Encrypt" in fields
        if encrypted_reply:
            fields = _read(_opened(fields, callback, appid=account.appid), format_)
    except (UnreadableError, UnicodeDecodeError) as error:
        return Reply(fields=None, error=str(error))
    if envelope.mode == "safe" and not encrypted_reply:
        return Reply(fields=None, error="a plain answer in safe mode")
    return Reply(fields=fields, error=_wrong(account, fields))


def _written(fields: Mapping[str, Value], format_: PushFormat) -> str:
    return xml_of(fields) if format_ == "xml" else orjson.dumps(fields).decode()


def _read(text: str, format_: PushFormat) -> dict[str, Any]:
    """Return the first level of XML, or where pushes are JSON the members of an object."""
    try:
        if format_ == "json" and text.startswith("{"):
            return dict(orjson.loads(text))
        root = ET.fromstring(text)  # noqa: S314 - the answer of the account's own server
    except (ET.ParseError, orjson.JSONDecodeError) as error:
        raise UnreadableError("neither `success` nor a message") from error
    return {child.tag: child.text or "" for child in root}


def _opened(fields: Mapping[str, Any], callback: Callback, *, appid: str) -> str:
    """Section 6.2: an answer has a timestamp and nonce of its own, and a signature over them."""
    if callback.aes_key is None:
        raise UnreadableError("an encrypted answer, and the account has no key")
    words = [str(fields.get(name, "")) for name in ("TimeStamp", "Nonce", "Encrypt")]
    if fields.get("MsgSignature") != signature(callback.token, *words):
        raise UnreadableError("MsgSignature does not fit")
    return decrypted(words[-1], callback.aes_key, appid=appid)


def _wrong(account: Account, fields: Mapping[str, Any]) -> str | None:
    """Section 6.5."""
    if fields.get("FromUserName") != account.original_id:
        return f"FromUserName is not the account's {account.original_id}"
    if not fields.get("ToUserName") or not str(fields.get("CreateTime", "")).isdigit():
        return "ToUserName or CreateTime is missing"
    if len(str(fields.get("Content", "")).encode()) > MAX_TEXT_BYTES:
        return f"Content is longer than {MAX_TEXT_BYTES} bytes"
    return None if fields.get("MsgType") else "MsgType is missing"
