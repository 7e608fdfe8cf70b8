"""Requests that are not WeChat's, made by hand and by chance, each with what may become of it."""

from __future__ import annotations

import base64
import http.client
import random
import string
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from broadcast.wechat.callback.push_body import Form, written
from tests.kit.pushes import Sender, event, text

#: `taken`: it is WeChat's. `refused`: it is not. `either`: who has the token may write what they
#: like in plain mode, and chance may write something that is a message.
Verdict: TypeAlias = Literal["taken", "refused", "either"]
LAUGHS: Final = (
    '<!DOCTYPE l [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1 or str()};" * 10}">' for n in range(1, 10))
    + "]><xml><FromUserName>&a9;</FromUserName><MsgType>text</MsgType></xml>"
)
EXTERNAL: Final = (
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><FromUserName>&a;</FromUserName>'
    "<MsgType>text</MsgType></xml>"
)
PARAMETER: Final = '<!DOCTYPE x [<!ENTITY % a SYSTEM "http://127.0.0.1:1/x">%a;]><xml/>'
MEGABYTES: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One request."""

    kind: str
    path: str
    query: Mapping[str, str]
    body: bytes | None = None
    verdict: Verdict = "refused"
    method: str = "POST"
    #: In pieces, without saying how long it is.
    chunked: bool = False
    #: Which message of WeChat's it carries; the same one is stored once.
    message: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; status 0: nothing."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A request of WeChat's that somebody has written down, and what was in it."""

    attack: Attack
    sender: Sender
    fields: Mapping[str, str | int]


class Attacker:
    """Makes requests to two accounts: one without and one with an AES key."""

    def __init__(self, plain: Sender, safe: Sender, *, seed: int) -> None:
        self._plain, self._safe = plain, safe
        self._random = random.Random(seed)
        self._count = 0
        self._heard: deque[Heard] = deque(maxlen=1000)

    def requests(self, count: int) -> Iterator[Attack]:
        """Yield so many requests."""
        kinds = list(_KINDS)
        for number in range(count):
            if number % 1000 == 500:
                yield self._large(chunked=number % 2000 == 500)
                continue
            self._count += 1
            yield self._random.choice(kinds)(self)

    def _of(self, sender: Sender, kind: str, query: Mapping[str, str], body: bytes) -> Attack:
        return Attack(kind=kind, path=urlsplit(sender.url).path, query=query, body=body)

    def _fields(self) -> dict[str, str | int]:
        # Seconds that no other test of this database uses.
        at = 1_000_000_000 + self._count
        if self._random.random() < 0.5:
            return event(self._random.choice(["subscribe", "VIEW", "CLICK"]), at=at)
        return text(self._random.choice(["退订", "TD", "你好", "x"]), number=at)

    def _message(self) -> bytes:
        return written(self._fields(), self._random.choice(list(Form)))

    def genuine(self) -> Attack:
        """Right in everything."""
        both = self._random.random() < 0.3
        sender = replace(self._safe, form=self._random.choice(list(Form)), both=both)
        fields = self._fields()
        attack = replace(
            self._of(sender, "genuine", *sender.request(fields)),
            verdict="taken",
            message=self._count,
        )
        self._heard.append(Heard(attack=attack, sender=sender, fields=fields))
        return attack

    def replayed(self) -> Attack:
        """A request that was once right, again: as it was, signed anew, or changed in one part.

        Who changes nothing, or is WeChat, is taken, and the message is not stored twice.
        """
        if not self._heard:
            return self.genuine()
        heard, other = self._random.choice(self._heard), self._random.choice(self._heard)
        again = replace(heard.attack, kind="replayed")
        how = self._random.randrange(5)
        if how == 0:
            return again
        if how == 1:  # WeChat's own repeat: another ciphertext, another second, the same nonce
            encrypted = heard.sender.cipher().encrypt(written(heard.fields, heard.sender.form))
            body = written({"ToUserName": "gh_1", "Encrypt": encrypted}, heard.sender.form)
            late = heard.sender.query(encrypted, at=int(time.time()) - self._random.randrange(3600))
            return replace(again, query=late, body=body)
        again = replace(again, verdict="refused", message=None)
        if how == 2 and other is not heard:  # the body of another
            return replace(again, body=other.attack.body)
        name = self._random.choice(["timestamp", "nonce", "signature", "msg_signature"])
        if how == 3 and other.attack.query[name] != heard.attack.query[name]:
            return replace(again, query={**again.query, name: other.attack.query[name]})
        stale = {"timestamp": str(int(time.time()) - self._random.randrange(8 * 86_400, 10**9))}
        return replace(again, query={**again.query, **stale})

    def forged(self) -> Attack:
        """Signed with another token, not at all, or with half a signature."""
        sender = self._random.choice([self._plain, self._safe])
        query, body = replace(sender, token="guessed").request(self._fields())
        damage = self._random.choice(["signature", "timestamp", "nonce", "msg_signature", ""])
        query = {name: value for name, value in query.items() if name != damage}
        if self._random.random() < 0.3:
            query["signature"] = self._random.choice(["", "0" * 40, "签" * 40, "a" * 5000])
        return self._of(sender, "forged", query, body)

    def borrowed(self) -> Attack:
        """The signature of a request that was seen, with another body, to an account with a key."""
        query, _ = self._safe.request(self._fields())
        other = written({"Encrypt": self._safe.cipher().encrypt(self._message())}, Form.XML)
        return self._of(
            self._safe, "borrowed", query, self._random.choice([other, self._message()])
        )

    def stray(self) -> Attack:
        """Encrypted with the right key for another account."""
        query, body = replace(self._safe, appid="wx9999999999999999").request(self._fields())
        return self._of(self._safe, "stray", query, body)

    def old(self) -> Attack:
        """Signed long ago, or far ahead."""
        away = self._random.choice([-1, 1]) * self._random.randrange(8 * 86_400, 10**9)
        query = self._plain.query(at=int(time.time()) + away)
        return self._of(self._plain, "old", query, self._message())

    def expanding(self) -> Attack:
        """Entities, in clear and inside of what is encrypted."""
        bomb = self._random.choice([LAUGHS, EXTERNAL, PARAMETER]).encode()
        if self._random.random() < 0.5:
            return self._of(self._plain, "expanding", self._plain.query(), bomb)
        return self._sealed("expanding", self._safe.cipher().encrypt(bomb))

    def deep(self) -> Attack:
        """Nested without end."""
        depth = self._random.randrange(11, 30_000)
        body = self._random.choice([b"<xml>" + b"<a>" * depth, b'{"a":' * depth, b"[" * depth])
        return self._of(self._plain, "deep", self._plain.query(), body)

    def broken(self) -> Attack:
        """Signed ciphertext that is none: Base64, length, padding, block size."""
        whole = self._safe.cipher().encrypt(self._message())
        raw = base64.b64decode(whole)
        at = self._random.randrange(len(whole))
        ciphertext = self._random.choice(
            [
                whole[:at],
                whole[: at // 44 * 44],
                "=" + whole,
                whole.replace("A", "*") + "*",
                base64.b64encode(raw[: len(raw) // 2 // 16 * 16]).decode(),
                base64.b64encode(raw[:-1] + bytes([raw[-1] ^ 1])).decode(),
                base64.b64encode(self._random.randbytes(self._random.randrange(200))).decode(),
                self._padded_by_16(),
                "",
                " ",
                "é" * 64,
                "\u0000",
            ]
        )
        return self._sealed("broken", ciphertext)

    def _padded_by_16(self) -> str:
        """Encrypt as other software does: with no padding of WeChat's, or with a lying length."""
        key = base64.b64decode((self._safe.aes_key or "") + "=")
        length = self._random.choice([0xFFFFFFFF, 0, 10**6]).to_bytes(4, "big")
        inside = self._random.randbytes(16) + length + self._message()
        inside += b"\x00" * (-len(inside) % 16)
        encryptor = BlockCipher(AES(key), CBC(key[:16])).encryptor()
        return base64.b64encode(encryptor.update(inside) + encryptor.finalize()).decode()

    def mixed(self) -> Attack:
        """In clear to who wants it encrypted, and the other way round."""
        if self._random.random() < 0.5:
            query, body = replace(self._safe, aes_key=None).request(self._fields())
            if self._random.random() < 0.5:
                query = {**query, "encrypt_type": "aes"}
            return self._of(self._safe, "mixed", query, body)
        query, body = self._safe.request(self._fields())
        return self._of(self._plain, "mixed", query, body)

    def not_utf8(self) -> Attack:
        """Other encodings, and none."""
        word = "退订"
        body = self._random.choice(
            [
                f'<?xml version="1.0" encoding="gbk"?><xml>{word}</xml>'.encode("gbk"),
                f"<xml><MsgType>{word}</MsgType></xml>".encode("utf-16"),
                b"<xml><MsgType>\xed\xa0\x80</MsgType></xml>",
                b'{"MsgType": "\xff", "FromUserName": "o"}',
                b'{"MsgType": "\\ud800", "FromUserName": "o"}',
            ]
        )
        return self._of(self._plain, "not_utf8", self._plain.query(), body)

    def by_chance(self) -> Attack:
        """Right in form, with any bytes changed, doubled or gone, from somebody with the token."""
        message = bytearray(self._message())
        for _ in range(self._random.randrange(1, 6)):
            at = self._random.randrange(len(message))
            piece = self._random.choice(
                [b"", b"<", b"&", b"\x00", b"]]>", b"\xff", message[at : at + 9]]
            )
            message[at : at + self._random.randrange(4)] = piece
        attack = self._of(self._plain, "by_chance", self._plain.query(), bytes(message))
        return replace(attack, verdict="either")

    def elsewhere(self) -> Attack:
        """Other paths, accounts and methods."""
        path = self._random.choice(
            [
                "/",
                "/wechat/none/callback",
                "/wechat//callback",
                "/wechat/..%2fsafe/callback",
                "/wechat/safe/callback/",
                "/docs",
                "/wechat/%00/callback",
                "/wechat/%ff/callback",
            ]
        )
        method = self._random.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
        query = {**self._safe.query(), "echostr": "1"}
        return Attack(kind="elsewhere", path=path, query=query, body=b"<xml/>", method=method)

    def check(self) -> Attack:
        """A check of the URL that is not WeChat's, or asks for an echo that is no number."""
        echo = "".join(self._random.choices(string.printable, k=self._random.randrange(20)))
        query = {**replace(self._plain, token="guessed").query(), "echostr": echo}
        path = urlsplit(self._plain.url).path
        return Attack(kind="check", path=path, query=query, method="GET")

    def _sealed(self, kind: str, ciphertext: str) -> Attack:
        body = written({"ToUserName": "gh_1", "Encrypt": ciphertext}, Form.JSON)
        return self._of(self._safe, kind, self._safe.query(ciphertext), body)

    def _large(self, *, chunked: bool) -> Attack:
        attack = self._of(self._plain, "large", self._plain.query(), b"")
        return replace(attack, chunked=chunked)


_KINDS: Final[tuple[Callable[[Attacker], Attack], ...]] = (
    Attacker.genuine,
    Attacker.replayed,
    Attacker.forged,
    Attacker.borrowed,
    Attacker.stray,
    Attacker.old,
    Attacker.expanding,
    Attacker.deep,
    Attacker.broken,
    Attacker.mixed,
    Attacker.not_utf8,
    Attacker.by_chance,
    Attacker.elsewhere,
    Attacker.check,
)


def made(url: str, attack: Attack) -> Answer:
    """Make one request; a connection that the server cuts is an answer too."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=240)
    target = f"{attack.path}?{urlencode(attack.query)}"
    try:
        if attack.kind == "large":
            return _poured(connection, target, chunked=attack.chunked)
        connection.request(attack.method, target, attack.body)
        response = connection.getresponse()
        return Answer(status=response.status, body=response.read())
    except OSError:
        return Answer(status=0, body=b"")
    finally:
        connection.close()


def _poured(connection: http.client.HTTPConnection, target: str, *, chunked: bool) -> Answer:
    """Send 50 MB, announced or not, for as long as the server takes any."""
    connection.putrequest("POST", target)
    megabyte = b"x" * 1_048_576
    if chunked:
        connection.putheader("Transfer-Encoding", "chunked")
    else:
        connection.putheader("Content-Length", str(MEGABYTES * len(megabyte)))
    connection.endheaders()
    piece = b"%x\r\n%s\r\n" % (len(megabyte), megabyte) if chunked else megabyte
    for _ in range(MEGABYTES):
        connection.send(piece)
    response = connection.getresponse()
    return Answer(status=response.status, body=response.read())
