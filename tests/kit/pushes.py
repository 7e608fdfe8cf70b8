"""Pushes as WeChat sends them, in every mode and form, for tests of the callback server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import requests
from pydantic import SecretStr

from broadcast.wechat.callback import Cipher
from broadcast.wechat.callback.cipher import sign
from broadcast.wechat.callback.push_body import Form, read, written

TOKEN = "Tok3nTok3nTok3n"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
OPENID = "oTEST0000000000000000000001A"
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """WeChat's side of one account: it pushes to *url*."""

    url: str
    appid: str
    token: str = TOKEN
    aes_key: str | None = None
    form: Form = Form.XML
    #: In clear beside what is encrypted, as in compatible mode.
    both: bool = False

    def query(self, encrypted: str = "", *, at: int | None = None) -> dict[str, str]:
        """The signed query of a request."""
        timestamp, nonce = str(int(time.time()) if at is None else at), "486452656"
        token = SecretStr(self.token)
        signed = {
            "signature": sign(token, timestamp, nonce),
            "timestamp": timestamp,
            "nonce": nonce,
            "openid": OPENID,
        }
        if self.aes_key is None:
            return signed
        signature = sign(token, timestamp, nonce, encrypted)
        return {**signed, "encrypt_type": "aes", "msg_signature": signature}

    def request(self, fields: Mapping[str, str | int]) -> tuple[dict[str, str], bytes]:
        """Query and body of a push."""
        message = written(fields, self.form)
        if self.aes_key is None:
            return self.query(), message
        encrypted = self.cipher().encrypt(message)
        clear = fields if self.both else {"ToUserName": fields["ToUserName"]}
        return self.query(encrypted), written({**clear, "Encrypt": encrypted}, self.form)

    def push(self, fields: Mapping[str, str | int]) -> requests.Response:
        """Push once."""
        query, body = self.request(fields)
        return requests.post(self.url, params=query, data=body, timeout=TIMEOUT_S)

    def check(self, echo: str) -> requests.Response:
        """Check the URL, as when the account's page is saved."""
        query = {**self.query(), "echostr": echo}
        return requests.get(self.url, params=query, timeout=TIMEOUT_S)

    def cipher(self) -> Cipher:
        """The account's cipher."""
        assert self.aes_key is not None
        return Cipher(appid=self.appid, aes_key=SecretStr(self.aes_key))

    def heard(self, answer: requests.Response) -> str:
        """The text of a passive reply."""
        fields = read(answer.content).fields
        if self.aes_key is not None:
            parts = (str(fields["TimeStamp"]), str(fields["Nonce"]), fields["Encrypt"])
            assert fields["MsgSignature"] == sign(SecretStr(self.token), *parts)
            fields = read(self.cipher().decrypt(fields["Encrypt"])).fields
        return str(fields["Content"])


def event(name: str, *, openid: str = OPENID, at: int = 1_764_200_000) -> dict[str, str | int]:
    """The fields of an event that a follower caused."""
    return {
        "ToUserName": "gh_0123456789ab",
        "FromUserName": openid,
        "CreateTime": at,
        "MsgType": "event",
        "Event": name,
        "EventKey": "",
    }


def text(
    content: str, *, number: int, openid: str = OPENID, at: int = 1_764_200_000
) -> dict[str, str | int]:
    """The fields of a message that a follower wrote."""
    return {
        "ToUserName": "gh_0123456789ab",
        "FromUserName": openid,
        "CreateTime": at,
        "MsgType": "text",
        "Content": content,
        "MsgId": number,
    }


def finished(msg_id: int, *, status: str = "send success", total: int = 2) -> dict[str, str | int]:
    """The fields of the end of a job."""
    helper = event("MASSSENDJOBFINISH", openid="oHELP00000000000000000000mph")
    counts = {"TotalCount": total, "FilterCount": total, "SentCount": total, "ErrorCount": 0}
    return {**helper, "MsgID": msg_id, "Status": status, **counts}
