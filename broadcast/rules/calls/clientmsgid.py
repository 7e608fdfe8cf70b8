"""WeChat's idempotency key for one batch.

25 characters, because 34 and 36 were seen refused (45067) although 64 bytes are documented. Made of
what is sent and to whom, never of a serial number, a clock or an attempt, so that a restored
database or a repeated request makes the same key again.
"""

from __future__ import annotations

import base64
import hashlib

LENGTH = 25


def derive(*, appid: str, key: str, content: str, packed: bytes) -> str:
    """Return the clientmsgid of the batch whose OpenIDs are *packed*.

    *content* is the canonical JSON of the content, *key* the broadcast's own key.
    """
    digest = hashlib.sha256()
    for part in (appid.encode(), key.encode(), content.encode(), packed):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return base64.b32encode(digest.digest()).decode("ascii")[:LENGTH].lower()
