"""The clientmsgid of a batch: for 24 hours WeChat takes one send with it, and no more.

It is made of all that a call says, so that a repeat has the same one, and any other call another.
"""

from __future__ import annotations

import base64
import hashlib

LENGTH = 25


def clientmsgid_of(*, appid: str, key: str, content: str, packed: bytes) -> str:
    """Return the clientmsgid of the batch whose OpenIDs are *packed*.

    *content* is the canonical JSON of the content, *key* the broadcast's own key. Of a send by
    WeChat's own list *packed* is its canonical filter.
    """
    digest = hashlib.sha256()
    for part in (appid.encode(), key.encode(), content.encode(), packed):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return base64.b32encode(digest.digest()).decode("ascii")[:LENGTH].lower()
