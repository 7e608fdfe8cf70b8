"""WeChat's encryption of a push: AES-256-CBC, padded to 32 bytes, with length and appid inside.

Plain text = 16 random bytes, the message's length (4 bytes, big-endian), the message, the appid.
The key's first 16 bytes are the IV. (WeChat page on push encryption.)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher as _Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from pydantic import SecretStr

from broadcast.wechat.call_errors import WeChatError

#: What the console calls EncodingAESKey.
AES_KEY: Final = re.compile(r"[A-Za-z0-9]{43}\Z")
_RANDOM_BYTES = 16
_LENGTH_BYTES = 4
_BLOCK_BITS = 256


class Cipher:
    """Encrypts and decrypts for one account."""

    def __init__(self, *, appid: str, aes_key: SecretStr) -> None:
        """Take the AppID and the EncodingAESKey; raise ValueError, without it, if it is none."""
        text = aes_key.get_secret_value()
        if not AES_KEY.match(text):
            raise ValueError("an EncodingAESKey is 43 letters and digits")
        key = base64.b64decode(text + "=")
        self._appid = appid.encode()
        self._cipher = _Cipher(AES(key), CBC(key[:16]))

    def __repr__(self) -> str:
        """Show whose it is, never the key."""
        return f"Cipher(appid={self._appid.decode()!r})"

    def encrypt(self, message: bytes) -> str:
        """Return the message encrypted, in Base64."""
        body = secrets.token_bytes(_RANDOM_BYTES) + len(message).to_bytes(_LENGTH_BYTES, "big")
        padder, encryptor = PKCS7(_BLOCK_BITS).padder(), self._cipher.encryptor()
        padded = padder.update(body + message + self._appid) + padder.finalize()
        return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode("ascii")

    def decrypt(self, encrypted: str) -> bytes:
        """Return the message. Raises RefusedError, for another account's as well."""
        body = self._unpadded(encrypted)[_RANDOM_BYTES:]
        length = int.from_bytes(body[:_LENGTH_BYTES], "big")
        rest = body[_LENGTH_BYTES:]
        if len(body) < _LENGTH_BYTES or length > len(rest):
            raise RefusedError(Refusal.CIPHER)
        if not hmac.compare_digest(rest[length:], self._appid):
            raise RefusedError(Refusal.APPID)
        return rest[:length]

    def _unpadded(self, encrypted: str) -> bytes:
        try:
            data = base64.b64decode(encrypted, validate=True)
            decryptor, unpadder = self._cipher.decryptor(), PKCS7(_BLOCK_BITS).unpadder()
            padded = decryptor.update(data) + decryptor.finalize()
            return unpadder.update(padded) + unpadder.finalize()
        except (binascii.Error, ValueError):
            refused = RefusedError(Refusal.CIPHER)
        raise refused


def sign(token: SecretStr, *parts: str) -> str:
    """Return the signature over the token and these parts."""
    ordered = sorted(_bytes(part) for part in (token.get_secret_value(), *parts))
    return hashlib.sha1(b"".join(ordered)).hexdigest()  # noqa: S324 - WeChat's choice


def is_signed(given: str, token: SecretStr, *parts: str) -> bool:
    """Return, in a time that does not depend on *given*, whether it is the right signature."""
    return hmac.compare_digest(_bytes(given), sign(token, *parts).encode("ascii"))


def _bytes(text: str) -> bytes:
    # What came over the network may hold anything, and must not raise here.
    return text.encode("utf-8", "backslashreplace")


#: Fault of a push, in the order in which they are looked for.
Refusal = StrEnum(
    "Refusal",
    [
        "SIGNATURE",  #: missing or wrong: another token, or not WeChat
        "STALE",  #: signed too long ago, or in the future
        "PLAIN",  #: not encrypted, and this account has an AES key
        "ENCRYPTED",  #: encrypted, and this account has no AES key
        "BODY",  #: neither XML nor JSON of WeChat's form
        "CIPHER",  #: the encrypted part cannot be decrypted with this AES key
        "APPID",  #: decrypted, and meant for another account
    ],
)


class RefusedError(WeChatError):
    """A request that is not WeChat's, or not for this account. It carries nothing of it."""

    def __init__(self, refusal: Refusal) -> None:
        """Take why."""
        super().__init__(refusal.value)
        self.refusal = refusal
