"""Signatures of webhooks, as the Standard Webhooks specification 1.0 has them (``v1``).

HMAC-SHA256 over ``id.timestamp.body``, in base64, one for each secret: while two secrets overlap, a
receiver that knows either of them accepts the webhook.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from pydantic import SecretStr

PREFIX: Final = "whsec_"
#: Bytes of a secret, by the specification.
SHORTEST: Final = 24
LONGEST: Final = 64


def parse_secrets(text: str) -> tuple[SecretStr, ...]:
    """Return the secrets of *text*, newest first, with commas or lines between them.

    Raises ValueError for one that is not base64 of 24 to 64 bytes.
    """
    words = [word for word in re.split(r"[,\s]+", text.strip()) if word]
    if not words:
        raise ValueError("no secret")
    for word in words:
        if not SHORTEST <= len(_bytes(word)) <= LONGEST:
            raise ValueError("of another length")
    return tuple(map(SecretStr, words))


def _bytes(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        # Its own words may quote the secret.
        problem = ValueError("not base64")
    raise problem


def headers(
    event_id: str, body: bytes, *, at: datetime, secrets: Sequence[SecretStr]
) -> Mapping[str, str]:
    """Return the headers that sign *body* as the event *event_id*, sent at the moment *at*."""
    timestamp = str(int(at.timestamp()))
    signed = b".".join((event_id.encode(), timestamp.encode(), body))
    signatures = (
        hmac.digest(_bytes(secret.get_secret_value()), signed, hashlib.sha256) for secret in secrets
    )
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(
            f"v1,{base64.b64encode(signature).decode()}" for signature in signatures
        ),
    }
