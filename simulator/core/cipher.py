"""The encryption of pushes and of the answers to them (section 6.2)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEY_FORM = r"^[A-Za-z0-9]{43}$"
_RANDOM = 16
_LENGTH = 4
_BLOCK = 32


class UnreadableError(ValueError):
    """Text that was not encrypted for this account; the message says what is wrong."""


def signature(*words: str) -> str:
    """Return the signature of a request over its token, timestamp, nonce and ciphertext."""
    return hashlib.sha1("".join(sorted(words)).encode()).hexdigest()  # noqa: S324 - WeChat's choice


def encrypted(text: str, key: str, *, appid: str, random: bytes) -> str:
    """Return a text as `Encrypt` carries it; `random` is 16 bytes."""
    content = text.encode()
    whole = random + len(content).to_bytes(_LENGTH, "big") + content + appid.encode()
    missing = _BLOCK - len(whole) % _BLOCK
    encryptor = _cipher(key).encryptor()
    padded = encryptor.update(whole + bytes([missing]) * missing) + encryptor.finalize()
    return base64.b64encode(padded).decode()


def decrypted(text: str, key: str, *, appid: str) -> str:
    """Return the plain text of `Encrypt`.

    Raises:
        UnreadableError: another key or appid, or no ciphertext at all.
    """
    try:
        raw = base64.b64decode(text, validate=True)
        decryptor = _cipher(key).decryptor()
        padded = decryptor.update(raw) + decryptor.finalize()
    except (binascii.Error, ValueError) as error:
        raise UnreadableError("Encrypt is no ciphertext") from error
    missing = padded[-1] if padded else 0
    if not 1 <= missing <= _BLOCK or padded[-missing:] != bytes([missing]) * missing:
        raise UnreadableError("wrong padding: another key, or blocks of 16 bytes instead of 32")
    whole = padded[:-missing]
    length = int.from_bytes(whole[_RANDOM : _RANDOM + _LENGTH], "big")
    content, owner = whole[_RANDOM + _LENGTH :][:length], whole[_RANDOM + _LENGTH + length :]
    if len(content) != length or owner != appid.encode():
        raise UnreadableError("the appid behind the text is another one")
    return content.decode()


def _cipher(key: str) -> Cipher[modes.CBC]:
    if not re.fullmatch(KEY_FORM, key):
        raise UnreadableError("the key is not 43 letters and digits")
    raw = base64.b64decode(key + "=")
    return Cipher(algorithms.AES(raw), modes.CBC(raw[:16]))
