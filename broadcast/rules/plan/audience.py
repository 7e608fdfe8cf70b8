"""Audience of a broadcast as the request names it; the plan resolves it.

Digests for "same key, same body" and for the look for a repeated send are over the audience as
asked: a follower who leaves in between makes no other broadcast of it.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import ClassVar, TypeAlias

from broadcast.digests import sha256
from broadcast.enums import is_recognised
from broadcast.frozen import frozen
from broadcast.rules.calls.outcomes import SendPath


@frozen
class OpenIDs:
    """A list of OpenIDs that was given."""

    kind: ClassVar[str] = "openids"
    path: ClassVar[SendPath] = SendPath.MASS_SEND

    #: SHA-256 in hex over the sorted OpenIDs, one behind the other.
    digest: str


@frozen
class Followers:
    """The account's followers by our own copy of WeChat's list, all or those with a tag."""

    kind: ClassVar[str] = "followers"
    path: ClassVar[SendPath] = SendPath.MASS_SEND

    tag_id: int | None = None


@frozen
class Tag:
    """The followers with a tag at WeChat when the call is made; the list is WeChat's."""

    kind: ClassVar[str] = "tag"
    path: ClassVar[SendPath] = SendPath.SENDALL

    tag_id: int


@frozen
class Everyone:
    """Every follower at the moment of the call; the list is WeChat's."""

    kind: ClassVar[str] = "everyone"
    path: ClassVar[SendPath] = SendPath.SENDALL


Audience: TypeAlias = OpenIDs | Followers | Tag | Everyone
_KINDS: dict[str, type[OpenIDs | Followers | Tag | Everyone]] = {
    kind.kind: kind for kind in (OpenIDs, Followers, Tag, Everyone)
}


#: What this release knows; another kind is for a newer release to plan and to call.
KINDS = frozenset(_KINDS)


def is_understood(path: SendPath, kind: str) -> bool:
    """Return whether this release knows an interface and a kind of audience that it read."""
    return is_recognised(path) and kind in KINDS


def spec(audience: Audience) -> str:
    """Return what a row keeps of an audience beside its kind: canonical JSON."""
    return json.dumps(asdict(audience), sort_keys=True, separators=(",", ":"))


def parse(kind: str, stored: str) -> Audience:
    """Return an audience from its row. Raises KeyError for a kind that this release lacks."""
    return _KINDS[kind](**json.loads(stored))


def digest(audience: Audience) -> str:
    """Return the digest that identifies an audience, in hex; of a list that of its OpenIDs."""
    if isinstance(audience, OpenIDs):
        return audience.digest
    return sha256(canonical_filter(audience))


def canonical_filter(audience: Audience) -> str:
    """Return an audience without a list in its canonical form; a call to it is keyed by this."""
    return f"{audience.kind}:{spec(audience)}"


def left_since(kind: str, *, given_at: datetime) -> datetime | None:
    """Return from when on who leaves is taken off a list that was given; None: it is no such list.

    Whoever was known to have left before stays on it by an operator's will. WeChat says the second
    alone.
    """
    return given_at.replace(microsecond=0) if kind == OpenIDs.kind else None
