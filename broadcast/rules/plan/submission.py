"""Submissions: content and audience of a broadcast, figures of its list, and its terms."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime, timedelta
from itertools import compress, product
from typing import Any, Final, TypeAlias

from broadcast.digests import sha256
from broadcast.errors import OutOfReachError
from broadcast.frozen import frozen
from broadcast.rules.accounts import Account
from broadcast.rules.drafts import Marks
from broadcast.rules.gates.lateness import LATE_BY
from broadcast.rules.plan import audience as audiences
from broadcast.rules.plan.audience import Audience
from broadcast.rules.plan.proof import Proof
from broadcast.rules.plan.selection import EVERYBODY, Selection


@frozen
class Body:
    """Content, audience and time of a broadcast: the subject of "the same body"."""

    account: Account
    key: str
    content: str
    content_digest: str
    msgtype: str
    audience: Audience
    selection: Selection = EVERYBODY
    scheduled_at: datetime | None = None
    #: What the draft says now, where it was read: no part of what is compared.
    draft: Marks | None = None
    #: Of a program's request its other options: compared with those of another request. A person's
    #: command has None, and is compared by the rest alone.
    options: Options | None = None
    #: The id that was reserved under its key, where its list came later: no part either.
    reserved: str | None = None

    @property
    def audience_digest(self) -> str:
        """Digest of its audience, as it was asked for."""
        return audiences.digest(self.audience)

    @property
    def digest(self) -> str:
        """SHA-256 over what every door can say, in hex: kept for as long as the key is."""
        at = self.scheduled_at and self.scheduled_at.astimezone(UTC).isoformat()
        whole = [
            self.content_digest,
            self.audience.kind,
            self.audience_digest,
            at,
            self.selection.stored,
        ]
        return sha256(json.dumps(whole))

    @property
    def request_digest(self) -> str:
        """SHA-256 over that and over what only a program's request has beside it, in hex."""
        return self._with_options(None if self.options is None else self.options.digest)

    def request_digests(self, stored: Stored | None) -> frozenset[str]:
        """Return those of all requests that say the same as this one of what is *stored*."""
        if self.options is None:
            return frozenset({self.request_digest})
        return frozenset(map(self._with_options, self.options.digests(stored)))

    def _with_options(self, digest: str | None) -> str:
        return sha256(f"{self.digest} {digest}")


@frozen
class Figures:
    """Figures of a list: the sum of all but ``read`` is ``read``."""

    read: int = 0
    malformed: int = 0
    duplicate: int = 0
    #: How many remain; None where only the plan shows it.
    planned: int | None
    #: Calls that it takes if the plan subtracts nobody; None as above.
    calls: int | None
    #: By reason: (count, [(line, text), …] of the first).
    samples: Mapping[str, tuple[int, Sequence[tuple[int, str]]]]


@frozen
class LaunchOf:
    """The launch of a campaign that a broadcast is."""

    id: int
    #: People in its audience, as far as is known.
    size: int | None = None


@frozen
class Terms:
    """Terms that the submitter allowed."""

    who: str
    again: bool = False
    spread_days: bool = False
    #: Of an account's broadcasts the highest goes first, among equals the oldest.
    priority: int = 0
    #: OpenIDs in one call at most.
    batch_size: int = 10_000
    late_by: timedelta = LATE_BY
    #: How long its first call is kept back, so that a person can call it off.
    cooling_off: timedelta = timedelta()
    title: str | None = None
    #: Who hears by webhooks how it ended; None: whom the account names, if it names one.
    notify_url: str | None = None
    #: Since when it may have waited for a worker, by the database's clock; None: since now.
    waiting_since: datetime | None = None
    #: None: no campaign's.
    launch: LaunchOf | None = None


@frozen
class Published:
    """A broadcast that came into sight."""

    proof: Proof
    #: It waits for its time; else it goes out at once.
    scheduled: bool
    #: The database's moment by which that was decided.
    now: datetime
    #: Until when its first call is kept back for its sender; None: it is not.
    cooling_off_until: datetime | None = None


class TakenOverError(OutOfReachError):
    """An upload was silent for so long that it was given up; the same request goes through."""


class BeingStoredError(Exception):
    """The list that a broadcast waits for is being stored by somebody else."""

    def __init__(self, *, is_other: bool) -> None:
        """Take whether that is another list."""
        super().__init__()
        self.is_other = is_other


class PublishedMeanwhileError(Exception):
    """The same body was published under the same key after a caller's look for it."""

    def __init__(self, broadcast_id: str) -> None:
        """Take the id of the broadcast that is there."""
        super().__init__(broadcast_id)
        self.id = broadcast_id


@frozen
class KeyLookup:
    """Result of a look-up by idempotency key."""

    existing: str | None
    #: The database's moment, before the look: what it did not find was not stored by then.
    now: datetime
    #: What this machine took for the same moment.
    machine_now: datetime


#: By name, without those that were left out.
Said: TypeAlias = Mapping[str, Any]
#: In this order they are named.
NAMES: Final = ("title", "priority", "late_by", "spread_days", "again", "notify")


@frozen
class Options:
    """Options of a request beside its body."""

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
    """Stored options of a broadcast's request."""

    title: str | None
    priority: int
    late_by_s: int
    spread_days: bool
    notify_url: str | None

    @property
    def filled(self) -> Said:
        """Options that have a default, given or not."""
        notify = None if self.notify_url is None else {"url": self.notify_url}
        # While its list is awaited, its time is that of the settings when the list comes.
        return {"notify": notify, **({"late_by": float(self.late_by_s)} if self.late_by_s else {})}

    def possible(self) -> Iterator[Said]:
        """Yield each request that may have led to it."""
        certain = {
            "title": self.title,
            "priority": self.priority or None,
            "spread_days": self.spread_days or None,
        }
        # No column shows whether these were said, or are of the settings.
        maybe: dict[str, Any] = {"again": True, "late_by": float(self.late_by_s)}
        if self.notify_url is not None:
            maybe["notify"] = {"url": self.notify_url}
        rest = {name: value for name, value in certain.items() if value is not None}
        return _each(rest, maybe)


def _each(certain: Said, maybe: Said) -> Iterator[Said]:
    """Yield *certain* with each part of *maybe*."""
    for parts in product((False, True), repeat=len(maybe)):
        chosen: Iterable[str] = compress(maybe, parts)
        yield {**certain, **{name: maybe[name] for name in chosen}}


def _digest(said: Said) -> str:
    return sha256(json.dumps(said, sort_keys=True))
