"""OpenIDs one by one, where the project itself takes them many at a time."""

from __future__ import annotations

from collections.abc import Iterator

from broadcast.openid import LENGTH


def split(openids: bytes) -> Iterator[str]:
    """Yield each OpenID of a string without separators."""
    text = openids.decode("ascii")
    for start in range(0, len(text), LENGTH):
        yield text[start : start + LENGTH]
