"""OpenIDs: 28 case-sensitive characters of ``[A-Za-z0-9_-]`` (WeChat page of user/get).

That alphabet is base64url's own, so four characters are exactly three bytes and a packed list of
OpenIDs is plain base64url decoding: 21 bytes a follower instead of 28, without separators.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator

LENGTH = 28
PACKED_LENGTH = 21
PATTERN = re.compile(rb"[A-Za-z0-9_-]{28}\Z")
#: In the place of an erased person in a list, so that everybody else stays at their place.
ERASED = b"erased-" * 4


def is_openid(value: bytes) -> bool:
    """Return whether *value* has the form of an OpenID, and stands for nobody erased."""
    return value != ERASED and PATTERN.match(value) is not None


def pack(openids: bytes) -> bytes:
    """Pack OpenIDs that stand one behind the other without separators."""
    return base64.urlsafe_b64decode(openids)


def unpack(packed: bytes) -> bytes:
    """Return the OpenIDs of *packed*, one behind the other without separators."""
    return base64.urlsafe_b64encode(packed)


def present(openids: bytes) -> bytes:
    """Return OpenIDs that stand one behind the other without those of erased people."""
    if ERASED not in openids:
        return openids
    return b"".join(one for one in each(openids) if one != ERASED)


def place_of(one: bytes, packed: bytes) -> int | None:
    """Return the place of an OpenID in a packed list, from 0; None: it is not there."""
    wanted = pack(one)
    at = packed.find(wanted)
    while at % PACKED_LENGTH and at >= 0:
        at = packed.find(wanted, at + 1)
    return at // PACKED_LENGTH if at >= 0 else None


def each(openids: bytes) -> Iterator[bytes]:
    """Yield the OpenIDs that stand one behind the other."""
    for start in range(0, len(openids), LENGTH):
        yield openids[start : start + LENGTH]


def each_of(pieces: Iterable[bytes]) -> Iterator[str]:
    """Yield the OpenIDs of packed pieces."""
    for packed in pieces:
        for one in each(unpack(packed)):
            yield one.decode("ascii")


def with_end(openids: bytes, end: bytes) -> bytes:
    """Return OpenIDs that stand one behind the other, each with *end* behind it."""
    return b"".join([one + end for one in each(openids)])
