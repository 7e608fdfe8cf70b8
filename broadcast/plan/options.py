"""The options of a program's request beside its body: what the same key compares, and what differs.

A row keeps one digest of them. What a stored broadcast has in plain is tried until it makes that
digest, so a difference is named only where it is certain.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from typing import Any, Final, TypeAlias

from broadcast.frozen import frozen

#: By name, without those that were left out.
Said: TypeAlias = Mapping[str, Any]
#: In this order they are named.
NAMES: Final = ("title", "priority", "late_by", "spread_days", "again", "notify")


@frozen
class Options:
    """What a request says beside its body."""

    said: Said
    #: What one that is left out comes to today.
    defaults: Said = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over what was said, in hex: kept for as long as the key is."""
        return _digest(self.said)

    def digests(self, stored: Stored | None) -> frozenset[str]:
        """Return those of all requests that say the same as this one of what is *stored*.

        A default may be written out or not where the row has that value: today's may be another.
        """
        if stored is None:
            return frozenset({self.digest})
        has = {**self.defaults, **stored.filled}
        mine = {name: one for name, one in {**self.defaults, **self.said}.items() if name in has}
        free = {name: one for name, one in mine.items() if one == has[name]}
        certain = {name: one for name, one in self.said.items() if name not in free}
        return frozenset(map(_digest, _each(certain, free)))

    def differing(self, digest: str, possible: Iterable[Said], stored: Stored | None) -> list[str]:
        """Return which options differ from those of *digest*, which are among the *possible*.

        None are named where they are not.
        """
        there = next((one for one in possible if _digest(one) == digest), None)
        if there is None:
            return []
        mine = {**self.defaults, **self.said}
        theirs = {**self.defaults, **({} if stored is None else stored.filled), **there}
        either = self.said.keys() | there.keys()
        return [name for name in NAMES if name in either and mine.get(name) != theirs.get(name)]


@frozen
class Stored:
    """What a broadcast's row has of the options of its request."""

    title: str | None
    priority: int
    late_by_s: int
    spread_days: bool
    notify_url: str | None

    @property
    def filled(self) -> Said:
        """What it has of the options that have a default, said or not."""
        notify = None if self.notify_url is None else {"url": self.notify_url}
        # While its list is awaited, its time is that of the settings when the list comes.
        return {"notify": notify, **({"late_by": float(self.late_by_s)} if self.late_by_s else {})}

    def possible(self) -> Iterator[Said]:
        """Yield each request that may have led to it."""
        certain = {
            "title": self.title, "priority": self.priority or None,
            "spread_days": self.spread_days or None,
        }  # fmt: skip
        # No column shows whether these were said, or are of the settings.
        maybe: dict[str, Any] = {"again": True, "late_by": float(self.late_by_s)}
        if self.notify_url is not None:
            maybe["notify"] = {"url": self.notify_url}
        rest = {name: value for name, value in certain.items() if value is not None}
        return _each(rest, maybe)


def _each(certain: Said, maybe: Said) -> Iterator[Said]:
    """Yield *certain* with each part of *maybe*."""
    for parts in itertools.product((False, True), repeat=len(maybe)):
        chosen: Iterable[str] = itertools.compress(maybe, parts)
        yield {**certain, **{name: maybe[name] for name in chosen}}


def _digest(said: Said) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
