"""Signatures: SHA-1 over the sorted parts, of which one is the secret token (WeChat's choice)."""

from __future__ import annotations

import hashlib
import hmac

from pydantic import SecretStr


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
