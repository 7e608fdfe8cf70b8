"""Accepted mass sends, their ids, and the clientmsgids that were used (sections 2.2 to 4.3)."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from simulator.errors import RefusalError
from simulator.openid import Numbers
from simulator.switches import Switches

JobKind = Literal["send", "tag", "all"]
JobStatus = Literal["SENDING", "SEND_SUCCESS", "SEND_FAIL", "DELETE"]

# Section 2.2: observed ranges.
FIRST_MSG_ID = 2**31 + 10**9 + 1
FIRST_MSG_ID_TO_ALL = 10**9 + 1
FIRST_MSG_DATA_ID = 2_400_000_001


@dataclass(slots=True, kw_only=True)
class Job:
    """One accepted mass send. `total` and `eligible` are the event's TotalCount, FilterCount."""

    msg_id: int
    msg_data_id: int
    appid: str
    kind: JobKind
    clientmsgid: str | None
    size: int
    total: int
    eligible: int
    accepted_at: float
    content: dict[str, Any]
    content_digest: str
    recipients: Numbers | None
    forced_status: JobStatus | None = None

    def status(self, now: float, switches: Switches) -> JobStatus:
        """Return what mass/get says now.

        Raises:
            RefusalError: 40059, the job is not visible yet (section 4.3).
        """
        age_s = now - self.accepted_at
        if self.forced_status is not None:
            return self.forced_status
        if age_s < switches.job_unknown_s:
            raise RefusalError(40059)
        if age_s < switches.job_delay_s:
            return "SENDING"
        return switches.job_status if self.eligible else "DELETE"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedID:
    """A clientmsgid that WeChat remembers. `msg_id` is None where the call had failed."""

    at: float
    content_digest: str
    msg_id: int | None


@dataclass(slots=True)
class JobBook:
    """All jobs of all accounts, and the sends that are being executed."""

    _jobs: dict[int, Job] = field(default_factory=dict)
    _used: dict[tuple[str, str], UsedID] = field(default_factory=dict)
    _running: Counter[tuple[str, str]] = field(default_factory=Counter)
    _data_ids: dict[tuple[str, str], int] = field(default_factory=dict)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(FIRST_MSG_ID))
    _ids_to_all: Iterator[int] = field(default_factory=lambda: itertools.count(FIRST_MSG_ID_TO_ALL))
    _next_data_id: Iterator[int] = field(default_factory=lambda: itertools.count(FIRST_MSG_DATA_ID))

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)

    def get(self, msg_id: int, *, appid: str | None = None) -> Job:
        """Return a job; of another account it is as unknown as a wrong id.

        Raises:
            RefusalError: 40059.
        """
        job = self._jobs.get(msg_id)
        if job is None or (appid is not None and job.appid != appid):
            raise RefusalError(40059)
        return job

    def add(self, job: Job, *, key: str) -> None:
        """Store an accepted job under its clientmsgid, given or made by WeChat."""
        self._jobs[job.msg_id] = job
        self.use(job.appid, key, at=job.accepted_at, digest=job.content_digest, msg_id=job.msg_id)

    def use(
        self, appid: str, key: str, *, at: float, digest: str, msg_id: int | None = None
    ) -> None:
        """Remember a clientmsgid."""
        self._used[appid, key] = UsedID(at=at, content_digest=digest, msg_id=msg_id)

    def used(self, appid: str, key: str) -> UsedID | None:
        """Return what is remembered of a clientmsgid."""
        return self._used.get((appid, key))

    def next_msg_id(self, kind: JobKind) -> int:
        """Return a new msg_id, beyond 32 signed bits but for sends to all."""
        return next(self._ids_to_all if kind == "all" else self._ids)

    def msg_data_id(self, appid: str, media_id: str | None) -> int:
        """Return the id of the article, the same for every send of one media_id (section 7.5)."""
        if media_id is None:
            return next(self._next_data_id)
        if (appid, media_id) not in self._data_ids:
            self._data_ids[appid, media_id] = next(self._next_data_id)
        return self._data_ids[appid, media_id]

    def runs(self, appid: str, key: str) -> bool:
        """Say whether a send with this clientmsgid is being executed now."""
        return self._running[appid, key] > 0

    @contextmanager
    def running(self, appid: str, key: str) -> Iterator[None]:
        """Mark the time in which a send is executed."""
        self._running[appid, key] += 1
        try:
            yield
        finally:
            self._running[appid, key] -= 1
            if not self._running[appid, key]:
                del self._running[appid, key]
