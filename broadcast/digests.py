"""Digests of texts, as they are stored and compared."""

from __future__ import annotations

import hashlib


def sha256(text: str) -> str:
    """Return the SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()
